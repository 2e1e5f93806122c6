"""`config` and its verbs: a stack's configuration file, changed by hand."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from lab.engine.cli import CommandError
from lab.engine.config import (
    SECURE,
    full_key,
    get_path,
    has_secure,
    remove_path,
    set_path,
    split_key,
    to_text,
    typed_text,
)
from lab.engine.place import LateCipher, salt_of, stack_config
from lab.engine.project import load_yaml, save_yaml
from lab.engine.verbs.places import place_of

if TYPE_CHECKING:
    import argparse

    from lab.engine.place import Place


def show(asked: argparse.Namespace) -> int:
    """Show the stack's configuration, secrets hidden unless asked otherwise."""
    place = place_of(asked)
    config = load_yaml(place.config_file).get("config") or {}
    if asked.show_secrets:
        opened = stack_config(place, _cipher(place).decrypt)
        shown = {key: (entry.text, entry.secret) for key, entry in opened.items()}
    else:
        shown = {
            key: ("[secret]" if has_secure(item) else to_text(item), has_secure(item)) for key, item in config.items()
        }
    if asked.json:
        document = {
            key: _document(text, config.get(key), secret=secret) if text != "[secret]" else {"secret": True}
            for key, (text, secret) in shown.items()
        }
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return 0
    prefix = f"{place.project.name}:"
    width = max([len(key.removeprefix(prefix)) for key in shown] + [3]) + 2
    sys.stdout.write(f"{'KEY':<{width}}VALUE\n")
    for key, (text, _) in sorted(shown.items()):
        sys.stdout.write(f"{key.removeprefix(prefix):<{width}}{text}\n")
    return 0


def put(asked: argparse.Namespace) -> int:
    """Set a value, given as an argument or, which shows it nowhere, on standard input."""
    place = place_of(asked)
    text = asked.value
    if text is None:
        text = sys.stdin.read().rstrip("\n") if not sys.stdin.isatty() else _ask(asked)
    value: Any = text
    if asked.secret:
        value = {SECURE: _cipher(place).encrypt(text)}
    elif asked.type == "int":
        value = int(text)
    elif asked.type == "bool":
        value = text == "true"
    elif asked.type == "float":
        value = float(text)
    elif asked.path and asked.type is None:
        value = typed_text(text)
    content = load_yaml(place.config_file)
    config = content.get("config") or {}
    key, path = split_key(asked.key, place.project.name, as_path=asked.path)
    config = {full_key(name, place.project.name): item for name, item in config.items()}
    config[key] = set_path(config.get(key), path, value) if path else value
    save_yaml(place.config_file, {**content, "config": dict(sorted(config.items()))})
    return 0


def get(asked: argparse.Namespace) -> int:
    """Show one value, opened if it is secret."""
    place = place_of(asked)
    config = load_yaml(place.config_file).get("config") or {}
    key, path = split_key(asked.key, place.project.name, as_path=asked.path)
    found = get_path({full_key(name, place.project.name): item for name, item in config.items()}.get(key), path)
    if found is None:
        entry = None if path else stack_config(place, _cipher(place).decrypt).get(key)
        if entry is None:
            raise CommandError(f"configuration key '{asked.key}' not found for stack '{place.stack}'")
        text, secret = entry.text, entry.secret
    else:
        secret = has_secure(found)
        text = to_text(_opened(found, _cipher(place)) if secret else found)
    if asked.json:
        sys.stdout.write(json.dumps({"value": text, "secret": secret}, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(f"{text}\n")
    return 0


def rm(asked: argparse.Namespace) -> int:
    """Remove a value."""
    place = place_of(asked)
    content = load_yaml(place.config_file)
    config = {full_key(name, place.project.name): item for name, item in (content.get("config") or {}).items()}
    key, path = split_key(asked.key, place.project.name, as_path=asked.path)
    if path:
        config[key] = remove_path(config.get(key), path)
    else:
        config.pop(key, None)
    save_yaml(place.config_file, {**content, "config": config})
    return 0


def _document(text: str, written: Any, *, secret: bool) -> dict[str, Any]:
    """Return a value as `config --json` has it: maps and lists both as text and as they are."""
    whole = {"objectValue": json.loads(text)} if isinstance(written, dict | list) and not secret else {}
    return {"value": text, **whole, "secret": secret}


def _cipher(place: Place) -> LateCipher:
    return LateCipher(lambda: salt_of(place, {}))


def _opened(value: Any, cipher: LateCipher) -> Any:
    if isinstance(value, dict):
        if value.keys() == {SECURE}:
            return cipher.decrypt(value[SECURE])
        return {key: _opened(item, cipher) for key, item in value.items()}
    if isinstance(value, list):
        return [_opened(item, cipher) for item in value]
    return value


def _ask(asked: argparse.Namespace) -> str:
    if asked.non_interactive:
        raise CommandError(f"config value of {asked.key!r}: missing; give it on standard input")
    if asked.secret:
        import getpass

        return getpass.getpass("value: ")
    return input("value: ")

"""A stack's configuration: from the project's and the stack's files to the strings that a program is given.

Pure but for the cipher it is given. A map that holds one `secure:` leaf is secret as a whole.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab.engine.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.engine.paths import Path

SECURE: Final = "secure"

_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
    "number": (int, float),
}


class ConfigError(Exception):
    """Configuration that is missing, or not what the project declares."""


@dataclass(frozen=True)
class Entry:
    """One configuration value as a program sees it.

    Args:
        text: The string; lists and maps are compact JSON.
        secret: It was encrypted, or declared secret.
    """

    text: str
    secret: bool = False


def full_key(key: str, project: str) -> str:
    """Return the key with its namespace: the project's if it names none."""
    return key if ":" in key else f"{project}:{key}"


def is_secure(value: Any) -> bool:
    """Tell whether a value of a stack file is an encrypted leaf."""
    return isinstance(value, dict) and value.keys() == {SECURE} and isinstance(value[SECURE], str)


def has_secure(value: Any) -> bool:
    """Tell whether a value of a stack file is or holds an encrypted leaf."""
    if is_secure(value):
        return True
    if isinstance(value, dict):
        return any(has_secure(item) for item in value.values())
    return isinstance(value, list) and any(has_secure(item) for item in value)


def open_config(
    declared: Mapping[str, Any],
    stack_config: Mapping[str, Any],
    *,
    project: str,
    stack: str,
    decrypt: Callable[[str], str],
) -> dict[str, Entry]:
    """Return every configuration value of a stack by its full key.

    Args:
        declared: `config:` of the project file: defaults, types, what is secret.
        stack_config: `config:` of the stack file; it wins.
        project: Name of the project, the namespace of keys without one.
        stack: Name of the stack, for errors.
        decrypt: Opens the text of an encrypted leaf.

    Raises:
        ConfigError: A declared value is missing or of another type.
    """
    values = {full_key(key, project): value for key, value in stack_config.items()}
    secret = set()
    faults = []
    for key, wish in declared.items():
        name = full_key(key, project)
        typed = wish if isinstance(wish, dict) else {"default": wish}
        if typed.get("secret"):
            secret.add(name)
        if name not in values:
            default = typed.get("value", typed.get("default"))
            if default is not None:
                values[name] = default
            elif name.startswith(f"{project}:"):
                faults.append(f"Stack '{stack}' is missing configuration value '{key}'")
        elif not _fits(values[name], typed):
            faults.append(f"Stack '{stack}' with configuration key '{key}' must be of type '{typed['type']}'")
    if faults:
        raise ConfigError("validating stack config: " + "\n".join(faults))
    return {
        name: Entry(to_text(_opened(value, decrypt)), secret=name in secret or has_secure(value))
        for name, value in values.items()
    }


def to_text(value: Any) -> str:
    """Return a configuration value as the string that a program is given."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, dict | list):
        return json.dumps(_plain(value), separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return str(_plain(value))


def get_path(value: Any, path: Path) -> Any:
    """Return what lies at a path inside a value, None if nothing does."""
    for part in path:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list) and part < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def set_path(value: Any, path: Path, new: Any) -> Any:
    """Return the value with another one at a path; missing maps and lists are made.

    Raises:
        ConfigError: The path leads through a value that is no container, or past the end of a list.
    """
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        items = [] if value is None else value
        if not isinstance(items, list) or head > len(items):
            raise ConfigError(f"config path: position {head} of a list that ends before it")
        before = items[head] if head < len(items) else None
        return [*items[:head], set_path(before, rest, new), *items[head + 1 :]]
    entries = {} if value is None else value
    if not isinstance(entries, dict) or is_secure(entries):
        raise ConfigError(f"config path: key {head!r} of a value that is no map")
    return {**entries, head: set_path(entries.get(head), rest, new)}


def remove_path(value: Any, path: Path) -> Any:
    """Return the value without what lies at a path; what is not there is no fault."""
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        if not isinstance(value, list) or head >= len(value):
            return value
        middle = [remove_path(value[head], rest)] if rest else []
        return [*value[:head], *middle, *value[head + 1 :]]
    if not isinstance(value, dict) or head not in value:
        return value
    if rest:
        return {**value, head: remove_path(value[head], rest)}
    return {key: item for key, item in value.items() if key != head}


def split_key(key: str, project: str, *, as_path: bool) -> tuple[str, Path]:
    """Return the full key of the stack file, and the path inside its value.

    Args:
        key: As given on the command line.
        project: Namespace of a key without one.
        as_path: Read the key as a path, `a.b[0]`; otherwise the path is empty.
    """
    namespace, colon, name = key.rpartition(":")
    if not as_path:
        return full_key(key, project), ()
    first, *rest = parse_path(name)
    return f"{namespace if colon else project}:{first}", tuple(rest)


def typed_text(text: str) -> Any:
    """Return a value given with `--path` as Pulumi types it: booleans and whole numbers, else text."""
    if text in ("true", "false"):
        return text == "true"
    if text.lstrip("-").isdecimal() and str(int(text)) == text:
        return int(text)
    return text


def _opened(value: Any, decrypt: Callable[[str], str]) -> Any:
    if is_secure(value):
        return decrypt(value[SECURE])
    if isinstance(value, dict):
        return {key: _opened(item, decrypt) for key, item in value.items()}
    if isinstance(value, list):
        return [_opened(item, decrypt) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {to_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} +0000 UTC"
    if isinstance(value, dt.date):
        return f"{value:%Y-%m-%d} 00:00:00 +0000 UTC"  # what Pulumi's YAML reader makes of a bare date
    return value


def _fits(value: Any, typed: Mapping[str, Any]) -> bool:
    wanted = typed.get("type")
    if wanted is None or is_secure(value):
        return True
    if wanted not in _TYPES:
        return True
    if isinstance(value, str) and wanted in ("integer", "boolean", "number"):
        value = typed_text(value)
    if isinstance(value, bool) and wanted != "boolean":
        return False
    if wanted == "array" and isinstance(value, list):
        return all(_fits(item, typed.get("items") or {}) for item in value)
    return isinstance(value, _TYPES[wanted])

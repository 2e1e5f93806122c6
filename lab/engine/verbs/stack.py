"""`stack` and its verbs, and `cancel`."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.engine.backend import Backend, rfc3339, select_stack, selected_stack, write_private
from lab.engine.checkpoint import check_home, dump_deployment, load_deployment, unwrap_document, wrap
from lab.engine.cli import MISUSED, VERSION, CommandError
from lab.engine.place import LateCipher, salt_of, salt_of_state
from lab.engine.project import find_project, stack_file
from lab.engine.stored import Stored, compact, conceal_stored, dump_plain, hide_stored, reveal_stored
from lab.engine.urns import STACK_TYPE
from lab.engine.verbs.places import place_of, short_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from lab.engine.place import Place

NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def version(asked: argparse.Namespace) -> int:
    """Say which engine this stands in for."""
    del asked
    sys.stdout.write(f"v{VERSION}\n")
    return 0


def init(asked: argparse.Namespace) -> int:
    """Make a stack, with a fresh salt in its configuration file, and select it."""
    project = find_project(Path.cwd())
    name = short_name(asked.name or asked.stack or "")
    if not NAME.fullmatch(name):
        raise CommandError(f"stack name: {name!r}, allowed: letters, digits, `-`, `_` and `.`", MISUSED)
    if asked.secrets_provider not in ("passphrase", "default"):
        raise CommandError(f"secrets provider: {asked.secrets_provider!r}, allowed: passphrase", MISUSED)
    asked.stack = name
    place = place_of(asked, project)
    salt = salt_of(place, {})
    LateCipher(lambda: salt).open()
    latest = dump_deployment((), (), Stored(LateCipher(lambda: salt)), salt=salt, time=rfc3339())
    place.backend.create(project.name, name, wrap(project.name, name, latest))
    if not asked.no_select:
        select_stack(project.file, project.name, name)
    sys.stdout.write(f"Created stack '{name}'\n")
    return 0


def ls(asked: argparse.Namespace) -> int:
    """List the project's stacks, the selected one marked."""
    project = find_project(Path.cwd())
    backend = Backend.of_environment()
    chosen = selected_stack(project.file, project.name)
    entries = []
    for name in backend.stacks(project.name):
        latest = unwrap_document(backend.read(project.name, name))
        entry = {"name": name, "current": name == chosen}
        if latest.get("resources"):
            entry["lastUpdate"] = (latest.get("manifest") or {}).get("time") or ""
        entries.append(entry | {"resourceCount": len(latest.get("resources") or ())})
    if asked.json:
        sys.stdout.write(json.dumps(entries, indent=2) + "\n")
        return 0
    width = max([len(str(entry["name"])) for entry in entries] + [4]) + 2
    sys.stdout.write(f"{'NAME':<{width}}RESOURCE COUNT\n")
    for entry in entries:
        label = f"{entry['name']}{'*' if entry['current'] else ''}"
        sys.stdout.write(f"{label:<{width}}{entry['resourceCount']}\n")
    return 0


def select(asked: argparse.Namespace) -> int:
    """Choose a stack for further commands."""
    project = find_project(Path.cwd())
    name = short_name(asked.name or asked.stack or "")
    backend = Backend.of_environment()
    if name not in backend.stacks(project.name) and asked.create:
        asked.secrets_provider, asked.no_select = "passphrase", False
        return init(asked)
    backend.read(project.name, name)
    select_stack(project.file, project.name, name)
    return 0


def show(asked: argparse.Namespace) -> int:
    """Show the stack's resources and outputs."""
    place = place_of(asked)
    if asked.show_name:
        sys.stdout.write(f"{place.stack}\n")
        return 0
    latest = _latest(place)
    rows = latest.get("resources") or []
    sys.stdout.write(f"Current stack is {place.stack}:\n    Managed by lab.engine\n")
    sys.stdout.write(f"Current stack resources ({len(rows)}):\n")
    for row in rows:
        sys.stdout.write(f"    {row['type']}  {row['urn'].rsplit('::', 1)[-1]}\n")
        if asked.show_ids and row.get("id"):
            sys.stdout.write(f"        ID: {row['id']}\n")
        if asked.show_urns:
            sys.stdout.write(f"        URN: {row['urn']}\n")
    _print_outputs(_outputs(place, latest, revealed=asked.show_secrets))
    return 0


def output(asked: argparse.Namespace) -> int:
    """Show one output or all of them."""
    place = place_of(asked)
    found = _outputs(place, _latest(place), revealed=asked.show_secrets)
    if asked.name is None:
        if asked.json:
            sys.stdout.write(json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        else:
            _print_outputs(found)
        return 0
    if asked.name not in found:
        raise CommandError(f"current stack does not have output property '{asked.name}'")
    value = found[asked.name]
    text = value if isinstance(value, str) and not asked.json else json.dumps(value, ensure_ascii=False)
    sys.stdout.write(f"{text}\n")
    return 0


def export(asked: argparse.Namespace) -> int:
    """Write the state, secrets encrypted unless asked otherwise."""
    place = place_of(asked)
    latest: Any = _latest(place)
    if asked.show_secrets:
        latest = reveal_stored(latest, LateCipher(lambda: salt_of_state(place, _latest(place))))
    text = json.dumps({"version": 3, "deployment": latest}, indent=4, ensure_ascii=False) + "\n"
    if asked.file:
        write_private(Path(asked.file), text)
    else:
        sys.stdout.write(text)
    return 0


def take(asked: argparse.Namespace) -> int:
    """Read a state from a file or standard input, and put it in the place of the stack's."""
    place = place_of(asked)
    deployment = _exported(Path(asked.file).read_text(encoding="utf-8") if asked.file else sys.stdin.read())
    before = _latest(place)
    cipher = LateCipher(lambda: salt_of(place, before))
    latest = conceal_stored(deployment, cipher)
    lock = place.backend.lock(place.project.name, place.stack)
    try:
        snapshot = load_deployment(latest, Stored(cipher))
        if not asked.force:
            check_home(snapshot, place.project.name, place.stack, where="import", remedy="take it with --force")
        place.backend.write(place.project.name, place.stack, compact(wrap(place.project.name, place.stack, latest)))
    finally:
        lock.release()
    sys.stdout.write("Import complete.\n")
    return 0


def _exported(text: str) -> dict[str, Any]:
    """Return the deployment of an export.

    Raises:
        CommandError: The text is no export of a version that this engine knows.
    """
    try:
        document = json.loads(text)
    except ValueError as fault:
        raise CommandError(f"import: not JSON ({fault}), allowed: what `stack export` writes") from fault
    if not isinstance(document, dict) or not isinstance(document.get("deployment"), dict):
        raise CommandError("import: no `deployment`, allowed: what `stack export` writes")
    unwrap_document({**document, "checkpoint": {}})
    deployment: dict[str, Any] = document["deployment"]
    return deployment


def rm(asked: argparse.Namespace) -> int:
    """Forget a stack that has no resources left, or any with --force."""
    if asked.name:
        asked.stack = asked.name
    place = place_of(asked)
    latest = _latest(place)
    if latest.get("resources") and not asked.force:
        raise CommandError(
            f"'{place.stack}' still has resources; removal rejected. Run `pulumi destroy` to delete the resources, "
            "then run `pulumi stack rm`; or run `pulumi stack rm --force` to override this error"
        )
    if not asked.yes and not _typed_name(asked, place):
        raise CommandError("confirmation declined; nothing was removed")
    lock = place.backend.lock(place.project.name, place.stack)
    try:
        place.backend.remove(place.project.name, place.stack)
    finally:
        lock.release()
    file = stack_file(place.project, place.stack, asked.config_file)
    if not asked.preserve_config:
        file.unlink(missing_ok=True)
    if selected_stack(place.project.file, place.project.name) == place.stack:
        select_stack(place.project.file, place.project.name, None)
    sys.stdout.write(f"Stack '{place.stack}' has been removed!\n")
    return 0


def history(asked: argparse.Namespace) -> int:
    """List what was done to a stack, the newest first."""
    place = place_of(asked)
    folder = place.backend.root / "history" / place.project.name / place.stack
    entries = [
        json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.history.json"), reverse=True)
    ]
    if asked.json:
        times = [{key: _utc(entry[key]) for key in ("startTime", "endTime")} for entry in entries]
        shown = [entry | time | {"version": 0} for entry, time in zip(entries, times, strict=True)]
        sys.stdout.write(json.dumps(shown, indent=4) + "\n")
        return 0
    for entry in entries:
        changes = " ".join(f"{count} {op}" for op, count in sorted(entry["resourceChanges"].items()))
        took_s = entry["endTime"] - entry["startTime"]
        sys.stdout.write(f"{entry['kind']} {entry['result']} after {took_s}s: {changes or 'nothing'}\n")
    return 0


def cancel(asked: argparse.Namespace) -> int:
    """Remove the locks of a stack; whoever held them must be dead."""
    if asked.name:
        asked.stack = asked.name
    place = place_of(asked)
    if not asked.yes and not _typed_name(asked, place):
        raise CommandError("confirmation declined; the stack stays locked")
    count = place.backend.cancel(place.project.name, place.stack)
    sys.stdout.write(f"The currently running update for '{place.stack}' has been canceled! ({count} locks)\n")
    return 0


def _latest(place: Place) -> dict[str, Any]:
    return unwrap_document(place.backend.read(place.project.name, place.stack))


def _outputs(place: Place, latest: Mapping[str, Any], *, revealed: bool) -> dict[str, Any]:
    for row in latest.get("resources") or ():
        if row["type"] == STACK_TYPE:
            stored = row.get("outputs") or {}
            if revealed:
                plain: dict[str, Any] = dump_plain(
                    Stored(LateCipher(lambda: salt_of_state(place, latest))).load(stored)
                )
                return plain
            hidden: dict[str, Any] = hide_stored(stored)
            return hidden
    return {}


def _print_outputs(outputs: Mapping[str, Any]) -> None:
    sys.stdout.write(f"Current stack outputs ({len(outputs)}):\n")
    if not outputs:
        sys.stdout.write("    No output values currently in this stack\n")
        return
    width = max(len(name) for name in (*outputs, "OUTPUT")) + 2
    sys.stdout.write(f"    {'OUTPUT':<{width}}VALUE\n")
    for name, value in sorted(outputs.items()):
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        sys.stdout.write(f"    {name:<{width}}{text}\n")


def _utc(seconds: int) -> str:
    """Return a time as the history shows it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _typed_name(asked: argparse.Namespace, place: Place) -> bool:
    if asked.non_interactive or not sys.stdin.isatty():
        raise CommandError("--yes must be passed in to proceed when running in non-interactive mode", MISUSED)
    return input(f"Please confirm by typing the stack's name (`{place.stack}`): ") == place.stack

"""What the program remembers: what is confirmed, what is armed, and the files that a rollback brings back.

```text
/var/lib/farshore/host/        0700
  confirmed.json               what the host was told last and somebody confirmed; secrets without content
  pending.json                 the marker: there as long as what runs is unconfirmed
  old/journal.json, old/tree/  what the switch replaced: content, rights, units, kernel settings; gone once confirmed
  old/program                  the program that takes it back, whatever the bundle makes of the installed one
  new/                         staged files
  kept/                        the last three confirmed bundles, without secrets
```

The marker is renamed onto `confirmed.json` to confirm, and removed to have taken back: one operation each.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Any

from cloud_init.host.document import Document, Told
from cloud_init.host.durable import (
    make_folder,
    place_file,
    read_json,
    read_text,
    remove_file,
    remove_tree,
    sync_folder,
    write_file,
    write_json,
)
from cloud_init.host.interface import what_is_read
from cloud_init.host.places import BIRTH, IDENTITY, KEPT, MARKER, NEW, OLD, PROGRAM, RECORD, STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

JOURNAL = f"{OLD}/journal.json"
OLD_TREE = f"{OLD}/tree"
OLD_PROGRAM = f"{OLD}/program"
STATS = f"{STATE}/stats.json"
KEPT_COUNT = 3


def read_identity() -> dict[str, Any]:
    """Return who this host is: its stack and its name; empty where nobody told it."""
    return read_json(IDENTITY)


def read_disk(paths: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Return files as they are, those that are there."""
    found = {}
    for path in sorted(set(paths)):
        with contextlib.suppress(FileNotFoundError), open(path, "rb", buffering=0) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found[path] = (mode, file.read().decode("utf-8", "surrogateescape"))
    return found


def told_by(record: dict[str, Any], files: dict[str, tuple[int, str]]) -> Told:
    """Return what a record says, with these files."""
    return Told(files=files, units=tuple(record.get("units", ())), masked=tuple(record.get("masked", ())))


def paths_of(record: dict[str, Any]) -> list[str]:
    """Return the paths that a record has."""
    return [file["path"] for file in record.get("files", ())]


def record_of(document: Document, identity: dict[str, Any]) -> dict[str, Any]:
    """Return what is remembered of a bundle: of secrets their places alone, no content and no hash of it."""
    return {
        **identity,
        "sequence": document.sequence,
        "digest": document.digest,
        "files": [
            {"path": path, "mode": mode, "secret": path in document.secret}
            | ({} if path in document.secret else {"content": content})
            for path, (mode, content) in sorted(document.told.files.items())
        ],
        "units": list(document.told.units),
        "masked": list(document.told.masked),
        "revoked": list(document.revoked),
    }


def read_record() -> dict[str, Any]:
    """Return what is confirmed; what the host was told at its birth, where nothing was since."""
    record = read_json(RECORD)
    return record or adopt()


def adopt() -> dict[str, Any]:
    """Remember what the host was told at its birth as confirmed; contents are on its disk."""
    found = read_json(BIRTH)
    if not found or read_json(RECORD):
        return {}
    files = read_disk(path for path, _ in found["files"])
    secret = frozenset(path for path, secret in found["files"] if secret)
    told = Told(files, tuple(found["units"]), tuple(found["masked"]))
    record = record_of(Document(told, secret, (), 0, found["digest"]), read_identity())
    make_folder(STATE, 0o700)
    write_json(RECORD, record)
    keep_record(record)
    note_stats(record)
    return record


def boot_id() -> str:
    """Return what the kernel calls this boot: a monotonic time means nothing in another."""
    return (read_text("/proc/sys/kernel/random/boot_id") or "").strip()


def prepare_state() -> None:
    """Have the folder for all of it, for root alone, with nothing of an interrupted run in it."""
    make_folder(STATE, 0o700)
    if not read_json(MARKER):
        remove_tree(OLD)
    remove_tree(NEW)


def stage_files(told: Told, paths: Sequence[str]) -> None:
    """Write what parsers read of new files where nobody else reads it."""
    _write_tree(NEW, {path: (0, what_is_read(path, told.files[path][1])) for path in paths})


def keep_old(old: Told, paths: Iterable[str], settings: dict[str, str]) -> None:
    """Write down what the switch is going to replace, for good, before any of it is replaced."""
    files = {path: old.files[path] for path in paths if path in old.files}
    _write_tree(OLD_TREE, files)
    program = read_text(PROGRAM)
    write_file(OLD_PROGRAM, program if program is not None else read_text(sys.argv[0]) or "", 0o700)
    journal = {
        "paths": {path: old.files[path][0] if path in old.files else None for path in paths},
        "units": list(old.units),
        "masked": list(old.masked),
        "settings": settings,
    }
    write_json(JOURNAL, journal)


def _write_tree(root: str, files: dict[str, tuple[int, str]]) -> None:
    make_folder(root, 0o700)
    for path, (_, content) in files.items():
        make_folder(os.path.dirname(root + path), 0o700)
        place_file(root + path, content, 0o600)
    for folder in {os.path.dirname(root + path) for path in files}:
        sync_folder(folder)


def arm(record: dict[str, Any], within_s: float) -> None:
    """Leave the marker: from here on the host is what it was, unless somebody confirms."""
    write_json(MARKER, {**record, "armed": {"boot": boot_id(), "until_s": time.monotonic() + within_s}})


def commit() -> None:
    """Make what is armed the truth, in one operation; everything else of it is on the disk by then."""
    os.sync()  # what systemctl enabled or masked, which it does not sync
    os.rename(MARKER, RECORD)
    sync_folder(STATE)
    keep_record(read_json(RECORD))
    forget_old()


def forget_old() -> None:
    """Take away what only a rollback needs, keys among it."""
    remove_tree(OLD)
    remove_tree(NEW)


def keep_record(record: dict[str, Any]) -> None:
    """Keep a confirmed bundle among the last three."""
    make_folder(KEPT, 0o700)
    # Numbered, and not dated: a clock may be wrong.
    number = max([int(name.split("-")[0]) for name in os.listdir(KEPT) if name[0] != "."], default=0) + 1
    name = f"{number:06d}-{record['sequence']}-{record['digest'][7:19]}.json"
    write_json(f"{KEPT}/{name}", {key: value for key, value in record.items() if key != "armed"})
    for former in sorted(os.listdir(KEPT))[:-KEPT_COUNT]:
        remove_file(f"{KEPT}/{former}")


def note_stats(record: dict[str, Any]) -> None:
    """Note when secrets were written and how long they are, which tells of a change by hand without a hash."""
    write_json(STATS, stats_of(record))


def stats_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return for each secret file of a record its time and length; None where it is not there."""
    found: dict[str, Any] = {}
    for file in record.get("files", ()):
        if file["secret"]:
            try:
                status = os.stat(file["path"])
                found[file["path"]] = [status.st_mtime_ns, status.st_size]
            except FileNotFoundError:
                found[file["path"]] = None
    return found

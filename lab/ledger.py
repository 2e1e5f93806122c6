"""The ledger of one lab: what it made on this machine, so that the next start can undo it after a `kill -9`.

Append-only, one JSON object a line, written before the thing is made; whoever undoes it must therefore cope with
what never came to be.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from lab import cgroups
from lab.internet.namespace import remove_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind: TypeAlias = Literal["namespace", "cgroup", "folder", "process"]


def start_time(pid: int) -> int | None:
    """Return when a process was started, in the kernel's ticks; None for one that has ended.

    With the id it names a process for good: ids are used again.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def end_process(pid: int, started: int, *, within_s: float = 5.0) -> None:
    """Kill a process, if it still is the one that was recorded, and wait until it is gone."""
    if start_time(pid) != started:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + within_s
    while start_time(pid) == started and time.monotonic() < deadline:
        time.sleep(0.01)


class Ledger:
    """The file that says what a lab made.

    Args:
        path: Of the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def exists(self) -> bool:
        """Whether anything is noted."""
        return self._path.exists()

    def note(self, kind: Kind, name: str, **more: int) -> None:
        """Write down what is about to be made."""
        line = json.dumps({"kind": kind, "name": name, **more}) + "\n"
        with self._path.open("a", encoding="utf-8") as ledger:
            ledger.write(line)

    def undo(self) -> int:
        """Undo everything noted, the newest first, and forget it; return how many things were noted."""
        entries = list(self._entries())
        for kind in ("cgroup", "process", "namespace", "folder"):  # processes first: they hold the rest
            for entry in reversed(entries):
                if entry["kind"] == kind:
                    _undo(entry)
        self._path.unlink(missing_ok=True)
        return len(entries)

    def _entries(self) -> Iterator[dict[str, object]]:
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(json.JSONDecodeError):  # the last line of a process that was killed
                yield json.loads(line)


def _undo(entry: dict[str, object]) -> None:
    name = str(entry["name"])
    match entry["kind"]:
        case "cgroup":
            cgroups.remove(Path(name))
        case "namespace":
            remove_namespace(name)
        case "process":
            end_process(int(str(entry["pid"])), int(str(entry["started"])))
        case "folder":
            shutil.rmtree(name, ignore_errors=True)

"""Which labs run on this machine: one folder each, locked by the lab's process for as long as it lives."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lab.ledger import Ledger, end_process, start_time

if TYPE_CHECKING:
    from collections.abc import Iterator

LETS_GO_WITHIN_S = 5.0
NAME_LENGTH_MAX = 12  # names of interfaces and namespaces are made from it


class RefusalError(Exception):
    """Why a lab is not started; nothing was made yet."""


def check_name(name: str) -> None:
    """Refuse a name that can't be part of a namespace's.

    Raises:
        RefusalError: It has other characters, or is too long.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name) or len(name) > NAME_LENGTH_MAX:
        raise RefusalError(
            f"lab name: {name!r}, allowed: 1-{NAME_LENGTH_MAX} lower-case letters, digits and dashes; choose another"
        )


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner can look into, if it is not there.

    Raises:
        RefusalError: It can't be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise RefusalError(f"{folder}: {error.strerror}, allowed: a folder that can be written; choose one") from error


def registry_folder() -> Path:
    """Return where labs are registered: gone at the next boot of this machine, as what they made is."""
    if os.geteuid() == 0:
        return Path("/run/farshore")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return Path(runtime) / "farshore" if runtime else Path.home() / ".cache/farshore/run"


class Registration:
    """A lab's entry.

    Args:
        name: The lab's.
        folder: Where labs are registered.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        check_name(name)
        self.name = name
        self._folder = (folder or registry_folder()) / name
        self.ledger = Ledger(self._folder / "ledger.jsonl")

    def running(self) -> tuple[int, int] | None:
        """Return process id and start time of the lab that runs under this name, or None."""
        try:
            pid, started = map(int, (self._folder / "process").read_text(encoding="ascii").split())
        except (FileNotFoundError, ValueError):
            return None
        return (pid, started) if start_time(pid) == started else None

    @contextlib.contextmanager
    def held(self) -> Iterator[Ledger]:
        """Register this process as the lab, with the ledger of the one before.

        Raises:
            RefusalError: Another process is registered and alive.
        """
        make_folder(self._folder)
        with (self._folder / "lock").open("a", encoding="ascii") as lock:
            self._lock(lock)
            if not _is_still(lock, self._folder / "lock"):  # the lab before has just removed its entry
                raise RefusalError(f"lab {self.name!r}: another process ended it just now; try again")
            (self._folder / "process").write_text(f"{os.getpid()} {start_time(os.getpid())}\n", encoding="ascii")
            try:
                yield self.ledger
            finally:
                if not self.ledger.exists:
                    shutil.rmtree(self._folder)

    def refuse_if_running(self) -> None:
        """Refuse a name under which a lab runs.

        Raises:
            RefusalError: One does.
        """
        if self.running():
            raise RefusalError(self._taken())

    def end(self, *, within_s: float = 30.0) -> str:
        """End the lab of this name, and undo what one that was killed has left; return what was done."""
        found = self.running()
        if found is not None:
            _end_politely(*found, within_s=within_s)
        with self.held() as ledger:
            undone = ledger.undo()
        if found is not None:
            return f"lab {self.name}: ended"
        return f"lab {self.name}: {f'{undone} leftovers removed' if undone else 'nothing to do'}"

    def _lock(self, lock: IO[str]) -> None:
        """Take the lock, giving a process that is just being killed the moment it needs to let go of it."""
        deadline = time.monotonic() + LETS_GO_WITHIN_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self.running() or time.monotonic() > deadline:
                    raise RefusalError(self._taken()) from None
                time.sleep(0.02)
            else:
                return

    def _taken(self) -> str:
        found = self.running()
        who = f"process {found[0]}" if found else "another process"
        return f"lab {self.name!r}: {who} runs it, allowed: one; end it: python -m lab down --name {self.name}"


def _is_still(lock: IO[str], path: Path) -> bool:
    try:
        return os.fstat(lock.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _end_politely(pid: int, started: int, *, within_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while start_time(pid) == started and time.monotonic() < deadline:
        time.sleep(0.05)
    end_process(pid, started)

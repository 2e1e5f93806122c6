"""An engine that runs beside the test, to be interrupted or killed in the middle."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.client import until

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
PATIENCE_S: Final = 3.0
END_WITHIN_S: Final = 30.0


@dataclass(frozen=True)
class Run:
    """What a command said, all of it, and how it ended."""

    code: int
    said: str


class Started:
    """A command under way.

    Args:
        command: Program and arguments.
        environment: All of its environment.
        log: Where it speaks.
    """

    def __init__(self, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def interrupt(self) -> Run:
        """Interrupt it, once more if it does not end soon, and return how it ended."""
        for _ in range(2):
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE_S)
                break
        return Run(self._process.wait(END_WITHIN_S), self._log.read_text(encoding="utf-8"))

    def kill(self) -> None:
        """End it with SIGKILL, and wait until program and plugins have noticed: then no request is on its way."""
        family = _below(self._process.pid)
        self._process.kill()
        self._process.wait()
        until(lambda: None if any(map(_runs, family)) else True, END_WITHIN_S, "the end of program and plugins")


def _below(pid: int) -> set[int]:
    """Return the processes below one, at any distance."""
    found: set[int] = set()
    with contextlib.suppress(OSError):
        for listing in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in listing.read_text(encoding="ascii").split():
                found |= {int(child)} | _below(int(child))
    return found


def _runs(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""Somebody at a terminal, who types into a program and reads what it says."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_WITHIN_S = 30.0


class Typing:
    """A program on a terminal.

    Args:
        command: The program and its arguments.
        rows: Of the terminal.
        columns: Of the terminal.
    """

    def __init__(self, command: Sequence[str], *, rows: int, columns: int) -> None:
        self._ours, theirs = os.openpty()
        self._seen = ""
        self.resize(rows=rows, columns=columns)
        self._process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=False
        )
        os.close(theirs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def resize(self, *, rows: int, columns: int) -> None:
        """Make the terminal another size."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def sees(self, text: str, within_s: float = _WITHIN_S) -> None:
        """Read until a text has come, and go on after it."""
        deadline = time.monotonic() + within_s
        while text not in self._seen:
            assert time.monotonic() < deadline, f"{text!r} not in {self._seen!r}"
            if select.select([self._ours], [], [], 0.2)[0]:
                self._seen += os.read(self._ours, 4096).decode(errors="replace")
        self._seen = self._seen.partition(text)[2]

    def asked(self, keys: str, answer: str) -> bool:
        """Tell whether keys are answered so."""
        self.type(keys)
        try:
            self.sees(answer, within_s=3)
        except AssertionError:
            return False
        return True

    def ended(self) -> int:
        """Read to the end, and return the program's exit code."""
        deadline = time.monotonic() + _WITHIN_S
        while self._process.poll() is None:
            assert time.monotonic() < deadline, f"still running: {self._seen!r}"
            if select.select([self._ours], [], [], 0.2)[0]:
                try:
                    os.read(self._ours, 4096)
                except OSError:  # the other end is closed
                    break
        return self._process.wait(_WITHIN_S)

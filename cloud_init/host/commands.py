"""Other programs: each with a time-out of its own, within a deadline for all."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass, field

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


@dataclass(frozen=True)
class Command:
    """One program to run.

    Args:
        why: What it does to the host, for people.
        words: The program and its arguments: never a key, never a public address.
        given: On its standard input, which may hold either.
        within_s: Its own time-out.
    """

    why: str
    words: tuple[str, ...]
    given: str = field(default="", repr=False)
    within_s: float = 30.0


@dataclass(frozen=True)
class Said:
    """What a program left behind; `code` is -1 where it was not there or not in time."""

    code: int
    out: str = field(repr=False)
    err: str = field(repr=False)


class Deadline:
    """A moment on the monotonic clock by which all has to be over."""

    def __init__(self, within_s: float) -> None:
        self.at_s = time.monotonic() + within_s

    def left_s(self, at_most_s: float) -> float:
        """Return what is left of the time, or `at_most_s`."""
        return max(0.0, min(at_most_s, self.at_s - time.monotonic()))


def run(command: Command, deadline: Deadline) -> Said:
    """Run a program to its end, or end it and all that it started."""
    try:
        process = subprocess.Popen(
            command.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Said(-1, "", f"{command.words[0]}: {error.strerror}")
    try:
        out, err = process.communicate(command.given, timeout=deadline.left_s(command.within_s))
    except subprocess.TimeoutExpired:
        return Said(-1, "", f"{command.words[0]}: not done in time")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return Said(process.returncode, out, err)


def ask(words: tuple[str, ...], deadline: Deadline, within_s: float = 10.0) -> str:
    """Return what a program prints; nothing where it fails."""
    said = run(Command("", words, within_s=within_s), deadline)
    return said.out if said.code == 0 else ""

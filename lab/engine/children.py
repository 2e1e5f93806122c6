"""Processes that the engine starts: they end with it, however it ends.

A child has a session of its own, so that Ctrl-C reaches the engine alone, and a parent-death signal, so that even
a killed engine leaves nothing behind, at whatever moment. What a child writes is read to its end, line by line.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from typing import TYPE_CHECKING, Final

from lab.engine.wire import MESSAGE_LIMIT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

GRACE_S: Final = 5.0
"""How long a child may take to end by itself."""


class Child:
    """A running child; make one with `start_child`."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self.name = name
        self._process = process
        self._readers: list[asyncio.Task[None]] = []

    @property
    def exit_code(self) -> int | None:
        """Exit code, negative for a signal, None while it runs."""
        return self._process.returncode

    def listen(self, *, out: Callable[[str], None], err: Callable[[str], None]) -> None:
        """Hand each further line of standard output and standard error to a listener."""
        for stream, listener in ((self._process.stdout, out), (self._process.stderr, err)):
            assert stream is not None
            self._readers.append(asyncio.create_task(_drain(stream, listener)))

    async def first_line(self) -> str:
        """Return the first line of standard output, empty if it ended before one."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode(errors="replace").strip()

    async def tell(self, text: str) -> None:
        """Write to standard input and close it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(text.encode())
            await self._process.stdin.drain()
        self._process.stdin.close()

    async def wait(self) -> int:
        """Return the exit code once the child has ended and its output is read."""
        code = await self._process.wait()
        if self._readers:
            await asyncio.wait(self._readers, timeout=GRACE_S)
        return code

    async def end(self, *, first: signal.Signals = signal.SIGTERM, within_s: float = GRACE_S) -> None:
        """Ask the child to end, and kill its whole session if it does not; one that ended is fine."""
        if self._process.returncode is None:
            self._signal(first)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), within_s)
        self._signal(signal.SIGKILL)
        await self._process.wait()
        for reader in self._readers:
            reader.cancel()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def bound(command: Sequence[str], parent: int, death_signal: signal.Signals) -> list[str]:
    """Return a command that gets a signal when its parent dies, and that is not begun when it is dead already.

    The kernel tells of a death only from when it was asked to: a parent that was killed between fork and then would
    leave its child for ever. So the child asks first, and looks then whose child it is.

    Args:
        command: Program and arguments.
        parent: Process id of who starts it.
        death_signal: What it gets.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    told = [setpriv, "--pdeathsig", death_signal.name.removeprefix("SIG"), "--"]
    return [*told, "/bin/sh", "-c", 'test "$PPID" = "$0" || exit; exec "$@"', str(parent), *command]


async def start_child(
    command: Sequence[str],
    *,
    name: str,
    folder: Path,
    environment: Mapping[str, str],
    feed: bool = False,
    death_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a child.

    Args:
        command: Program and arguments.
        name: What messages call it.
        folder: Where it runs.
        environment: All of its environment.
        feed: It is told something on standard input; otherwise that is empty.
        death_signal: What it gets when the engine dies.
    """
    process = await asyncio.create_subprocess_exec(
        *bound(command, os.getpid(), death_signal),
        cwd=folder,
        env=dict(environment),
        stdin=asyncio.subprocess.PIPE if feed else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=MESSAGE_LIMIT_BYTES,
    )
    return Child(process, name)


async def _drain(stream: asyncio.StreamReader, listener: Callable[[str], None]) -> None:
    while line := await stream.readline():
        listener(line.decode(errors="replace").rstrip("\n"))

"""Start the programs that make up a lab, so that none outlives it.

Each one is in the lab's control group from its first instruction, has no terminal, and runs in the namespaces it is
meant for. When the lab's process ends, however it does, a watchdog kills the group.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.internet.namespace import namespace_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# The shell puts itself into the group and then becomes the program: no instant in which it is in none.
_JOIN = 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"'

# Reads nothing: its standard input is a pipe that nobody writes to, and that the kernel closes with the lab's process.
_WATCH = 'read _; echo 1 >"$1/cgroup.kill"'


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where a program runs.

    Args:
        cgroup: Folder of its control group.
        namespace: Name of its network namespace; None for the host's.
        mounts_of: Id of a process whose mount namespace it shares; None for the host's.
    """

    cgroup: Path
    namespace: str | None = None
    mounts_of: int | None = None

    def command(self, program: Sequence[str]) -> list[str]:
        """Return the command that becomes `program` in this setting."""
        enter: list[str] = []
        if self.namespace is not None:
            enter.append(f"--net={namespace_path(self.namespace)}")
        if self.mounts_of is not None:
            enter.append(f"--mount=/proc/{self.mounts_of}/ns/mnt")
        inside = ["nsenter", *enter, "--"] if enter else []
        return ["sh", "-c", _JOIN, "sh", str(self.cgroup), *inside, *program]


async def launch(
    program: Sequence[str],
    setting: Setting,
    *,
    output: Path | None = None,
    given: bytes | None = None,
    stdout: int | None = None,
    folder: Path | None = None,
) -> asyncio.subprocess.Process:
    """Start a program; the caller keeps and ends it.

    Args:
        program: The program and its arguments.
        setting: Where it runs.
        output: File to append its output to.
        given: Bytes for its standard input, which is then closed.
        stdout: `subprocess.PIPE`, to read its standard output.
        folder: Its working folder.
    """
    with output.open("ab") if output else contextlib.nullcontext(subprocess.DEVNULL) as target:
        process = await asyncio.create_subprocess_exec(
            *setting.command(program),
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=target if stdout is None else stdout,
            stderr=target,
            cwd=folder,
            start_new_session=True,
        )
    if given is not None:
        assert process.stdin is not None
        process.stdin.write(given)
        await process.stdin.drain()
        process.stdin.close()
    return process


async def start_watchdog(cgroup: Path) -> asyncio.subprocess.Process:
    """Start the process that kills the group once the calling process is no more.

    The kernel's own promise (`PR_SET_PDEATHSIG`) is lost by programs that change their user, as dnsmasq does, and
    says nothing of their children.
    """
    return await asyncio.create_subprocess_exec(
        *Setting(cgroup=cgroup).command(["sh", "-c", _WATCH, "sh", str(cgroup)]),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


async def end(process: asyncio.subprocess.Process | None) -> None:
    """Kill a program that `launch` started and wait until it is gone."""
    if process is None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()

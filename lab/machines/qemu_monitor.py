"""QEMU's monitor: connect to it, and what is asked of it in more than one word."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
from typing import TYPE_CHECKING, Any, Final

from qemu.qmp import QMPClient, QMPError

from lab.machines.driver import MachineError
from lab.machines.qemu_command import QMP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_RETRY_S: Final = 0.02
_NO_LIMIT: Final = 1 << 40  # bytes per second


async def connect(folder: Path, process: asyncio.subprocess.Process) -> QMPClient | None:
    """Return a connection to the monitor of the QEMU that runs in a folder; None once it has ended."""
    while process.returncode is None:
        qmp = QMPClient(folder.name)
        try:
            await qmp.connect(_open(folder))
        except (QMPError, OSError):
            await asyncio.sleep(_RETRY_S)
        else:
            return qmp
    return None


def _open(folder: Path) -> socket.socket:
    """Connect by a path that is short wherever the folder is: a socket's may have 107 bytes."""
    holder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    monitor = socket.socket(socket.AF_UNIX)
    try:
        monitor.connect(f"/proc/self/fd/{holder}/{QMP}")
    except OSError:
        monitor.close()
        raise
    finally:
        os.close(holder)
    monitor.setblocking(False)  # noqa: FBT003 - the call's own form
    return monitor


def loading(memory: Path) -> list[str]:
    """Return the words of QEMU's command line that make it load a machine's memory instead of booting."""
    return ["-incoming", f"exec:zstd -dcq <{shlex.quote(str(memory))}"]


async def save_memory(qmp: QMPClient, memory: Path) -> None:
    """Write memory and devices of a machine that stands still into a file that only its owner can read.

    Its disk is flushed and let go of until the machine goes on.

    Raises:
        MachineError: QEMU could not write it.
    """
    await qmp.execute("migrate-set-parameters", {"max-bandwidth": _NO_LIMIT})
    await qmp.execute("migrate", {"uri": f"exec:umask 077 && zstd -1 -q -f -o {shlex.quote(str(memory))}"})
    state = await _await_status(qmp, "query-migrate", lambda status: status in {"completed", "failed", "cancelled"})
    if state != "completed":
        raise MachineError(f"{memory}: saving {state}, allowed: completed; is there space left?")


async def await_loaded(qmp: QMPClient) -> None:
    """Wait until the memory is loaded; the machine then stands still, as it was saved."""
    await _await_status(qmp, "query-status", lambda status: status != "inmigrate")


async def _await_status(qmp: QMPClient, question: str, wanted: Callable[[str], bool]) -> str:
    while True:
        answer: Any = await qmp.execute(question)
        status = str(answer.get("status"))
        if wanted(status):
            return status
        await asyncio.sleep(_RETRY_S)

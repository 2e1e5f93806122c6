"""Mount volumes in a machine as Hetzner's `automount` does: below /mnt, now and at each boot.

Source: https://docs.hetzner.com/cloud/volumes/getting-started/creating-a-volume (the folder and the line of fstab).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from lab.machines.driver import enter_command, login_command
from lab.machines.qemu_door import door_command

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.machines.driver import Driver

_RETRY_S: Final = 1.0
_TRIES: Final = 900  # a virtual machine may take minutes to boot; what has no filesystem by then is left alone
# $1: the device, $2: the folder. A line that is there already stays as it is.
_SCRIPT: Final = """set -e
test -b "$1"
mkdir -p "$2"
grep -qs "^$1 " /etc/fstab || echo "$1 $2 auto discard,nofail,defaults 0 0" >>/etc/fstab
findmnt --noheadings "$2" >/dev/null || mount "$2"
"""


def mount_point(volume_id: int) -> str:
    """Return where a volume is mounted by itself."""
    return f"/mnt/HC_Volume_{volume_id}"


class Mounting:
    """What waits to be mounted in one server, until its machine lets itself be told."""

    def __init__(self) -> None:
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start(self, machine: Driver, volumes: Iterable[int]) -> None:
        """Begin to mount the volumes that are not yet, each once for as long as it is plugged in."""
        for volume_id in volumes:
            if volume_id not in self._tasks:
                self._tasks[volume_id] = asyncio.create_task(_mount(machine, volume_id))

    def forget(self, volume_id: int) -> None:
        """Take note that a volume was pulled out."""
        task = self._tasks.pop(volume_id, None)
        if task is not None:
            task.cancel()

    def stop(self) -> None:
        """Take note that the machine is no more."""
        for volume_id in tuple(self._tasks):
            self.forget(volume_id)


async def _mount(machine: Driver, volume_id: int) -> None:
    program = ["sh", "-c", _SCRIPT, "sh", f"/dev/disk/by-id/scsi-0HC_Volume_{volume_id}", mount_point(volume_id)]
    for _ in range(_TRIES):
        leader = machine.leader
        if leader is not None:
            door = machine.door
            command = door_command(door, login_command(program)) if door else enter_command(leader.pid, program)
            if await _succeeds(command):
                return
        await asyncio.sleep(_RETRY_S)


async def _succeeds(command: list[str]) -> bool:
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=nothing, stderr=nothing)
    try:
        return await process.wait() == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()

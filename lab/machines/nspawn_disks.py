"""The volumes of a machine under systemd-nspawn: loop devices, and the names that they have in the machine.

The names are a folder in the machine's private mounts, bound over its `/dev/disk`: there before its first process,
and the same after each boot.
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.launch import Setting, launch
from lab.machines.driver import enter_command
from lab.machines.loop import LoopDevice, shut_down_filesystem

if TYPE_CHECKING:
    from lab.machines.driver import Disk, Leader

# Folders in the mount namespace of the machine's holder.
_NAMES: Final = "/run/lab-disks"
_UNITS: Final = "/run/lab-units"
_UNIT: Final = "lab-volumes.service"
_WANTS: Final = "local-fs.target.wants"
BINDS: Final = (
    f"--bind={_NAMES}:/dev/disk",
    f"--bind-ro={_UNITS}/{_UNIT}:/run/systemd/system/{_UNIT}",
    f"--bind-ro={_UNITS}/{_WANTS}:/run/systemd/system/{_WANTS}",
)
# In a container systemd passes over lines of fstab that name a device; mount(8) does not.
_MOUNTS: Final = """[Unit]
Description=The lab's: mount the volumes that fstab names
DefaultDependencies=no
After=local-fs-pre.target
Before=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/mount --all
"""


class NspawnDisks:
    """What is plugged into one machine.

    Args:
        cgroup: Where programs of the lab run.
        output: File for what they say.
    """

    def __init__(self, cgroup: Path, output: Path) -> None:
        self._cgroup = cgroup
        self._output = output
        self._names: Path | None = None
        self._loops: dict[int, LoopDevice] = {}

    def open(self, holder_pid: int) -> None:
        """Make the folders that the machine gets, in the mounts of its holder."""
        root = Path(f"/proc/{holder_pid}/root")
        self._names = root / _NAMES[1:] / "by-id"
        self._names.mkdir(parents=True)
        wants = root / _UNITS[1:] / _WANTS
        wants.mkdir(parents=True)
        (wants.parent / _UNIT).write_text(_MOUNTS, encoding="ascii")
        (wants / _UNIT).symlink_to(f"../{_UNIT}")

    def attach(self, disk: Disk) -> None:
        """Plug a disk in, or take note that it is larger now."""
        if disk.volume_id in self._loops:
            self._loops[disk.volume_id].grow()
            return
        assert self._names is not None
        loop = LoopDevice(disk.file)
        self._loops[disk.volume_id] = loop
        os.mknod(self._names / disk.name, stat.S_IFBLK | 0o660, loop.number)

    async def detach(self, disk: Disk, leader: Leader | None) -> None:
        """Pull a disk out: what is mounted from it fails, and is mounted no more.

        Args:
            disk: Which.
            leader: The machine's first process, while it runs.
        """
        loop = self._loops.pop(disk.volume_id, None)
        if loop is None:
            return
        if self._names is not None:
            (self._names / disk.name).unlink(missing_ok=True)
        if leader is not None:
            await self._unmount(leader.pid, loop.number)
        loop.close()

    def close(self) -> None:
        """Let go of all, once the machine is off."""
        for loop in self._loops.values():
            loop.close()
        self._loops.clear()
        self._names = None

    async def _unmount(self, leader_pid: int, device: int) -> None:
        mounted = mounted_from(Path(f"/proc/{leader_pid}/mountinfo"), device)
        for path in mounted:
            await asyncio.to_thread(shut_down_filesystem, Path(f"/proc/{leader_pid}/root{path}"))
        for path in reversed(mounted):
            command = enter_command(leader_pid, ["umount", "--lazy", "--", path])
            process = await launch(command, Setting(cgroup=self._cgroup), output=self._output)
            await process.wait()


def mounted_from(mountinfo: Path, device: int) -> list[str]:
    """Return where a device is mounted, in the order of the mounts.

    Args:
        mountinfo: The table of a process; one that has ended has none.
        device: The kernel's number.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mountinfo.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    fields = [line.split() for line in lines]
    return [_unescaped(words[4]) for words in fields if words[2] == wanted]


def _unescaped(path: str) -> str:
    """Return a path of a mount table as it is: blanks and backslashes stand there in octal (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), path)

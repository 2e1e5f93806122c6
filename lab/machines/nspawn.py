"""Machines under systemd-nspawn: real systemd and real cloud-init, up in seconds, on the host's kernel.

Where such a machine differs from a server is written in `nspawn_layer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab import cgroups
from lab.internet.namespace import make_namespace, remove_namespace, set_sysctls
from lab.launch import Setting, end, launch
from lab.ledger import start_time
from lab.machines.driver import Leader, MachineError
from lab.machines.nspawn_disks import BINDS, NspawnDisks
from lab.machines.power import PoweredMachine

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.internet.site import Ground, Site
    from lab.machines.driver import Disk
    from lab.machines.image import Image

REBOOTED: Final = 133  # systemd-nspawn(1): with --keep-unit the caller boots the machine again
_POWER_BUTTON: Final = signal.SIGRTMIN + 4  # systemd(1): start poweroff.target
# No site packages: it starts in 20 ms.
_PREPARE: Final = (sys.executable, "-E", "-S", "-m", "lab.machines.prepare")
_PROJECT: Final = Path(__file__).parents[2]


class NspawnMachine(PoweredMachine):
    """A machine of one server.

    Args:
        ground: The lab's.
        site: Where its network cable ends.
        image: What it boots from.
        changed: Told when the machine's first process is another one, or none.
        stopped: Told when the machine has switched itself off.
    """

    program = "systemd-nspawn"
    gives_in_within_s = 5.0

    def __init__(
        self, ground: Ground, site: Site, image: Image, *, changed: Callable[[], None], stopped: Callable[[], None]
    ) -> None:
        super().__init__(ground, site, changed=changed, stopped=stopped)
        self._image = image
        self._disks = NspawnDisks(ground.cgroup, self._ground.folder / "volumes.log")
        self._holder: asyncio.subprocess.Process | None = None
        self.door = None
        self.namespace = f"{ground.prefix}-m{site.wish.server_id}"

    async def create_disk(self, source: Path | None = None) -> None:
        """Make a disk over the image's layers, empty or a copy, and hold its mounts."""
        await asyncio.to_thread(self._make_folders)
        arguments = [self._ground.folder, self._folder, self._site.wish.server_id, source or "-", *self._image.layers]
        self._holder = await launch(
            ["unshare", "--mount", "--propagation", "private", *_PREPARE, *map(str, arguments)],
            Setting(cgroup=self._ground.cgroup),
            output=self.console,
            stdout=subprocess.PIPE,
            folder=_PROJECT,
        )
        assert self._holder.stdout is not None
        if await self._holder.stdout.readline() != b"ready\n":
            await self._holder.wait()
            raise MachineError(f"machine {self.name!r}: its disk can't be mounted; see {self.console}")
        self._disks.open(self._holder.pid)

    async def copy_disk(self, target: Path) -> None:
        """Copy what the machine has written, with all that an overlay knows of it, while its processes are frozen."""
        assert self._holder is not None
        command = ["cp", "--archive", "--reflink=auto", "--", str(self._folder / "store/upper"), str(target)]
        setting = Setting(cgroup=self._ground.cgroup, mounts_of=self._holder.pid)
        with cgroups.frozen(self._cgroup):
            copying = await launch(command, setting, output=self.console)
            if await copying.wait():
                raise MachineError(f"machine {self.name!r}: its disk can't be copied; see {self.console}")

    async def attach(self, disk: Disk) -> None:
        """Give the machine a loop device over the disk's file."""
        await asyncio.to_thread(self._disks.attach, disk)

    async def detach(self, disk: Disk) -> None:
        """Take the device away; a filesystem on it fails from then on."""
        await self._disks.detach(disk, self._leader)

    async def destroy(self) -> None:
        """Cut the power and remove the disk."""
        await self.cut_power()
        self._disks.close()
        await end(self._holder)
        self._holder = None
        await super().destroy()

    async def _start(self) -> asyncio.subprocess.Process:
        """Start it with a new network namespace."""
        assert self._holder is not None
        await asyncio.to_thread(self._plug_in)
        setting = Setting(cgroup=self._cgroup, namespace=self.namespace, mounts_of=self._holder.pid)
        return await launch(self._nspawn_command(), setting, output=self.console)

    async def _follow(self, process: asyncio.subprocess.Process, running: asyncio.Event) -> bool:
        await self._find_leader(process)
        if self._leader is not None:
            running.set()
        return await process.wait() == REBOOTED

    async def _press_button(self) -> None:
        assert self._leader is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._leader.pid, _POWER_BUTTON)

    async def _find_leader(self, process: asyncio.subprocess.Process) -> None:
        while process.returncode is None:
            self._leader = find_leader(self._cgroup)
            if self._leader is not None:
                self._changed()
                return
            await asyncio.sleep(0.01)

    def _nspawn_command(self) -> list[str]:
        return [
            "env",
            "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",
            "SYSTEMD_NSPAWN_API_VFS_WRITABLE=network",  # else sysctl net.* fails inside
            "systemd-nspawn",
            "--quiet",
            f"--directory={self._folder / 'root'}",
            "--boot",
            "--register=no",
            "--keep-unit",
            f"--machine={self.name}",
            "--hostname=localhost",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_ADMIN",
            "--rlimit=NOFILE=1024:524288",  # as the kernel and systemd have it, whatever this process inherited
            "--bind=/dev/net/tun",
            *BINDS,
            "--console=read-only",
        ]

    def _plug_in(self) -> None:
        self._ground.ledger.note("namespace", self.namespace)
        remove_namespace(self.namespace)
        make_namespace(self.namespace)
        set_sysctls(self.namespace, {"ipv6/conf/default/dad_transmits": "0"})
        self._site.attach(self.namespace)

    def _remove(self) -> None:
        super()._remove()
        remove_namespace(self.namespace)


def find_leader(cgroup: Path) -> Leader | None:
    """Return the first process of the machine in a control group: the one that is PID 1 in its own namespace."""
    for listing in cgroup.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # the group or the process may just have gone
            for pid in map(int, listing.read_text(encoding="ascii").split()):
                if _is_first(pid) and (started := start_time(pid)) is not None:
                    return Leader(pid=pid, started=started)
    return None


def _is_first(pid: int) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("NSpid:"):
            inner = line.split()[1:]
            return len(inner) > 1 and inner[-1] == "1"
    return False

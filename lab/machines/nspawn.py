"""Machines under systemd-nspawn: real systemd and real cloud-init, up in seconds, on the host's kernel.

Where such a machine differs from a server is written in `nspawn_layer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
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


class NspawnMachine:
    """A machine of one server.

    Args:
        ground: The lab's.
        site: Where its network cable ends.
        image: What it boots from.
        changed: Told when the machine's first process is another one, or none.
        stopped: Told when the machine has switched itself off.
    """

    def __init__(
        self, ground: Ground, site: Site, image: Image, *, changed: Callable[[], None], stopped: Callable[[], None]
    ) -> None:
        server_id = site.wish.server_id
        self._ground = ground
        self._site = site
        self._image = image
        self._changed = changed
        self._stopped = stopped
        self._asked_to_stop = False
        self._serial = server_id
        self._disk = ground.folder / "disks" / str(server_id)
        self._cgroup = ground.cgroup / f"m{server_id}"
        self._disks = NspawnDisks(ground.cgroup, self._ground.folder / "volumes.log")
        self._holder: asyncio.subprocess.Process | None = None
        self._power: asyncio.Task[None] | None = None
        self._leader: Leader | None = None
        self.door = None
        self.namespace = f"{ground.prefix}-m{server_id}"
        self.console = ground.folder / f"console-{server_id}.log"

    @property
    def leader(self) -> Leader | None:
        """The machine's first process."""
        return self._leader

    async def create_disk(self, source: Path | None = None) -> None:
        """Make a disk over the image's layers, empty or a copy, and hold its mounts."""
        self._ground.ledger.note("cgroup", str(self._cgroup))
        await asyncio.to_thread(self._make_folders)
        arguments = [str(self._ground.folder), str(self._disk), str(self._serial), str(source or "-")]
        arguments += [str(layer) for layer in self._image.layers]
        self._holder = await launch(
            ["unshare", "--mount", "--propagation", "private", *_PREPARE, *arguments],
            Setting(cgroup=self._ground.cgroup),
            output=self.console,
            stdout=subprocess.PIPE,
            folder=_PROJECT,
        )
        assert self._holder.stdout is not None
        if await self._holder.stdout.readline() != b"ready\n":
            await self._holder.wait()
            raise MachineError(f"machine {self._site.wish.name!r}: its disk can't be mounted; see {self.console}")
        self._disks.open(self._holder.pid)

    async def copy_disk(self, target: Path) -> None:
        """Copy what the machine has written, with all that an overlay knows of it, while its processes are frozen."""
        assert self._holder is not None
        command = ["cp", "--archive", "--reflink=auto", "--", str(self._disk / "store/upper"), str(target)]
        setting = Setting(cgroup=self._ground.cgroup, mounts_of=self._holder.pid)
        with cgroups.frozen(self._cgroup):
            copying = await launch(command, setting, output=self.console)
            if await copying.wait():
                raise MachineError(f"machine {self._site.wish.name!r}: its disk can't be copied; see {self.console}")

    async def attach(self, disk: Disk) -> None:
        """Give the machine a loop device over the disk's file."""
        await asyncio.to_thread(self._disks.attach, disk)

    async def detach(self, disk: Disk) -> None:
        """Take the device away; a filesystem on it fails from then on."""
        await self._disks.detach(disk, self._leader)

    async def boot(self) -> None:
        """Power on; returns when the machine's first process runs."""
        if self._power is not None and not self._power.done():
            return
        running = asyncio.Event()
        self._asked_to_stop = False
        self._power = asyncio.create_task(self._supply_power(running), name=f"power of {self._site.wish.name}")
        started = asyncio.create_task(running.wait())
        await asyncio.wait({started, self._power}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if not running.is_set():
            await self._power
            raise MachineError(f"machine {self._site.wish.name!r}: systemd-nspawn ended at once; see {self.console}")

    async def power_off(self, *, within_s: float = 5.0) -> None:
        """Press the power button; cut the power if the machine is still on after `within_s`."""
        self._asked_to_stop = True
        if self._leader is not None and self._power is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._leader.pid, _POWER_BUTTON)
            await asyncio.wait({self._power}, timeout=within_s)
        await self.cut_power()

    async def cut_power(self) -> None:
        """Kill everything in the machine at once."""
        self._asked_to_stop = True
        if self._power is None:
            return
        while not self._power.done():
            cgroups.kill(self._cgroup)
            await asyncio.wait({self._power}, timeout=0.2)
        await self._power
        self._power = None

    async def destroy(self) -> None:
        """Cut the power and remove the disk."""
        await self.cut_power()
        self._disks.close()
        await end(self._holder)
        self._holder = None
        await asyncio.to_thread(self._remove)

    async def _supply_power(self, running: asyncio.Event) -> None:
        """Boot, and boot again after each reboot, each time with a new network namespace."""
        assert self._holder is not None
        setting = Setting(cgroup=self._cgroup, namespace=self.namespace, mounts_of=self._holder.pid)
        code = REBOOTED
        while code == REBOOTED:
            await asyncio.to_thread(self._plug_in)
            process = await launch(self._nspawn_command(), setting, output=self.console)
            try:
                await self._find_leader(process)
                running.set()
                code = await process.wait()
            finally:
                self._leader = None
                await self._kill_rest()
                self._changed()
        if running.is_set() and not self._asked_to_stop:
            self._stopped()

    async def _kill_rest(self) -> None:
        """End what outlived systemd-nspawn; else its first process could be taken for that of the next boot."""
        while not cgroups.is_empty(self._cgroup):
            cgroups.kill(self._cgroup)
            await asyncio.sleep(0.01)

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
            f"--directory={self._disk / 'root'}",
            "--boot",
            "--register=no",
            "--keep-unit",
            f"--machine={self._site.wish.name}",
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

    def _make_folders(self) -> None:
        self._ground.ledger.note("folder", str(self._disk))
        self._disk.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.console.touch(mode=0o600)
        cgroups.make(self._cgroup)

    def _remove(self) -> None:
        cgroups.remove(self._cgroup)
        remove_namespace(self.namespace)
        shutil.rmtree(self._disk, ignore_errors=True)
        self.console.unlink(missing_ok=True)


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

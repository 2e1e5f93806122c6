"""Virtual machines under QEMU: Debian's own kernel and its WireGuard, with KVM where there is one and without.

Where such a machine differs from a server is written in `qemu_layer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from typing import TYPE_CHECKING, Final

from qemu.qmp import QMPClient, QMPError

from lab import cgroups
from lab.launch import Setting, launch
from lab.ledger import start_time
from lab.machines.driver import Leader, MachineError
from lab.machines.qemu_command import (
    DISK,
    QMP,
    Hardware,
    find_accelerator,
    render_command,
    render_copy_command,
    render_disk_command,
)
from lab.machines.qemu_disks import grow, plug_in, pull_out, settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.internet.site import Ground, Site
    from lab.machines.driver import Disk
    from lab.machines.qemu_image import VirtualImage

POWER_OFF_WITHIN_S: Final = 30.0  # measured without KVM on two busy cores: up to 15 s
_RETRY_S: Final = 0.02


class QemuMachine:
    """A machine of one server.

    Args:
        ground: The lab's.
        site: Where its network cable ends.
        image: What it boots from.
        changed: Told when QEMU's process is another one, or none.
        stopped: Told when the machine has switched itself off.
    """

    def __init__(
        self,
        ground: Ground,
        site: Site,
        image: VirtualImage,
        *,
        changed: Callable[[], None],
        stopped: Callable[[], None],
    ) -> None:
        server_id = site.wish.server_id
        self._ground = ground
        self._site = site
        self._image = image
        self._changed = changed
        self._stopped = stopped
        self._asked_to_stop = False
        self._cgroup = ground.cgroup / f"m{server_id}"
        self._accelerator = find_accelerator()
        self._power: asyncio.Task[None] | None = None
        self._qmp: QMPClient | None = None
        self._leader: Leader | None = None
        self._disks: dict[int, Disk] = {}
        self.door = ground.folder / "disks" / str(server_id)
        self.namespace = site.namespace
        self.console = ground.folder / f"console-{server_id}.log"

    @property
    def leader(self) -> Leader | None:
        """QEMU's process, a new one after each boot."""
        return self._leader

    async def create_disk(self, source: Path | None = None) -> None:
        """Make a disk over the image's, empty or a copy."""
        self._ground.ledger.note("cgroup", str(self._cgroup))
        await asyncio.to_thread(self._make_folders)
        if source is None:
            await self._make_disk(render_disk_command(self._image))
        else:
            await self._make_disk(render_copy_command(source / DISK, self.door))

    async def copy_disk(self, target: Path) -> None:
        """Copy the disk with the machine's processors stopped: QEMU then has nothing left to write."""
        if self._qmp is not None:
            await self._qmp.execute("stop")
        try:
            await self._make_disk(render_copy_command(self.door / DISK, target))
        finally:
            if self._qmp is not None:
                await self._qmp.execute("cont")

    async def attach(self, disk: Disk) -> None:
        """Plug a SCSI disk in, at once or at the next boot."""
        known = disk.volume_id in self._disks
        self._disks[disk.volume_id] = disk
        if self._qmp is not None:
            await (grow if known else plug_in)(self._qmp, disk)

    async def detach(self, disk: Disk) -> None:
        """Pull a SCSI disk out."""
        if self._disks.pop(disk.volume_id, None) is not None and self._qmp is not None:
            await pull_out(self._qmp, disk)

    async def boot(self) -> None:
        """Power on; returns when QEMU runs."""
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
            raise MachineError(f"machine {self._site.wish.name!r}: QEMU ended at once; see {self.console}")

    async def power_off(self, *, within_s: float = POWER_OFF_WITHIN_S) -> None:
        """Press the power button; cut the power if the machine is still on after `within_s`."""
        self._asked_to_stop = True
        if self._qmp is not None and self._power is not None:
            with contextlib.suppress(QMPError):
                await self._qmp.execute("system_powerdown")
            await asyncio.wait({self._power}, timeout=within_s)
        await self.cut_power()

    async def cut_power(self) -> None:
        """Kill QEMU: what the machine's kernel had not yet written is lost."""
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
        await asyncio.to_thread(self._remove)

    async def _supply_power(self, running: asyncio.Event) -> None:
        """Boot, and boot again after each reboot."""
        rebooted = True
        while rebooted:
            hardware = await asyncio.to_thread(self._plug_in)
            process = await launch(
                render_command(hardware, self._image),
                Setting(cgroup=self._cgroup, namespace=self._site.namespace),
                output=self.console,
                folder=self.door,
            )
            try:
                rebooted = await self._watch(process, running, hardware.disks)
            finally:
                self._leader = self._qmp = None
                while not cgroups.is_empty(self._cgroup):
                    cgroups.kill(self._cgroup)
                    await asyncio.sleep(_RETRY_S)
                await process.wait()
                self._changed()
        if running.is_set() and not self._asked_to_stop:
            self._stopped()

    async def _watch(
        self, process: asyncio.subprocess.Process, running: asyncio.Event, born_with: tuple[Disk, ...]
    ) -> bool:
        """Follow QEMU to its end, and tell whether the machine wants to boot again."""
        ended = asyncio.create_task(process.wait())
        try:
            qmp = await self._connect(process)
            if qmp is None:
                return False
            try:
                with qmp.listener("SHUTDOWN") as shutdowns:
                    started = start_time(process.pid)
                    if started is None:
                        return False
                    self._leader, self._qmp = Leader(pid=process.pid, started=started), qmp
                    await settle(qmp, born_with=born_with, wanted=tuple(self._disks.values()))
                    running.set()
                    self._changed()
                    told = asyncio.create_task(shutdowns.get())
                    await asyncio.wait({told, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if not told.done():
                        told.cancel()
                        return False
                    reason = told.result()["data"]
                    self._qmp = None
                    await qmp.execute("quit")  # with all that the machine has written on its disk
                    await ended
                    return isinstance(reason, dict) and reason.get("reason") == "guest-reset"
            finally:
                with contextlib.suppress(QMPError, OSError, EOFError):
                    await qmp.disconnect()
        finally:
            ended.cancel()

    async def _connect(self, process: asyncio.subprocess.Process) -> QMPClient | None:
        """Return a connection to QEMU's monitor; None once QEMU has ended."""
        while process.returncode is None:
            qmp = QMPClient(self._site.wish.name)
            try:
                await qmp.connect(self._open_monitor())
            except (QMPError, OSError):
                await asyncio.sleep(_RETRY_S)
            else:
                return qmp
        return None

    def _open_monitor(self) -> socket.socket:
        """Connect by a path that is short wherever the folder is: a socket's may have 107 bytes."""
        folder = os.open(self.door, os.O_PATH | os.O_DIRECTORY)
        monitor = socket.socket(socket.AF_UNIX)
        try:
            monitor.connect(f"/proc/self/fd/{folder}/{QMP}")
        except OSError:
            monitor.close()
            raise
        finally:
            os.close(folder)
        monitor.setblocking(False)  # noqa: FBT003 - the call's own form
        return monitor

    def _plug_in(self) -> Hardware:
        for socket_file in self.door.glob("port[0-9]"):
            socket_file.unlink()  # nobody shall wait at a door of the boot before
        return Hardware(
            serial=self._site.wish.server_id,
            mac=self._site.wish.mac,
            tap=self._site.attach_tap(),
            console=self.console,
            accelerator=self._accelerator,
            disks=tuple(self._disks.values()),
        )

    async def _make_disk(self, command: list[str]) -> None:
        making = await launch(command, Setting(cgroup=self._ground.cgroup), output=self.console, folder=self.door)
        if await making.wait():
            raise MachineError(f"machine {self._site.wish.name!r}: its disk can't be made; see {self.console}")

    def _make_folders(self) -> None:
        self._ground.ledger.note("folder", str(self.door))
        self.door.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.console.touch(mode=0o600)
        cgroups.make(self._cgroup)

    def _remove(self) -> None:
        cgroups.remove(self._cgroup)
        shutil.rmtree(self.door, ignore_errors=True)
        self.console.unlink(missing_ok=True)

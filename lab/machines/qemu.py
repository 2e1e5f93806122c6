"""Virtual machines under QEMU: Debian's own kernel and its WireGuard, with KVM where there is one and without.

Where such a machine differs from a server is written in `qemu_layer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from qemu.qmp import QMPClient, QMPError

from lab.launch import Setting, end, launch
from lab.ledger import start_time
from lab.machines.driver import Leader, MachineError, login_command
from lab.machines.power import PoweredMachine
from lab.machines.qemu_clock import measure_counter_khz
from lab.machines.qemu_command import (
    DISK,
    Hardware,
    find_accelerator,
    render_command,
    render_disk_command,
    render_makings,
)
from lab.machines.qemu_disks import grow, plug_in, pull_out, settle
from lab.machines.qemu_door import door_command
from lab.machines.qemu_monitor import await_loaded, connect, loading, save_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lab.internet.site import Ground, Site
    from lab.machines.driver import Disk
    from lab.machines.qemu_image import VirtualImage

MEMORY: Final = "memory.zst"  # of a snapshot; a machine that was off has none
_ANSWERS_WITHIN_S: Final = 60.0  # one that is still booting takes that long without KVM


class QemuMachine(PoweredMachine):
    """A machine of one server.

    Args:
        ground: The lab's.
        site: Where its network cable ends.
        image: What it boots from.
        changed: Told when QEMU's process is another one, or none.
        stopped: Told when the machine has switched itself off.
    """

    program = "QEMU"
    gives_in_within_s = 30.0  # measured without KVM on two busy cores: up to 15 s

    def __init__(
        self,
        ground: Ground,
        site: Site,
        image: VirtualImage,
        *,
        changed: Callable[[], None],
        stopped: Callable[[], None],
    ) -> None:
        super().__init__(ground, site, changed=changed, stopped=stopped)
        self._image = image
        self._accelerator = find_accelerator()
        self._qmp: QMPClient | None = None
        self._disks: dict[int, Disk] = {}
        self._born_with: tuple[Disk, ...] = ()
        self._memory: Path | None = None
        self.door = self._folder
        self.namespace = site.namespace

    @property
    def makings(self) -> dict[str, str]:
        """What it is made with, by name."""
        return render_makings(self._image, self._accelerator)

    async def create_disk(self, source: Path | None = None) -> None:
        """Make a disk over the image's, empty or a copy."""
        await asyncio.to_thread(self._make_folders)
        await self._make_disk(
            self._folder, render_disk_command(self._image) if source is None else _copying(source, self._folder)
        )

    async def copy_disk(self, target: Path) -> None:
        """Copy the disk with the machine's processors stopped: QEMU then has nothing left to write."""
        await self.pause()
        try:
            await self._make_disk(target, _copying(self._folder, target))
        finally:
            await self.resume()

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

    async def pause(self) -> None:
        """Stand still."""
        if self._qmp is not None:
            with self._asking():
                await self._qmp.execute("stop")

    async def resume(self) -> None:
        """Go on."""
        if self._qmp is not None:
            with self._asking():
                await self._qmp.execute("cont")

    async def set_clock(self) -> None:
        """Set its clock, which stood still with it, by this machine's."""
        if self._qmp is not None:
            setting = ["sh", "-c", f"date --utc --set=@{time.time():.3f} >/dev/null"]
            try:
                async with asyncio.timeout(_ANSWERS_WITHIN_S):
                    await self._run(door_command(self.door, login_command(setting)), "its clock can't be set")
            except TimeoutError as error:
                text = f"machine {self.name!r}: no answer within {_ANSWERS_WITHIN_S:.0f} s, its clock is not set"
                raise MachineError(text) from error

    async def save(self, folder: Path) -> None:
        """Write disk and memory of the machine, which stands still, into an empty folder."""
        if self._qmp is not None:
            with self._asking():
                await save_memory(self._qmp, folder / MEMORY)
        await self._make_disk(folder, _copying(self._folder, folder))

    async def load(self, folder: Path) -> None:
        """Make the machine as it was saved: off, or standing still."""
        await asyncio.to_thread(self._make_folders)
        await self._make_disk(self._folder, _copying(folder, self._folder))
        await self._run(render_disk_command(self._image, existing=True), "its disk can't be put over the image's")
        if not (folder / MEMORY).exists():
            return
        self._memory = folder / MEMORY
        try:
            await self.boot()
            if self._qmp is not None:
                await await_loaded(self._qmp)
        except (MachineError, QMPError) as error:
            raise MachineError(f"machine {self.name!r}: its memory can't be loaded ({error})") from error
        finally:
            self._memory = None

    async def _start(self) -> asyncio.subprocess.Process:
        hardware = await asyncio.to_thread(self._plug_in)
        self._born_with = hardware.disks
        command = render_command(hardware, self._image)
        if self._memory is not None:
            command += loading(self._memory)
        setting = Setting(cgroup=self._cgroup, namespace=self._site.namespace)
        return await launch(command, setting, output=self.console, folder=self._folder)

    async def _follow(self, process: asyncio.subprocess.Process, running: asyncio.Event) -> bool:
        ended = asyncio.create_task(process.wait())
        try:
            qmp = await connect(self._folder, process)
            if qmp is None:
                return False
            try:
                return await self._follow_events(qmp, process.pid, ended, running)
            finally:
                self._qmp = None
                with contextlib.suppress(QMPError, OSError, EOFError):
                    await qmp.disconnect()
        finally:
            ended.cancel()

    async def _follow_events(self, qmp: QMPClient, pid: int, ended: asyncio.Task[int], running: asyncio.Event) -> bool:
        with qmp.listener("SHUTDOWN") as shutdowns:
            started = start_time(pid)
            if started is None:
                return False
            self._leader, self._qmp = Leader(pid=pid, started=started), qmp
            await settle(qmp, born_with=self._born_with, wanted=tuple(self._disks.values()))
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

    async def _press_button(self) -> None:
        if self._qmp is not None:
            with contextlib.suppress(QMPError):
                await self._qmp.execute("system_powerdown")

    def _plug_in(self) -> Hardware:
        for socket_file in self._folder.glob("port[0-9]"):
            socket_file.unlink()  # nobody shall wait at a door of the boot before
        return Hardware(
            serial=self._site.wish.server_id,
            mac=self._site.wish.mac,
            tap=self._site.attach_tap(),
            console=self.console,
            accelerator=self._accelerator,
            disks=tuple(self._disks.values()),
            counter_khz=measure_counter_khz(),
        )

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except QMPError as error:
            raise MachineError(f"machine {self.name!r}: QEMU does not do it ({error}); see {self.console}") from error

    async def _make_disk(self, folder: Path, command: Sequence[str]) -> None:
        """Make a disk that its owner alone can read, from its first byte on."""
        await asyncio.to_thread((folder / DISK).touch, mode=0o600)
        await self._run(command, "its disk can't be made")

    async def _run(self, command: Sequence[str], failure: str) -> None:
        """Run a program of the machine's to its end.

        Raises:
            MachineError: It failed.
        """
        program = await launch(command, Setting(cgroup=self._ground.cgroup), output=self.console, folder=self._folder)
        try:
            if await program.wait():
                raise MachineError(f"machine {self.name!r}: {failure}; see {self.console}")
        finally:
            await end(program)


def _copying(source: Path, target: Path) -> list[str]:
    return ["cp", "--sparse=always", "--reflink=auto", str(source / DISK), str(target / DISK)]

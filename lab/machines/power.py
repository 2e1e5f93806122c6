"""A machine's power, whatever supplies it: boot, reboots of its own, the power button, the power cut."""

from __future__ import annotations

import asyncio
import shutil
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final

from lab import cgroups
from lab.machines.driver import Leader, MachineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.internet.site import Ground, Site

_RETRY_S: Final = 0.01


class PoweredMachine(ABC):
    """A machine that is one program in a control group of its own.

    Args:
        ground: The lab's.
        site: Where its network cable ends.
        changed: Told when the process that it ends with is another one, or none.
        stopped: Told when the machine has switched itself off.
    """

    program: ClassVar[str]
    gives_in_within_s: ClassVar[float]

    def __init__(self, ground: Ground, site: Site, *, changed: Callable[[], None], stopped: Callable[[], None]) -> None:
        server_id = site.wish.server_id
        self._ground = ground
        self._site = site
        self._changed = changed
        self._stopped = stopped
        self._asked_to_stop = False
        self._folder = ground.folder / "disks" / str(server_id)
        self._cgroup = ground.cgroup / f"m{server_id}"
        self._power: asyncio.Task[None] | None = None
        self._leader: Leader | None = None
        self.console = ground.folder / f"console-{server_id}.log"

    @property
    def leader(self) -> Leader | None:
        """The process that the machine ends with, a new one after each boot."""
        return self._leader

    @property
    def name(self) -> str:
        """The server's name."""
        return self._site.wish.name

    async def boot(self) -> None:
        """Power on; returns when the machine's leader runs."""
        if self._power is not None and not self._power.done():
            return
        running = asyncio.Event()
        self._asked_to_stop = False
        self._power = asyncio.create_task(self._supply_power(running), name=f"power of {self.name}")
        started = asyncio.create_task(running.wait())
        await asyncio.wait({started, self._power}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if not running.is_set():
            await self._power
            raise MachineError(f"machine {self.name!r}: {self.program} ended at once; see {self.console}")

    async def power_off(self, *, within_s: float | None = None) -> None:
        """Press the power button; cut the power if the machine is still on after `within_s`."""
        self._asked_to_stop = True
        if self._leader is not None and self._power is not None:
            await self._press_button()
            await asyncio.wait({self._power}, timeout=self.gives_in_within_s if within_s is None else within_s)
        await self.cut_power()

    async def cut_power(self) -> None:
        """Kill everything of the machine at once: what its kernel had not yet written is lost."""
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

    @abstractmethod
    async def _start(self) -> asyncio.subprocess.Process:
        """Plug the machine in and start its program."""

    @abstractmethod
    async def _follow(self, process: asyncio.subprocess.Process, running: asyncio.Event) -> bool:
        """Set the leader and tell of it, follow the program to its end, and tell whether the machine boots again."""

    @abstractmethod
    async def _press_button(self) -> None:
        """Ask the machine to switch itself off."""

    async def _supply_power(self, running: asyncio.Event) -> None:
        """Boot, and boot again after each reboot of the machine's own."""
        rebooted = True
        while rebooted:
            process = await self._start()
            try:
                rebooted = await self._follow(process, running)
            finally:
                self._leader = None
                await self._kill_rest()
                await process.wait()
                self._changed()
        if running.is_set() and not self._asked_to_stop:
            self._stopped()

    async def _kill_rest(self) -> None:
        """End what is left of this boot; else it could be taken for a part of the next."""
        while not cgroups.is_empty(self._cgroup):
            cgroups.kill(self._cgroup)
            await asyncio.sleep(_RETRY_S)

    def _make_folders(self, *parts: str) -> None:
        """Make the machine's folder with its parts, and its control group, written down before."""
        self._ground.ledger.note("cgroup", str(self._cgroup))
        self._ground.ledger.note("folder", str(self._folder))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in parts:
            (self._folder / part).mkdir(exist_ok=True)
        self.console.touch(mode=0o600)
        cgroups.make(self._cgroup)

    def _remove(self) -> None:
        cgroups.remove(self._cgroup)
        shutil.rmtree(self._folder, ignore_errors=True)
        self.console.unlink(missing_ok=True)

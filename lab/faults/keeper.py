"""What is wrong in one lab's world now: begin it, change it, end it, and hold it while servers come and go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lab.faults.ends import EndRef, Ends
from lab.faults.inside import Inside
from lab.faults.model import (
    CutPower,
    Fault,
    FaultError,
    FillDisk,
    Reboot,
    Reset,
    SkewClock,
    Slow,
    ends_of,
    fault_name,
)
from lab.faults.network import SITES_ONLY, Network
from lab.faults.slow_way import SlowWay

if TYPE_CHECKING:
    from lab.faults.ends import Whole
    from lab.internet.site import Ground
    from lab.machines.driver import Driver, Leader
    from lab.server import Server

MOST_SLOW_WAYS: Final = 500


@dataclass(kw_only=True)
class Active:
    """A fault that lasts.

    Args:
        fault: What it is now.
        ends: What it is done to; a server is another one after it was deleted, whatever its name.
        way: The slow way, if it is one.
        machine: The machine that it is done in; another disk does not have it.
        leader: The boot that it is done in; another boot does not have it.
    """

    fault: Fault
    ends: tuple[EndRef, ...]
    way: SlowWay | None = None
    machine: Driver | None = None
    leader: Leader | None = field(default=None)


class Faults:
    """The faults of one lab's world. One at a time is begun or ended; the world goes on meanwhile.

    Args:
        ground: The lab's.
        world: Whose servers they befall.
    """

    def __init__(self, ground: Ground, world: Whole) -> None:
        self._ground = ground
        self._world = world
        self._ends = Ends(world)
        self._network = Network(ground, self._ends, lambda: list(self._active.values()))
        self._active: dict[str, Active] = {}
        self._ways = 0
        self._alone = asyncio.Lock()

    def active(self) -> tuple[Fault, ...]:
        """Return what is wrong, the oldest first."""
        self._forget_what_is_over()
        return tuple(active.fault for active in self._active.values())

    async def inject(self, fault: Fault) -> None:
        """Begin a fault, or change it if it has begun; a momentary one is over when this returns.

        Raises:
            FaultError: What it names is not there, or can't have it.
        """
        async with self._alone:
            self._forget_what_is_over()
            refs = tuple(self._ends.find(name) for name in ends_of(fault))
            former = self._active.get(fault_name(fault))
            if former is not None and former.ends != refs:  # the name is another server's by now
                await self._end(fault_name(fault))
                former = None
            await self._begin(fault, refs, former)

    async def heal(self, name: str) -> None:
        """End a fault; nothing if it has ended.

        Raises:
            FaultError: It can't be ended now; it goes on.
        """
        async with self._alone:
            self._forget_what_is_over()
            if name in self._active:
                await self._end(name)

    async def heal_all(self) -> None:
        """End all faults, those of the machines' power first: what is mended in a machine needs it.

        Raises:
            FaultError: Some can't be ended now; all others are.
        """
        refused = []
        for name in sorted(self._active, key=lambda name: not isinstance(self._active[name].fault, CutPower)):
            try:
                await self.heal(name)
            except FaultError as error:
                refused.append(str(error))
        if refused:
            raise FaultError("; ".join(refused))

    async def settle(self) -> None:
        """Have the faults befall what the world's servers are now; called whenever one of them has changed."""
        gone = [name for name, active in self._active.items() if not all(map(self._ends.exists, active.ends))]
        ways = [active.way for name in gone if (active := self._active.pop(name)).way is not None]
        await self._network.apply()
        for way in ways:
            await way.stop(drain=False)

    async def stop(self) -> None:
        """End the programs of all faults; the world is about to go with the rest."""
        for active in self._active.values():
            if active.way is not None:
                await active.way.stop(drain=False)
        self._active.clear()

    async def _begin(self, fault: Fault, refs: tuple[EndRef, ...], former: Active | None) -> None:
        match fault:
            case Reset():
                await self._world.reset(self._server(refs[0]).wish.server_id)
            case Reboot():
                await self._inside(refs[0])[0].reboot()
            case CutPower():
                self._keep(Active(fault=fault, ends=refs))
                await self._server(refs[0]).switch_mains(on=False)
            case FillDisk():
                inside, machine = self._inside(refs[0])
                inside.check_power()
                self._keep(Active(fault=fault, ends=refs, machine=machine))  # half full is to be healed as well
                await inside.fill_disk(fault.free_bytes)
            case SkewClock():
                inside, machine = self._inside(refs[0])
                await inside.set_clock(fault.skew_s)
                self._keep(Active(fault=fault, ends=refs, machine=machine, leader=machine.leader))
            case Slow():
                await self._slow_down(fault, refs, former)
            case _:
                if isinstance(fault, SITES_ONLY) and refs[0].server_id is None:
                    raise FaultError(f"{fault.kind}: {refs[0].name!r} is a place, allowed: a server; name one")
                await self._redraw(Active(fault=fault, ends=refs), former)

    async def _slow_down(self, fault: Slow, refs: tuple[EndRef, ...], former: Active | None) -> None:
        if former is not None and former.way is not None:
            await former.way.change(fault)
            former.fault = fault
            return
        taken = {active.way.number for active in self._active.values() if active.way is not None}
        number = next((number for number in range(MOST_SLOW_WAYS) if number not in taken), None)
        if number is None:
            raise FaultError(f"slow ways: {MOST_SLOW_WAYS}, allowed: no more; heal one first")
        way = SlowWay(self._ground, number)
        await way.start(fault)
        try:
            await self._redraw(Active(fault=fault, ends=refs, way=way), None)
        except BaseException:
            await way.stop(drain=False)
            raise

    async def _redraw(self, fresh: Active, former: Active | None) -> None:
        """Begin what is done to the network; what can't be is as it was before."""
        self._keep(fresh)
        try:
            await self._network.apply()
        except BaseException:
            if former is None:
                del self._active[fault_name(fresh.fault)]
            else:
                self._keep(former)
            raise

    async def _end(self, name: str) -> None:
        active = self._active[name]
        match active.fault:
            case CutPower():
                del self._active[name]
                await self._server(active.ends[0]).switch_mains(on=True)
            case FillDisk():
                await self._inside(active.ends[0])[0].free_disk()
                del self._active[name]
            case SkewClock():
                await self._inside(active.ends[0])[0].set_clock(0)
                del self._active[name]
            case _:
                del self._active[name]
                await self._network.apply()
                if active.way is not None:
                    await active.way.stop()

    def _keep(self, active: Active) -> None:
        self._active[fault_name(active.fault)] = active

    def _forget_what_is_over(self) -> None:
        """Forget what went with another disk, with another boot, or with its server."""
        for name in [name for name, active in self._active.items() if self._is_over(active)]:
            del self._active[name]

    def _is_over(self, active: Active) -> bool:
        if active.machine is None or active.way is not None:
            return False
        if not self._ends.exists(active.ends[0]):
            return True
        machine = self._server(active.ends[0]).machine
        if machine is not active.machine:
            return True
        return active.leader is not None and machine.leader != active.leader

    def _server(self, ref: EndRef) -> Server:
        if ref.server_id is None:
            raise FaultError(f"fault: {ref.name!r} is a place, allowed: a server; name one")
        return self._world.servers[ref.server_id]

    def _inside(self, ref: EndRef) -> tuple[Inside, Driver]:
        machine = self._server(ref).machine
        if machine is None:
            raise FaultError(f"machine {ref.name!r}: not made yet, allowed: one that runs; wait for its birth")
        return Inside(self._ground, ref.name, machine), machine

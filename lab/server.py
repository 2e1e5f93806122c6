"""One server made true: its site and its machine, brought in line with a wish."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from lab.internet.flows import Flow, read_flows, write_flows
from lab.internet.site import Ground, Site
from lab.machines.driver import MachineError
from lab.mounting import Mounting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from lab.machines.driver import Disk, Driver, Lasting
    from lab.vault import Vault
    from lab.wish import VolumeWish, Wish

    MakeMachine: TypeAlias = Callable[[Site], Awaitable[Driver]]
    Settle: TypeAlias = Callable[[], Awaitable[None]]


class Server:
    """A server, from its first wish until it is removed.

    Args:
        ground: The lab's.
        make_machine: Makes the machine at a site.
        wish: The first wish.
        vault: Where volumes and images are.
        settle: Called when the site stands, before the machine is on.
    """

    def __init__(
        self,
        ground: Ground,
        make_machine: MakeMachine,
        wish: Wish,
        *,
        vault: Vault,
        settle: Settle | None = None,
    ) -> None:
        self._ground = ground
        self._vault = vault
        self._disks: dict[int, Disk] = {}
        self._mounting = Mounting()
        self._make_machine = make_machine
        self._site: Site | None = None
        self._machine: Driver | None = None
        self._booted: int | None = None
        self._rebuilt: int | None = None
        self._wish = wish
        self._settle = settle
        self._has_mains = True
        self._alone = asyncio.Lock()

    @property
    def wish(self) -> Wish:
        """What was last asked for."""
        return self._wish

    @property
    def machine(self) -> Driver | None:
        """The machine, once it is made."""
        return self._machine

    @property
    def site(self) -> Site | None:
        """The site, once it is asked for."""
        return self._site

    async def switch_mains(self, *, on: bool) -> None:
        """Take the data centre's power away, whatever the wish, or give it back; the machine then boots if wished."""
        async with self._alone:
            self._has_mains = on
            await self._converge_power()

    async def reset(self) -> None:
        """Cut the power and give it back, as the wish has it."""
        async with self._alone:
            self._booted = None
            await self._converge_power()

    async def converge(self, wish: Wish, volumes: Sequence[VolumeWish] = ()) -> None:
        """Bring site, machine and what is plugged into it in line with the wishes; what is so already is left alone."""
        async with self._alone:
            self._wish = wish
            await self._converge_site()
            await self._converge_disk()
            await self._converge_volumes(volumes)
            await self._converge_power()
            assert self._machine is not None
            self._mounting.start(self._machine, [one.volume_id for one in volumes if one.automount])

    async def copy_disk(self, target: Path) -> None:
        """Copy the machine's disk as it is now.

        Raises:
            MachineError: There is none.
        """
        async with self._alone:
            if self._machine is None:
                raise MachineError(f"server {self._wish.name!r}: it has no disk")
            await self._machine.copy_disk(target)

    async def remove(self) -> None:
        """End the machine and remove everything of the server."""
        async with self._alone:
            await self._destroy_machine()
            if self._site is not None:
                await self._site.stop()
                self._site = None

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Lasting]:
        """Keep the server as it is for a while; yield its machine, of a kind that can be saved.

        Raises:
            RuntimeError: It has none yet.
        """
        async with self._alone:
            if self._machine is None:
                raise RuntimeError(f"server {self._wish.name!r}: has no machine yet, allowed: one; try again")
            yield cast("Lasting", self._machine)

    async def save(self, folder: Path) -> dict[str, Any]:
        """Write the machine, which is held and stands still, into a new folder, and return the rest as JSON."""
        assert self._site is not None
        flows = await asyncio.to_thread(read_flows, self._site.namespace)
        await asyncio.to_thread(folder.mkdir, mode=0o700)
        machine = cast("Lasting", self._machine)
        await machine.save(folder)
        return {
            "made_with": machine.makings,
            "booted": self._booted,
            "rebuilt": self._rebuilt,
            "flows": [flow.as_json() for flow in flows],
        }

    async def load(self, folder: Path, saved: dict[str, Any]) -> Lasting:
        """Make the server as it was saved, and return its machine, which stands still.

        Raises:
            MachineError: It was saved with something else than there is here.
        """
        async with self._alone:
            await self._converge_site()
            assert self._site is not None
            await asyncio.to_thread(write_flows, self._site.namespace, [Flow(**flow) for flow in saved["flows"]])
            self._machine = await self._make_machine(self._site)
            lasting = cast("Lasting", self._machine)
            for what, then in saved["made_with"].items():
                if then != (now := lasting.makings.get(what)):
                    text = f"server {self._wish.name!r}: saved with {what} {then!r}, allowed: {now!r}"
                    raise MachineError(f"{text}; make the snapshot anew")
            await lasting.load(folder)
            self._booted, self._rebuilt = saved["booted"], saved["rebuilt"]
            return lasting

    async def _converge_site(self) -> None:
        """Have a site with the wish's addresses and firewall; other addresses are another cable: power off first."""
        wish = self._wish
        if self._site is not None and self._site.is_elsewhere(wish):
            if self._machine is not None:
                await self._machine.cut_power()
            self._booted = None
            await self._site.stop()
        if self._site is None:
            self._site = Site(self._ground, wish)
        self._site.wish = wish
        await self._site.start()
        await self._site.apply_firewall()
        if self._settle is not None:
            await self._settle()

    async def _converge_disk(self) -> None:
        assert self._site is not None
        if self._machine is not None and self._rebuilt == self._wish.rebuild:
            return
        await self._destroy_machine()
        self._booted = None
        machine = await self._make_machine(self._site)
        own = self._wish.own_image
        try:
            await machine.create_disk(None if own is None else self._vault.image(own))
        except BaseException:
            await machine.destroy()
            raise
        self._machine, self._rebuilt = machine, self._wish.rebuild

    async def _destroy_machine(self) -> None:
        self._mounting.stop()
        if self._machine is not None:
            await self._machine.destroy()
            self._machine = None
        for volume_id in tuple(self._disks):
            await self._let_go(volume_id)

    async def _converge_volumes(self, wishes: Sequence[VolumeWish]) -> None:
        """Pull out what is wished for no more before anything is waited for: another server may wait for that."""
        assert self._machine is not None
        for volume_id in set(self._disks) - {wish.volume_id for wish in wishes}:
            await self._machine.detach(self._disks[volume_id])
            self._mounting.forget(volume_id)
            await self._let_go(volume_id)
        for wish in wishes:
            disk = await self._vault.take(wish, self._wish.server_id)
            if self._disks.get(wish.volume_id) != disk:
                await self._machine.attach(disk)
                self._disks[wish.volume_id] = disk

    async def _let_go(self, volume_id: int) -> None:
        del self._disks[volume_id]
        await self._vault.release(volume_id, self._wish.server_id)

    async def _converge_power(self) -> None:
        """Boot once for each count of the wish: a machine that switched itself off stays off."""
        if self._machine is None:
            return
        if not self._has_mains:
            await self._machine.cut_power()
            self._booted = None
        elif not self._wish.running:
            await self._machine.power_off()
            self._booted = None
        elif self._booted != self._wish.boot:
            await self._machine.cut_power()
            await self._machine.boot()
            self._booted = self._wish.boot

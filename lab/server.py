"""One server made true: its site and its machine, brought in line with a wish."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from lab.internet.flows import Flow, read_flows, write_flows
from lab.internet.site import Ground, Site
from lab.machines.driver import MachineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from lab.machines.driver import Driver, Lasting
    from lab.wish import Wish

    MakeMachine: TypeAlias = Callable[[Site], Driver]


class Server:
    """A server, from its first wish until it is removed.

    Args:
        ground: The lab's.
        make_machine: Makes the machine at a site.
        wish: The first wish.
    """

    def __init__(self, ground: Ground, make_machine: MakeMachine, wish: Wish) -> None:
        self._ground = ground
        self._make_machine = make_machine
        self._site: Site | None = None
        self._machine: Driver | None = None
        self._booted: int | None = None
        self._rebuilt: int | None = None
        self._wish = wish
        self._alone = asyncio.Lock()

    @property
    def wish(self) -> Wish:
        """What was last asked for."""
        return self._wish

    @property
    def machine(self) -> Driver | None:
        """The machine, once it is made."""
        return self._machine

    async def converge(self, wish: Wish) -> None:
        """Bring site and machine in line with the wish; whatever is so already is left alone."""
        async with self._alone:
            self._wish = wish
            await self._converge_site()
            await self._converge_disk()
            await self._converge_power()

    async def remove(self) -> None:
        """End the machine and remove everything of the server."""
        async with self._alone:
            if self._machine is not None:
                await self._machine.destroy()
                self._machine = None
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
            self._machine = self._make_machine(self._site)
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

    async def _converge_disk(self) -> None:
        assert self._site is not None
        if self._machine is not None and self._rebuilt == self._wish.rebuild:
            return
        if self._machine is not None:
            await self._machine.destroy()
            self._machine = None
        self._booted = None
        machine = self._make_machine(self._site)
        try:
            await machine.create_disk()
        except BaseException:
            await machine.destroy()
            raise
        self._machine, self._rebuilt = machine, self._wish.rebuild

    async def _converge_power(self) -> None:
        """Boot once for each count of the wish: a machine that switched itself off stays off."""
        assert self._machine is not None
        if not self._wish.running:
            await self._machine.power_off()
            self._booted = None
        elif self._booted != self._wish.boot:
            await self._machine.cut_power()
            await self._machine.boot()
            self._booted = self._wish.boot

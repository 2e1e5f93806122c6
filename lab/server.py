"""One server made true: its site and its machine, brought in line with a wish."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from lab.internet.site import Ground, Site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from lab.machines.driver import Driver
    from lab.wish import Wish

    MakeMachine: TypeAlias = Callable[[Site], Driver]
    Settle: TypeAlias = Callable[[], Awaitable[None]]


class Server:
    """A server, from its first wish until it is removed.

    Args:
        ground: The lab's.
        make_machine: Makes the machine at a site.
        wish: The first wish.
        settle: Called when the site stands, before the machine is on.
    """

    def __init__(self, ground: Ground, make_machine: MakeMachine, wish: Wish, *, settle: Settle | None = None) -> None:
        self._ground = ground
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

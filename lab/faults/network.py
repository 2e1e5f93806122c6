"""Faults of the network: what the router's and the sites' tables and links have to be, and making them so.

Level-triggered: told all faults each time, so nothing has to be undone step by step.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from lab.faults.filter import (
    Detour,
    Drop,
    Hush,
    SiteFaults,
    render_router,
    render_site_faults,
)
from lab.faults.model import (
    Blackhole,
    Block,
    Cut,
    Fault,
    HideMetadata,
    Narrow,
    Outage,
    SilenceResolver,
    Slow,
)
from lab.internet import addresses
from lab.internet.links import set_mtu
from lab.launch import Setting, launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lab.faults.ends import EndRef, Ends
    from lab.faults.slow_way import SlowWay
    from lab.internet.site import Ground
    from lab.server import Server

_NOTHING: Final = render_site_faults(SiteFaults())
# What only a server's site can do to it, and no place has.
SITES_ONLY: Final = (Blackhole, Narrow, HideMetadata)


class Wrong(Protocol):
    """A fault that lasts, and what it is done to."""

    @property
    def fault(self) -> Fault:
        """The fault."""

    @property
    def ends(self) -> tuple[EndRef, ...]:
        """What it is done to."""

    @property
    def way(self) -> SlowWay | None:
        """The slow way, if it is one."""


class Network:
    """The network of one lab's world, with its faults.

    Args:
        ground: The lab's.
        ends: Who is on it.
        all_wrong: Returns the faults that there are now.
    """

    def __init__(self, ground: Ground, ends: Ends, all_wrong: Callable[[], Iterable[Wrong]]) -> None:
        self._ground = ground
        self._ends = ends
        self._all_wrong = all_wrong
        self._router = render_router((), (), ())
        self._touched: set[int] = set()  # servers whose sites have a fault, or had one
        self._alone = asyncio.Lock()

    async def apply(self) -> None:
        """Have the faults that there are now, and no others."""
        async with self._alone:
            all_wrong = [wrong for wrong in self._all_wrong() if all(map(self._ends.exists, wrong.ends))]
            for server in self._ends.servers():
                await self._apply_site(server, all_wrong)
            await self._apply_router(all_wrong)

    async def _apply_router(self, all_wrong: Sequence[Wrong]) -> None:
        text = self._render_router(all_wrong)
        if text != self._router:
            await self._load(text, self._ground.inet)
            self._router = text

    def _render_router(self, all_wrong: Sequence[Wrong]) -> str:
        drops, detours, hushes, deaf = [], [], [], []
        for wrong in all_wrong:
            ends = [self._ends.end(ref) for ref in wrong.ends]
            one, other = (ends[0] if ends else None), (ends[1] if len(ends) > 1 else None)
            match wrong.fault:
                case Block(protocol=protocol, port=port, family=family) if one:
                    drops.append(Drop(one=one, other=other, protocol=protocol, port=port, family=family))
                case Cut() if one and wrong.ends[0].server_id is None:
                    drops.append(Drop(one=one))
                case Outage(location=location):
                    drops += [Drop(one=end) for end in self._ends.located(location)]
                case SilenceResolver() if one and wrong.ends[0].server_id is None:
                    deaf.append(one)
                case Slow() if one and (way := wrong.way):
                    marks = Detour(one=one, other=other, onward=way.onward, back=way.back, devices=way.devices)
                    detours.append(marks)
        for server in self._ends.servers():
            mtu_bytes, hushed = _mtu(server, all_wrong)
            if hushed:
                hushes.append(Hush(end=self._ends.end_of(server), mtu_bytes=mtu_bytes))
        return render_router(drops, detours, hushes, deaf)

    async def _apply_site(self, server: Server, all_wrong: Sequence[Wrong]) -> None:
        server_id, site = server.wish.server_id, server.site
        mtu_bytes, hushed = _mtu(server, all_wrong)
        own = list(_faults_of(server, all_wrong))
        hidden = [fault.answer for fault in own if isinstance(fault, HideMetadata)]
        text = render_site_faults(
            SiteFaults(
                unplugged=any(isinstance(fault, Cut) for fault in own),
                metadata=hidden[-1] if hidden else None,
                deaf=any(isinstance(fault, SilenceResolver) for fault in own),
                hushed_mtu_bytes=mtu_bytes if hushed else None,
            )
        )
        wrong = text != _NOTHING or mtu_bytes != addresses.MTU_BYTES
        if site is None or not (wrong or server_id in self._touched):
            return
        self._touched.add(server_id)
        await self._load(text, site.namespace)
        for namespace, interface in site.uplink_ends:
            await asyncio.to_thread(set_mtu, namespace, interface, mtu_bytes)
        if not wrong:
            self._touched.discard(server_id)

    async def _load(self, text: str, namespace: str) -> None:
        setting = Setting(cgroup=self._ground.cgroup, namespace=namespace)
        nft = await launch(["nft", "-f", "-"], setting, given=text.encode(), output=self._ground.folder / "nft.log")
        if await nft.wait():
            raise RuntimeError(f"faults in {namespace}: nft refused the rules; see nft.log")


def _faults_of(server: Server, all_wrong: Sequence[Wrong]) -> Iterator[Fault]:
    for wrong in all_wrong:
        if any(ref.server_id == server.wish.server_id for ref in wrong.ends):
            yield wrong.fault


def _mtu(server: Server, all_wrong: Sequence[Wrong]) -> tuple[int, bool]:
    """Return the MTU of a server's uplink, and whether nobody is told of it: the smallest one counts."""
    mtu_bytes, hushed = addresses.MTU_BYTES, False
    for fault in _faults_of(server, all_wrong):
        match fault:
            case Narrow(mtu_bytes=asked) if asked < mtu_bytes:
                mtu_bytes, hushed = asked, False
            case Blackhole(larger_than_bytes=asked) if asked <= mtu_bytes:
                mtu_bytes, hushed = asked, True
    return mtu_bytes, hushed

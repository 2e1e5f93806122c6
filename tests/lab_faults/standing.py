"""An internet with two servers, whose machines are bare namespaces that tests talk from.

visitor ── inet ─┬─ site ── shield  203.0.113.10  2001:db8:10::1  (ash)
operator ───┘    └─ site ── origin  198.51.100.20 2001:db8:20::1  (fsn1)
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lab import cgroups
from lab.faults.keeper import Faults
from lab.internet import addresses
from lab.internet.backbone import Backbone
from lab.internet.links import add_addresses, add_route, index_of
from lab.internet.namespace import configure, make_namespace, remove_namespace, set_sysctls
from lab.internet.site import Ground
from lab.ledger import Ledger
from lab.server import Server
from lab.vault import Vault
from lab.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from lab.faults.model import Fault
    from lab.internet.site import Site
    from lab.machines.driver import Disk

T = TypeVar("T")

SHIELD: Final = Wish(
    server_id=11,
    name="shield",
    image="debian-12",
    location="ash",
    country="US",
    mac="96:00:00:00:00:11",
    ipv4=IPv4Address("203.0.113.10"),
    ipv6=IPv6Network("2001:db8:10::/64"),
    user_data="",
    public_keys=(),
    running=True,
    boot=1,
    rebuild=0,
    firewall=None,
)
ORIGIN: Final = replace(
    SHIELD,
    server_id=22,
    name="origin",
    location="fsn1",
    country="DE",
    mac="96:00:00:00:00:22",
    ipv4=IPv4Address("198.51.100.20"),
    ipv6=IPv6Network("2001:db8:20::/64"),
)
THIRD: Final = replace(
    ORIGIN, server_id=33, name="third", mac="96:00:00:00:00:33", ipv4=IPv4Address("198.51.100.30"), ipv6=None
)


class BareMachine:
    """A machine that is a network namespace and nothing else: on, it has its addresses."""

    door = None
    leader = None

    def __init__(self, ground: Ground, site: Site) -> None:
        self._ground = ground
        self._site = site
        self.namespace = f"{ground.prefix}-m{site.wish.server_id}"
        self.console = ground.folder / "none.log"

    async def create_disk(self, source: Path | None = None) -> None:
        """It has none."""
        assert source is None

    async def copy_disk(self, folder: Path) -> None:
        """It has none."""
        raise NotImplementedError(str(folder))

    async def attach(self, disk: Disk) -> None:
        """It has none."""
        raise NotImplementedError(str(disk))

    async def detach(self, disk: Disk) -> None:
        """It has none."""
        raise NotImplementedError(str(disk))

    async def boot(self) -> None:
        """Make the namespace."""
        self._ground.ledger.note("namespace", self.namespace)
        make_namespace(self.namespace)
        set_sysctls(self.namespace, {"ipv6/conf/default/dad_transmits": "0", "ipv6/conf/default/accept_ra": "0"})
        self._site.attach(self.namespace)
        configure(self.namespace, self._settle)

    async def power_off(self) -> None:
        """Remove the namespace."""
        await self.cut_power()

    async def cut_power(self) -> None:
        """Remove the namespace."""
        remove_namespace(self.namespace)

    async def destroy(self) -> None:
        """Remove the namespace."""
        await self.cut_power()

    def _settle(self, netlink: Any) -> None:
        wish = self._site.wish
        if wish.ipv4 is not None:
            add_addresses(netlink, "eth0", [wish.ipv4])
            add_route(netlink, "0.0.0.0/0", "eth0", addresses.GATEWAY_IPV4)
        if wish.ipv6 is not None:
            add_addresses(netlink, "eth0", [wish.ipv6[1]])
            add_route(netlink, "::/0", "eth0", addresses.GATEWAY_IPV6)


class Standing:
    """The internet, and a thread whose event loop serves it.

    Args:
        folder: For its files.
    """

    def __init__(self, folder: Path) -> None:
        self.prefix = f"fs-w{os.getpid()}"
        (folder / "names").mkdir()
        self.folder = folder
        self._cgroup = cgroups.cgroup_root() / self.prefix
        self._ledger = Ledger(folder / "ledger.jsonl")
        self._ground = Ground(
            prefix=self.prefix, folder=folder, names=folder / "names", cgroup=self._cgroup, ledger=self._ledger
        )
        self._backbone = Backbone(self._ground, mirror_name="mirror.lab.example")
        self._servers: dict[int, Server] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="standing")
        self._faults = Faults(self._ground, self)
        self._vault = Vault(self._ground)

    @property
    def servers(self) -> Mapping[int, Server]:
        """The servers that there are."""
        return self._servers

    async def reset(self, server_id: int) -> None:
        """Cut a server's power and give it back."""
        await self._servers[server_id].reset()

    @property
    def router(self) -> str:
        """The router's namespace."""
        return self._ground.inet

    def start(self) -> None:
        """Make everything."""
        self._ledger.note("cgroup", str(self._cgroup))
        cgroups.make(self._cgroup)
        self._thread.start()
        self.wait(self._backbone.start())
        for wish in (SHIELD, ORIGIN):
            self.order(wish)

    def stop(self) -> None:
        """Remove everything."""
        self.wait(self._faults.stop())
        for server_id in list(self._servers):
            self.delete(server_id)
        self.wait(self._backbone.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._ledger.undo()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of work done by the event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)

    async def _machine(self, site: Site) -> BareMachine:
        return BareMachine(self._ground, site)

    def order(self, wish: Wish) -> None:
        """Bring a server in line with a wish, as the world does."""
        made = Server(self._ground, self._machine, wish, vault=self._vault, settle=self._faults.settle)
        server = self._servers.setdefault(wish.server_id, made)
        self.wait(server.converge(wish))
        self.wait(self._faults.settle())

    def delete(self, server_id: int) -> None:
        """Remove a server, as the world does."""
        self.wait(self._servers[server_id].remove())
        del self._servers[server_id]
        self.wait(self._faults.settle())

    def inject(self, *faults: Fault) -> None:
        """Begin faults."""
        for fault in faults:
            self.wait(self._faults.inject(fault))

    def heal(self, name: str | None = None) -> None:
        """End a fault, or all."""
        self.wait(self._faults.heal_all() if name is None else self._faults.heal(name))

    def faults(self) -> tuple[Fault, ...]:
        """Return what is wrong."""
        return self._faults.active()

    def namespace(self, name: str) -> str:
        """Return the namespace of a place, or of a server's machine."""
        for server in self._servers.values():
            if server.wish.name == name:
                return f"{self.prefix}-m{server.wish.server_id}"
        return self._backbone.places[name]

    def forget_paths(self) -> None:
        """Have every kernel forget the path MTUs that it was told."""

        def renew(netlink: Any) -> None:  # IPv6 keeps what it was told with the route
            index = index_of(netlink, "eth0")
            netlink.route("replace", dst="::/0", oif=index, gateway=str(addresses.GATEWAY_IPV6), family=10)

        for name in ("visitor", "operator", "shield", "origin"):
            set_sysctls(self.namespace(name), {"ipv4/route/flush": "1"})
            configure(self.namespace(name), renew)

"""The internet between the sites: a router, its resolver, the places of those who use it, the package mirror."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from lab.internet import addresses
from lab.internet.dnsmasq import Dnsmasq
from lab.internet.links import add_addresses, add_route, make_link
from lab.internet.namespace import configure, listen_inside, make_namespace, remove_namespace, set_sysctls
from lab.internet.resolver import render_resolver
from lab.internet.web import WebService, quiet_config
from lab.launch import Setting, end, launch

if TYPE_CHECKING:
    from pathlib import Path

    from lab.internet.site import Ground

_SYSCTLS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/accept_ra": "0",
}

# Other namespaces' files are let go of: a copy of their mounts would keep them alive.
_FACE = """\
mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts || exit 1
umount -l /run/netns/* 2>/dev/null
echo ready
exec sleep infinity
"""


class Backbone:
    """The internet of one lab.

    Args:
        ground: The lab's.
        mirror_name: Host name of the mirror.
    """

    def __init__(self, ground: Ground, *, mirror_name: str) -> None:
        self._ground = ground
        self._mirror_name = mirror_name
        setting = Setting(cgroup=ground.cgroup, namespace=ground.inet)
        self._resolver = Dnsmasq(setting, ground.folder / "resolver", answers_on=addresses.RESOLVER.ipv4)
        self._repositories = StaticFiles(directory=None)
        self._mirror: WebService | None = None
        self._face: asyncio.subprocess.Process | None = None
        self.places = {place.name: f"{ground.prefix}-{place.name}" for place in addresses.PLACES}

    async def start(self) -> None:
        """Make the router and the places, and start what serves all of them."""
        for namespace in (self._ground.inet, *self.places.values()):
            self._ground.ledger.note("namespace", namespace)
        await asyncio.to_thread(self._make)
        await asyncio.gather(self._start_resolver(), self._start_face(), self._start_mirror())

    async def stop(self) -> None:
        """Undo `start`."""
        if self._mirror is not None:
            await self._mirror.stop()
        await self._resolver.stop()
        await end(self._face)
        for namespace in (*self.places.values(), self._ground.inet):
            await asyncio.to_thread(remove_namespace, namespace)

    def serve_packages(self, repository: Path) -> None:
        """Have the mirror serve a repository as well; each has a suite and a pool of its own."""
        if repository not in self._repositories.all_directories:
            self._repositories.all_directories.append(repository)

    @property
    def mounts_of(self) -> int:
        """Id of the process whose mount namespace asks the lab's resolver, and nobody else."""
        assert self._face is not None
        return self._face.pid

    async def _start_face(self) -> None:
        """Hold a mount namespace in which /etc names the lab's resolver; the host's /etc stays as it is."""
        resolv, hosts = self._ground.folder / "resolv.conf", self._ground.folder / "hosts"
        resolv.write_text(f"nameserver {addresses.RESOLVER.ipv4}\noptions timeout:1 attempts:2\n", encoding="ascii")
        hosts.write_text("127.0.0.1 localhost\n::1 localhost\n", encoding="ascii")
        self._face = await launch(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", _FACE, "sh", str(resolv), str(hosts)],
            Setting(cgroup=self._ground.cgroup),
            output=self._ground.folder / "face.log",
            stdout=subprocess.PIPE,
        )
        assert self._face.stdout is not None
        if await self._face.stdout.readline() != b"ready\n":
            raise RuntimeError("places: the resolver's address can't be mounted over /etc/resolv.conf; see face.log")

    def _make(self) -> None:
        make_namespace(self._ground.inet)
        set_sysctls(self._ground.inet, _SYSCTLS)
        hosts = (addresses.ROUTER_IPV4, addresses.RESOLVER.ipv4, addresses.RESOLVER.ipv6)
        configure(self._ground.inet, lambda netlink: add_addresses(netlink, "lo", hosts))
        for place in addresses.PLACES:
            self._connect(place)

    def _connect(self, place: addresses.Place) -> None:
        namespace, uplink = self.places[place.name], place.uplink
        make_namespace(namespace)
        set_sysctls(namespace, {"ipv6/conf/default/accept_ra": "0"})
        make_link(self._ground.inet, uplink, namespace, "eth0")

        def near(netlink: Any) -> None:
            add_addresses(netlink, uplink, [addresses.ROUTER_END])
            add_route(netlink, f"{place.ipv4}/32", uplink)
            add_route(netlink, f"{place.ipv6}/128", uplink, addresses.FAR_END)

        def far(netlink: Any) -> None:
            add_addresses(netlink, "eth0", [place.ipv4, place.ipv6, addresses.FAR_END])
            add_route(netlink, "0.0.0.0/0", "eth0", addresses.ROUTER_IPV4)
            add_route(netlink, "::/0", "eth0", addresses.ROUTER_END)

        configure(self._ground.inet, near)
        configure(namespace, far)

    async def _start_resolver(self) -> None:
        mirror = addresses.MIRROR
        lines = f"{mirror.ipv4} {self._mirror_name}\n{mirror.ipv6} {self._mirror_name}\n"
        (self._ground.names / "mirror").write_text(lines, encoding="ascii")
        hosts = (addresses.RESOLVER.ipv4, addresses.RESOLVER.ipv6)
        await self._resolver.start(render_resolver(self._ground.names, hosts))

    async def _start_mirror(self) -> None:
        namespace = self.places[addresses.MIRROR.name]
        hosts = (str(addresses.MIRROR.ipv4), str(addresses.MIRROR.ipv6))
        sockets = [await asyncio.to_thread(listen_inside, namespace, host, 80) for host in hosts]
        app = Starlette(routes=[Mount(path, self._repositories) for path in ("/debian", "/ubuntu")])
        self._mirror = WebService(quiet_config(app), sockets)
        await self._mirror.start()

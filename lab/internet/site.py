"""A server's site: the bit of a provider's network that one server sees, in a namespace of its own.

Each server has its own, so that all of them see the same gateway, metadata service and resolvers.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.internet import addresses
from lab.internet.dnsmasq import Dnsmasq
from lab.internet.firewall import render_firewall
from lab.internet.links import add_addresses, add_route, index_of, make_link, remove_interface
from lab.internet.metadata import make_metadata_app
from lab.internet.namespace import configure, listen_inside, make_namespace, remove_namespace, set_sysctls
from lab.internet.resolver import render_site
from lab.internet.web import WebService, quiet_config
from lab.launch import Setting, launch

if TYPE_CHECKING:
    from pathlib import Path

    from lab.ledger import Ledger
    from lab.wish import Wish

CABLE = "c0"  # the machine's, at the site's end
_SYSCTLS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv6/conf/all/forwarding": "1",
    "ipv6/conf/default/accept_ra": "0",
}
# The same in every lab: a machine that goes on where it was saved still knows its gateway by it.
_GATEWAY_MAC = "d2:74:7f:6e:37:e3"
_BRIDGE_HOSTS = (
    addresses.GATEWAY_IPV4,
    addresses.METADATA_IPV4,
    *addresses.SITE_RESOLVERS,
    *addresses.SITE_RESOLVERS6,
    addresses.METADATA_IPV6,
    addresses.GATEWAY_IPV6,  # the last one is what advertisements are sent from
)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all sites of a lab share.

    Args:
        prefix: Of every name that the lab gives to things of the kernel.
        folder: For files of running programs.
        names: Folder of published names.
        cgroup: Of the lab's programs.
        ledger: Of the lab.
    """

    prefix: str
    folder: Path
    names: Path
    cgroup: Path
    ledger: Ledger

    @property
    def inet(self) -> str:
        """Name of the router's namespace."""
        return f"{self.prefix}-inet"


class Site:
    """The site of one server.

    Args:
        ground: The lab's.
        wish: The server's; another one may be set later, but not with other addresses.
        advertise: Whether the gateway sends router advertisements, which Hetzner's does not.
    """

    def __init__(self, ground: Ground, wish: Wish, *, advertise: bool = False) -> None:
        self._ground = ground
        self.wish = wish
        self._advertise = advertise
        self.namespace = f"{ground.prefix}-s{wish.server_id}"
        self._uplink = addresses.site_uplink(wish.server_id)
        self._base = ground.folder / f"site-{wish.server_id}"
        self._setting = Setting(cgroup=ground.cgroup, namespace=self.namespace)
        self._dnsmasq = Dnsmasq(self._setting, self._base, answers_on=addresses.SITE_RESOLVERS[0])
        self._metadata: WebService | None = None
        self._stands_for: tuple[object, ...] | None = None
        self._ruleset: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it is made, and not being removed."""
        return self._stands_for is not None

    @property
    def uplink_ends(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Namespace and interface of both ends of its cable to the router."""
        return (self._ground.inet, self._uplink), (self.namespace, "up0")

    def is_elsewhere(self, wish: Wish) -> bool:
        """Tell whether the site stands, but for other addresses than the wish's."""
        return self._stands_for is not None and self._stands_for != _addresses_of(wish)

    async def start(self) -> None:
        """Make the namespace, its firewall before its link, and start what answers in it; once."""
        if self._stands_for is not None:
            return
        self._ground.ledger.note("namespace", self.namespace)
        try:
            await asyncio.to_thread(self._make)
            await self.apply_firewall()
            await asyncio.to_thread(self._connect)
            await asyncio.gather(self._start_dnsmasq(), self._start_metadata())
        except BaseException:
            await self.stop()
            raise
        self._stands_for = _addresses_of(self.wish)

    async def stop(self) -> None:
        """Undo `start`."""
        self._stands_for = None
        if self._metadata is not None:
            await self._metadata.stop()
            self._metadata = None
        await self._dnsmasq.stop()
        await asyncio.to_thread(self._remove)
        self._ruleset = None

    async def apply_firewall(self) -> None:
        """Make the cloud firewall what the wish says, in one transaction; once."""
        text = render_firewall(self.wish.firewall, ipv4=self.wish.ipv4, ipv6=self.wish.ipv6)
        if text == self._ruleset:
            return
        nft = await launch(
            ["nft", "-f", "-"], self._setting, given=text.encode(), output=self._ground.folder / "nft.log"
        )
        if await nft.wait():
            raise RuntimeError(f"cloud firewall of {self.wish.name!r}: nft refused the rules; see nft.log")
        self._ruleset = text

    def attach(self, machine: str) -> None:
        """Plug a machine's namespace into the site, as `eth0`; whatever was plugged in before is gone."""
        remove_interface(self.namespace, CABLE)
        make_link(self.namespace, CABLE, machine, "eth0", far_mac=self.wish.mac)

        def bridge(netlink: Any) -> None:
            netlink.link("set", index=index_of(netlink, CABLE), master=index_of(netlink, "br0"))

        configure(self.namespace, bridge)

    def attach_tap(self) -> str:
        """Plug a virtual machine in by a new TAP interface, and return its name; what was plugged in before is gone."""
        remove_interface(self.namespace, CABLE)

        def plug(netlink: Any) -> None:
            netlink.link("add", ifname=CABLE, kind="tuntap", mode="tap")
            netlink.link("set", index=index_of(netlink, CABLE), master=index_of(netlink, "br0"), state="up")

        configure(self.namespace, plug)
        return CABLE

    def _make(self) -> None:
        make_namespace(self.namespace)
        set_sysctls(self.namespace, _SYSCTLS)

        def bridge(netlink: Any) -> None:
            quick = {"br_forward_delay": 0, "br_stp_state": 0, "br_mcast_snooping": 0}
            netlink.link("add", ifname="br0", kind="bridge", address=_GATEWAY_MAC, **quick)
            netlink.link("set", index=index_of(netlink, "br0"), state="up")
            add_addresses(netlink, "br0", _BRIDGE_HOSTS)
            if self._advertise and self.wish.ipv6 is not None:  # dnsmasq advertises only what the interface has
                add_addresses(netlink, "br0", [self.wish.ipv6[-2]], length_ipv6=64)
            add_route(netlink, f"{self.wish.ipv4 or addresses.LENT_IPV4}/32", "br0")
            if self.wish.ipv6 is not None:
                add_route(netlink, self.wish.ipv6, "br0")

        configure(self.namespace, bridge)

    def _connect(self) -> None:
        make_link(self._ground.inet, self._uplink, self.namespace, "up0")

        def near(netlink: Any) -> None:
            add_addresses(netlink, self._uplink, [addresses.ROUTER_END])
            if self.wish.ipv4 is not None:
                add_route(netlink, f"{self.wish.ipv4}/32", self._uplink, addresses.GATEWAY_IPV4)
            if self.wish.ipv6 is not None:
                add_route(netlink, self.wish.ipv6, self._uplink, addresses.FAR_END)

        def far(netlink: Any) -> None:
            add_addresses(netlink, "up0", [addresses.FAR_END])
            add_route(netlink, "0.0.0.0/0", "up0", addresses.ROUTER_IPV4)
            add_route(netlink, "::/0", "up0", addresses.ROUTER_END)

        configure(self._ground.inet, near)
        configure(self.namespace, far)

    def _remove(self) -> None:
        remove_interface(self._ground.inet, self._uplink)
        remove_namespace(self.namespace)

    async def _start_dnsmasq(self) -> None:
        text = render_site(
            self._ground.names,
            self._base.with_suffix(".leases"),
            mac=self.wish.mac,
            ipv4=self.wish.ipv4,
            ipv6=self.wish.ipv6,
            advertise=self._advertise,
        )
        await self._dnsmasq.start(text)

    async def _start_metadata(self) -> None:
        def listen() -> WebService:
            app = make_metadata_app(lambda: self.wish)
            hosts = (str(addresses.METADATA_IPV4), str(addresses.METADATA_IPV6))
            return WebService(
                quiet_config(app), [listen_inside(self.namespace, host, 80, interface="br0") for host in hosts]
            )

        self._metadata = await asyncio.to_thread(listen)
        await self._metadata.start()


def _addresses_of(wish: Wish) -> tuple[object, ...]:
    return wish.mac, wish.ipv4, wish.ipv6

"""Join namespaces by veth pairs that have no end in the host's own."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ifaddrmsg import IFA_F_NODAD

from lab.internet import addresses
from lab.internet.namespace import configure, namespace_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

MAIN_TABLE: Final = 254  # RT_TABLE_MAIN


def make_link(near: str, near_end: str, far: str, far_end: str, *, far_mac: str | None = None) -> None:
    """Make a pair of interfaces, one in each namespace, both up.

    Args:
        near: Namespace of the first end.
        near_end: Name of the first interface.
        far: Namespace of the second end.
        far_end: Name of the second interface.
        far_mac: Address of the second interface, if it matters.
    """

    def make(netlink: Any) -> None:
        with namespace_path(far).open("rb") as namespace:
            peer: dict[str, object] = {"ifname": far_end, "net_ns_fd": namespace.fileno(), "mtu": addresses.MTU_BYTES}
            if far_mac:
                peer["address"] = far_mac
            netlink.link("add", ifname=near_end, kind="veth", mtu=addresses.MTU_BYTES, peer=peer)
        netlink.link("set", index=index_of(netlink, near_end), state="up")

    configure(near, make)
    configure(far, lambda netlink: netlink.link("set", index=index_of(netlink, far_end), state="up"))


def remove_interface(namespace: str, name: str) -> None:
    """Remove an interface, and its other end with it, if it is there.

    It may go by itself meanwhile: the kernel takes down what a machine had some time after its last process.
    """

    def remove(netlink: Any) -> None:
        for index in netlink.link_lookup(ifname=name):
            try:
                netlink.link("del", index=index)
            except NetlinkError as error:
                if error.code != errno.ENODEV:
                    raise

    configure(namespace, remove)


def index_of(netlink: Any, name: str) -> int:
    """Return the number of an interface."""
    found = netlink.link_lookup(ifname=name)
    if not found:
        raise LookupError(f"interface {name!r}: not in this namespace")
    return int(found[0])


def add_addresses(
    netlink: Any, interface: str, hosts: Iterable[IPv4Address | IPv6Address], *, length_ipv6: int = 128
) -> None:
    """Give an interface addresses, usable at once; link-local ones with their /64, others alone."""
    index = index_of(netlink, interface)
    for host in hosts:
        if host.version == 4:
            netlink.addr("add", index=index, address=str(host), prefixlen=32)
        else:
            length = 64 if host.is_link_local else length_ipv6
            netlink.addr("add", index=index, address=str(host), prefixlen=length, flags=IFA_F_NODAD)


def add_route(
    netlink: Any,
    prefix: IPv4Network | IPv6Network | str,
    interface: str,
    via: IPv4Address | IPv6Address | None = None,
    *,
    table: int = MAIN_TABLE,
) -> None:
    """Route a prefix through an interface, by a neighbour that need not be in any of its networks."""
    index, family = index_of(netlink, interface), 10 if ":" in str(prefix) else 2
    if via is None:
        netlink.route("add", dst=str(prefix), oif=index, family=family, table=table)
    else:
        flags = ["onlink"] if family == 2 else []  # AF_INET
        netlink.route("add", dst=str(prefix), oif=index, gateway=str(via), family=family, flags=flags, table=table)


def set_mtu(namespace: str, interface: str, mtu_bytes: int) -> None:
    """Set the MTU of one end of a link."""
    configure(namespace, lambda netlink: netlink.link("set", index=index_of(netlink, interface), mtu=mtu_bytes))

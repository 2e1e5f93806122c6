"""The addresses that the simulated internet gives out itself; a server's come with its wish.

    visitor 192.0.2.7 ──┐                          ┌── up0  site of a server  br0 ── c0 │ eth0  machine
    attacker .66 ───────┤ inet: router, resolver   │   172.31.1.1, 169.254.169.254      │ 203.0.113.10/32
    operator .20 ───────┤ 192.0.2.1, 192.0.2.53 ───┤   fe80::1, fe80::a9fe:a9fe         │ 2001:db8:10::1/64
    mirror .80 ─────────┘ 2001:db8:ff::53          │   185.12.64.1, .2; cloud firewall  │

Links carry no network of their own: each end routes to a host address on the other (`onlink`), so that servers need
no number and addresses never run out.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Place:
    """Somebody's connection to the internet.

    Args:
        name: What tests call it.
        ipv4: Its address.
        ipv6: Its address.
    """

    name: str
    ipv4: IPv4Address
    ipv6: IPv6Address

    @property
    def uplink(self) -> str:
        """The router's interface with the place's cable in it."""
        return f"p-{self.name}"


def _place(name: str, host: str) -> Place:
    return Place(name=name, ipv4=IPv4Address(f"192.0.2.{host}"), ipv6=IPv6Address(f"2001:db8:ff::{host}"))


VISITOR: Final = _place("visitor", "7")
OPERATOR: Final = _place("operator", "20")
ATTACKER: Final = _place("attacker", "66")
MIRROR: Final = _place("mirror", "80")
PLACES: Final = (VISITOR, OPERATOR, ATTACKER, MIRROR)

ROUTER_IPV4: Final = IPv4Address("192.0.2.1")
RESOLVER: Final = _place("resolver", "53")

# Both ends of every link of the router; link-local, so the same on each.
ROUTER_END: Final = IPv6Address("fe80::1")
FAR_END: Final = IPv6Address("fe80::2")

# What a server at Hetzner sees of its provider.
GATEWAY_IPV4: Final = IPv4Address("172.31.1.1")
GATEWAY_IPV6: Final = IPv6Address("fe80::1")
METADATA_IPV4: Final = IPv4Address("169.254.169.254")
METADATA_IPV6: Final = IPv6Address("fe80::a9fe:a9fe")
SITE_RESOLVERS: Final = (IPv4Address("185.12.64.1"), IPv4Address("185.12.64.2"))
SITE_RESOLVERS6: Final = (IPv6Address("2a01:4ff:ff00::add:2"), IPv6Address("2a01:4ff:ff00::add:1"))
# What a server without a public IPv4 address is lent by DHCP, to ask for its metadata: cloud-init of Debian 12 and 13
# asks over IPv4 alone, and such a server reaches 169.254.169.254 (https://github.com/flatcar/Flatcar/issues/1968).
# Which address Hetzner lends is not known here; this one leads no further than the gateway.
LENT_IPV4: Final = IPv4Address("172.31.1.100")

MTU_BYTES: Final = 1500


def site_uplink(server_id: int) -> str:
    """Return the router's interface with the cable of a server's site in it."""
    return f"s{server_id}"

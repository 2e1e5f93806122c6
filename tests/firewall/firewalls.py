"""Firewalls for the stage: a shield's, an origin's, and one change to either."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest

from plan.model.firewall import Firewall, Flow, Permit

if TYPE_CHECKING:
    from plan.model.firewall import Protocol


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Everybody's addresses in one IP version, as `tests.firewall.stage` draws them.

    Args:
        public: The host's on the Internet.
        own: The host's in the tunnels.
        peer: Known to the host, on the Internet.
        world: A stranger on the Internet.
        web: The source of the flows, in the first tunnel.
        other: Somebody else in it.
        device: An operator's in it.
        far: In the other tunnel.
        box: The container's.
    """

    public: str
    own: str
    peer: str
    world: str
    web: str
    other: str
    device: str
    far: str
    box: str


FOUR = Ends(
    public="203.0.113.10",
    own="10.0.0.2",
    peer="198.51.100.5",
    world="198.51.100.66",
    web="10.0.0.1",
    other="10.0.0.3",
    device="10.0.0.200",
    far="10.0.0.4",
    box="172.17.0.2",
)
SIX = Ends(
    public="2001:db8:10::10",
    own="fd5a::2",
    peer="2001:db8:5::5",
    world="2001:db8:66::66",
    web="fd5a::1",
    other="fd5a::3",
    device="fd5a::200",
    far="fd5a::4",
    box="fdbb::2",
)
BOTH = pytest.mark.parametrize("at", [FOUR, SIX], ids=["ipv4", "ipv6"])
INSIDE = tuple(ip_network(text) for text in ("10.0.0.0/16", "fd5a::/48"))
ANYWHERE = tuple(ip_network(text) for text in ("0.0.0.0/0", "::/0"))
PEERS = tuple(ip_address(text) for text in ("198.51.100.5", "2001:db8:5::5"))
PORT = 51820


def flow(sources: str, destinations: str, *ports: int, protocol: Protocol = "udp", name: str = "press/web") -> Flow:
    """Return a flow between networks that are written with spaces between them."""
    return Flow(
        name=name,
        protocol=protocol,
        ports=ports,
        sources=tuple(ip_network(text) for text in sources.split()),
        destinations=tuple(ip_network(text) for text in destinations.split()),
        because=("farshore:test",),
    )


WEB = flow("10.0.0.1 fd5a::1", "10.0.0.2 fd5a::2", 8443)
WEB_TCP = flow("10.0.0.1 fd5a::1", "10.0.0.2 fd5a::2", 8443, protocol="tcp")

SHIELD = Firewall(
    visitor_ports=(80, 443),
    wireguard_ports=(PORT, PORT + 1),
    peers=PEERS,
    roaming=False,
    accepts=(WEB, WEB_TCP),
    forwards=(),
    internet=(),
    masquerades=(),
    expiries=(),
    ssh_sources=tuple(ip_network(text) for text in ("198.51.100.5/32", "2001:db8:5::/64")),
    inside=INSIDE,
    egress=None,
)
ORIGIN = replace(SHIELD, visitor_ports=(), ssh_sources=(), egress=())


def shield(**changes: Any) -> Firewall:
    """Return a shield's, changed."""
    return replace(SHIELD, **changes)


def origin(**changes: Any) -> Firewall:
    """Return an origin's, changed."""
    return replace(ORIGIN, **changes)


def permit(networks: str, *ports: int, user: str | None = None, protocol: Any = "udp") -> Permit:
    """Return a permit."""
    where = ANYWHERE if networks == "anywhere" else tuple(ip_network(text) for text in networks.split())
    return Permit(networks=where, protocol=protocol, ports=ports, user=user, because="test")

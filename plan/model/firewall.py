"""The firewalls of a finished plan: what a host lets in, through and out, and the provider's second layer.

Pure: frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

    from plan.addresses import Address, Network
    from plan.model.refs import Ref

Protocol = Literal["tcp", "udp", "any"]


@dataclass(frozen=True, kw_only=True)
class Flow:
    """New connections that are accepted inside the tunnels.

    Args:
        name: `press/web`, `press/ssh`, or a LAN's.
        protocol: tcp, udp, or any for everything, ICMP too.
        ports: Empty for all.
        sources: Tunnel addresses and LANs, as networks.
        destinations: The same.
        because: Keys of the stack file that ask for it.
    """

    name: str
    protocol: Protocol
    ports: tuple[int, ...]
    sources: tuple[Network, ...]
    destinations: tuple[Network, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Permit:
    """Something that a host's own programs may say to the Internet.

    Args:
        networks: Destinations; both `0.0.0.0/0` and `::/0` for anywhere.
        protocol: tcp or udp.
        ports: At least one.
        user: Whose programs may; None for everybody's.
        because: Key of the stack file, or the reason.
    """

    networks: tuple[Network, ...]
    protocol: Literal["tcp", "udp"]
    ports: tuple[int, ...]
    user: str | None
    because: str


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Addresses that nothing is accepted from after a day, whether or not anybody runs `up`."""

    addresses: tuple[Address, ...]
    until: date


@dataclass(frozen=True, kw_only=True)
class Firewall:
    """What a host's nftables lets in, through and out; everything else is dropped.

    Args:
        visitor_ports: TCP, from anywhere.
        wireguard_ports: UDP.
        peers: Public addresses that may use them.
        roaming: Devices dial from anywhere: these ports are open to everybody, and only a key opens more.
        accepts: To the host itself, inside the tunnels.
        forwards: Through the host: from tunnel to tunnel, and to and from LANs behind it.
        internet: Tunnel addresses of devices that use the Internet through this host, under its own address.
        masquerades: LANs behind it that know no way back.
        expiries: Addresses whose time ends.
        ssh_sources: Networks from which port 22 answers outside the tunnel.
        inside: Tunnel networks and LANs behind other hosts: never seen outside a tunnel, as source or destination.
        egress: What may be said to the Internet; None for everything.
    """

    visitor_ports: tuple[int, ...]
    wireguard_ports: tuple[int, ...]
    peers: tuple[Ref | Address, ...]
    roaming: bool
    accepts: tuple[Flow, ...]
    forwards: tuple[Flow, ...]
    internet: tuple[Network, ...]
    masquerades: tuple[Network, ...]
    expiries: tuple[Expiry, ...]
    ssh_sources: tuple[Network, ...]
    inside: tuple[Network, ...]
    egress: tuple[Permit, ...] | None


@dataclass(frozen=True, kw_only=True)
class CloudRule:
    """One inbound rule of the provider's firewall, the second layer.

    Args:
        description: For people.
        protocol: tcp or udp.
        port: The only one, or the first of a range.
        sources: At least one.
        last_port: Of a range; None for one port.
    """

    description: str
    protocol: Literal["tcp", "udp"]
    port: int
    sources: tuple[Network | Address | Ref, ...]
    last_port: int | None = None

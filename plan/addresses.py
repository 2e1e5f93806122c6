"""Addresses from slots: the whole numbering of a deployment.

Pure: networks and slots in, addresses out. A slot is written in the stack file, so that removing one host never
moves another. Shield k is 10.0.k.1 in a subnet of its own; an origin has one address, 10.0.0.<slot>, that is the
same from every shield. The same in IPv6, from a unique local /48 (RFC 4193).
"""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

SHIELD_HOST: Final = 1
FIRST_HOST_SLOT: Final = 2
LAST_HOST_SLOT: Final = 254
SUBNET_PREFIX: Final = 24
# Networks in which a deployment's own hosts already live: theirs would win over the tunnel's.
TAKEN: Final = {
    IPv4Network("172.31.1.0/24"): "Hetzner's gateway stands there",
    IPv4Network("172.17.0.0/16"): "Docker's default bridge stands there",
}
PRIVATE: Final = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))


def subnet_count(network: IPv4Network) -> int:
    """Return how many shields a tunnel network has room for (1 to 256)."""
    return min(256, 1 << (SUBNET_PREFIX - network.prefixlen))


def shield_address(network: IPv4Network, slot: int) -> IPv4Address:
    """Return the tunnel address of a shield: the first host of its own /24."""
    return network.network_address + slot * 256 + SHIELD_HOST


def shield_address6(network6: IPv6Network, slot: int) -> IPv6Address:
    """Return the tunnel address of a shield: the first host of its own /64."""
    return network6.network_address + (slot << 64) + SHIELD_HOST


def origin_address(network: IPv4Network, slot: int) -> IPv4Address:
    """Return the one tunnel address of an origin, in the first /24."""
    return network.network_address + slot


def origin_address6(network6: IPv6Network, slot: int) -> IPv6Address:
    """Return the one tunnel address of an origin, in the first /64."""
    return network6.network_address + slot


def unique_local_prefix(project: str, stack: str) -> IPv6Network:
    """Return the /48 of a deployment, derived once from its names.

    RFC 4193 asks for 40 bits that nobody else is likely to have; a hash of the names needs no state and is the
    same on every machine. A stack that is renamed keeps its addresses by writing the old ones as `network6`.
    """
    digest = hashlib.sha256(f"farshore/{project}/{stack}".encode()).digest()
    return IPv6Network((b"\xfd" + digest[:5] + bytes(10), 48))

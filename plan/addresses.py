"""Addresses from slots: the whole numbering of a deployment.

Pure: networks and slots in, addresses out. A slot is written in the stack file, so that removing one host never
moves another. Shield k is 10.0.k.1 in a subnet of its own; an origin has one address, 10.0.0.<slot>, that is the
same from every shield; a device that dials is 10.0.k.<slot> at shield k, so that what is sent back to it finds the
shield to which it is connected by the address alone. The same in IPv6, from a unique local /48 (RFC 4193).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
ANYWHERE: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
SHIELD_HOST: Final = 1
FIRST_HOST_SLOT: Final = 2
LAST_HOST_SLOT: Final = 65533  # of a /16; most networks end earlier, see `last_origin_slot`
LAST_DEVICE_SLOT: Final = 254
SUBNET_PREFIX: Final = 24
# Networks in which a deployment's own hosts already live: theirs would win over the tunnel's.
TAKEN: Final = {
    IPv4Network("172.31.1.0/24"): "Hetzner's gateway stands there",
    IPv4Network("172.17.0.0/16"): "Docker's default bridge stands there",
}
PRIVATE: Final = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))


# Texts are kept: the few thousand addresses of a large deployment stand in its files a hundred thousand times.
@lru_cache(maxsize=1 << 14)
def as_text(where: Address | Network) -> str:
    """Return an address, a network, or a network's only address."""
    if isinstance(where, IPv4Network | IPv6Network) and where.prefixlen == where.max_prefixlen:
        return str(where.network_address)
    return str(where)


def subnet_count(network: IPv4Network) -> int:
    """Return how many shields a tunnel network has room for (1 to 256)."""
    return min(256, 1 << (SUBNET_PREFIX - network.prefixlen))


def slot_is_free_of_shields(slot: int) -> bool:
    """Tell whether an origin may have this number: no shield's (x.1), no subnet's first or last (x.0, x.255)."""
    return slot % 256 not in {0, 1, 255}


def last_origin_slot(network: IPv4Network) -> int:
    """Return the largest number that an origin can have in a network."""
    return min(LAST_HOST_SLOT, network.num_addresses - 2)


def shield_address(network: IPv4Network, slot: int) -> IPv4Address:
    """Return the tunnel address of a shield: the first host of its own /24."""
    return network.network_address + slot * 256 + SHIELD_HOST


def shield_address6(network6: IPv6Network, slot: int) -> IPv6Address:
    """Return the tunnel address of a shield: the first host of its own /64."""
    return network6.network_address + (slot << 64) + SHIELD_HOST


def origin_address(network: IPv4Network, slot: int) -> IPv4Address:
    """Return the one tunnel address of an origin: in the first /24 up to slot 254, further on in those after it."""
    return network.network_address + slot


def origin_address6(network6: IPv6Network, slot: int) -> IPv6Address:
    """Return the one tunnel address of an origin, in the first /64."""
    return network6.network_address + slot


def device_address(network: IPv4Network, shield_slot: int, slot: int) -> IPv4Address:
    """Return the tunnel address of a device at one shield: in that shield's /24."""
    return network.network_address + shield_slot * 256 + slot


def device_address6(network6: IPv6Network, shield_slot: int, slot: int) -> IPv6Address:
    """Return the tunnel address of a device at one shield: in that shield's /64."""
    return network6.network_address + (shield_slot << 64) + slot


def unique_local_prefix(project: str, stack: str) -> IPv6Network:
    """Return the /48 of a deployment, derived once from its names.

    RFC 4193 asks for 40 bits that nobody else is likely to have; a hash of the names needs no state and is the
    same on every machine. A stack that is renamed keeps its addresses by writing the old ones as `network6`.
    """
    digest = hashlib.sha256(f"farshore/{project}/{stack}".encode()).digest()
    return IPv6Network((b"\xfd" + digest[:5] + bytes(10), 48))

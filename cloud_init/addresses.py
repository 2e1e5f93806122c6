"""Addresses as text, the same in every format.

Pure. Texts are kept: the few thousand addresses of a large deployment stand in its files a hundred thousand times.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plan.addresses import Address, Network


@lru_cache(maxsize=1 << 14)
def as_text(where: Address | Network) -> str:
    """Return an address, a network, or a network's only address."""
    if isinstance(where, IPv4Network | IPv6Network) and where.prefixlen == where.max_prefixlen:
        return str(where.network_address)
    return str(where)

"""Where a host is dialled: at its own address, or where the stack file says.

Pure.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from plan.model.refs import shared_ref
from plan.model.wireguard import Endpoint
from plan.stack.hosts import Endpoint as OwnEndpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plan.addresses import Address
    from plan.stack.hosts import Server


def own_endpoint(name: str, facts: Server, port: int, families: Sequence[str]) -> Endpoint | None:
    """Return a host's endpoint as somebody reaches it who has these families; IPv4 first."""
    said = facts.wireguard.endpoint
    if said == "none":
        return None
    if isinstance(said, OwnEndpoint):
        return Endpoint(address=parse_host(said.host), port=said.port or port)
    return Endpoint(address=shared_ref("ipv4" if "ipv4" in families else "ipv6", name), port=port)


def parse_host(text: str) -> Address | str:
    """Return an address where it is one, else the name."""
    for kind in (IPv4Address, IPv6Address):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

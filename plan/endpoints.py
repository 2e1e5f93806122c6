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


def own_endpoint(name: str, facts: Server, port: int, families: Sequence[str], *, step: int) -> Endpoint | None:
    """Return a host's endpoint as somebody reaches it who has these families; IPv4 first.

    Args:
        name: The host's.
        facts: What the stack file says of it.
        port: On which it listens.
        families: Of whoever dials it and itself.
        step: Of the generation's port beyond the first of its pair; a port forward has the same pairs.
    """
    said = facts.wireguard.endpoint
    if said == "none":
        return None
    if isinstance(said, OwnEndpoint):
        return Endpoint(address=parse_host(said.host), port=said.port + step if said.port else port)
    return Endpoint(address=shared_ref("ipv4" if "ipv4" in families else "ipv6", name), port=port)


def parse_host(text: str) -> Address | str:
    """Return an address where it is one, else the name."""
    for kind in (IPv4Address, IPv6Address):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

"""Which resolvers an operator's device can ask while it is connected: none that is dead, none past a full tunnel.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plan.addresses import PRIVATE
from plan.passages import single, targets_of

if TYPE_CHECKING:
    from plan.addresses import Address, Network
    from plan.topology import Topology

DNS_PORT: Final = 53


def resolvers_at(net: Topology, operator: str, shield: str) -> tuple[Address, ...]:
    """Return those of an operator's resolvers that answer it through one shield, in its own order.

    An origin is behind some shields and not behind others: where it is not, its resolver would be a dead one. A full
    tunnel leads to the Internet, and to no private network but ours.
    """
    said = net.operators[operator]
    inside = inner_resolvers(net, operator, shield)
    return tuple(
        address
        for address in said.dns
        if any(address in network for network in inside)
        or not (is_inside(net, address) or (said.tunnel == "full" and is_private(address)))
    )


def inner_resolvers(net: Topology, operator: str, shield: str) -> tuple[Network, ...]:
    """Return where an operator may ask for names through one shield, inside."""
    found: list[Network] = []
    for wanted in net.operators[operator].reach:
        for target in targets_of(net, wanted):
            asks = not target.ports or DNS_PORT in target.ports
            if asks and target.owner not in net.shields and shield in net.common_shields(operator, target.owner):
                own = (net.lans[target.name].network,) if target.lan else single(*net.addresses(target.owner))
                found += own
    return tuple(found)


def is_inside(net: Topology, address: Address) -> bool:
    """Tell whether an address is of our tunnels, or of a LAN behind a host."""
    ours = (net.stack.network, net.stack.network6, *(lan.network for lan in net.lans.values()))
    return any(address in network for network in ours)


def is_private(address: Address) -> bool:
    """Tell whether an address means something on one network only."""
    local = address.is_loopback or address.is_link_local
    # RFC 4193: fc00::/7. Prefixes for documentation are private to `ipaddress`, and public in a lab.
    unique = address.version == 6 and int(address) >> 121 == 0xFC >> 1
    return local or unique or any(address in network for network in PRIVATE)

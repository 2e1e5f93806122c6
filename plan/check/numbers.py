"""Two things that have one number: an address, a name, a port, a network.

Pure.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.addresses import Address, Network
    from plan.model import Host, Plan
    from plan.model.wireguard import Interface


def find_clashes(plan: Plan) -> Iterator[str]:
    """Find what two hosts, interfaces or peers both have."""
    addresses: Counter[Address] = Counter(a for host in plan.hosts for a in (host.address, host.address6))
    addresses += Counter(own.ip for device in plan.devices for t in device.tunnels for own in t.addresses)
    yield from (f"{address}: {count} hosts have it" for address, count in addresses.items() if count > 1)
    names = Counter((host.account, host.server_name) for host in plan.hosts)
    yield from (
        f"{name} in {account}: {count} servers have it" for (account, name), count in names.items() if count > 1
    )
    lans = [(holder.name, lan) for holder in plan.everybody for lan in holder.lans]
    for (one, network), (other, theirs) in combinations(lans, 2):
        if network.version == theirs.version and network.overlaps(theirs):
            yield f"{network} of {one} overlaps {theirs} of {other}"
    for host in plan.hosts:
        for what in ("name", "listen_port"):
            seen = Counter(getattr(interface, what) for interface in host.interfaces)
            yield from (f"{host.name}: {count} interfaces have {what} {v}" for v, count in seen.items() if count > 1)
        for interface in host.interfaces:
            yield from _claims(host, interface)
        yield from _routes(host)


def _claims(host: Host, interface: Interface) -> Iterator[str]:
    """Find AllowedIPs that overlap on one interface: WireGuard gives them to the last."""
    claims = [(allowed, peer.name) for peer in interface.peers for allowed in peer.allowed_ips]
    claims.sort(key=lambda claim: (claim[0].version, int(claim[0].network_address), claim[0].prefixlen))
    # Sorted, a network that lies in another follows it before anything else does.
    for (outer, holder), (inner, other) in pairwise(claims):
        if outer.version == inner.version and inner.network_address in outer:
            yield f"{host.name}/{interface.name}: {inner} belongs to {holder} and {other}"


def _routes(host: Host) -> Iterator[str]:
    """Find a destination with two ways, of which neither goes before."""
    seen: dict[tuple[bool, Network], str] = {}
    for interface in host.interfaces:
        for route in interface.routes:
            key = (route.behind, route.destination)
            if key in seen:
                yield f"{host.name}: {route.destination} goes into {seen[key]} and {interface.name}"
            seen[key] = interface.name

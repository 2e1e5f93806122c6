"""Sets of keys that do not stand side by side as they should, or that two hosts would use differently.

Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Host, Plan


def find_odd_generations(plan: Plan) -> Iterator[str]:
    """Find a tunnel that lacks a generation, a key of two generations, and a route that its peer's does not answer."""
    standing = set(plan.generations)
    if plan.active not in standing or len(standing) not in {1, 2} or max(standing) - min(standing) > 1:
        yield f"generations {plan.generations} with {plan.active} active"
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    for tunnel in plan.tunnels:
        pairs[tunnel.near, tunnel.far].append(tunnel.generation)
    for (near, far), found in pairs.items():
        if sorted(found) != sorted(standing):
            yield f"{near}-{far}: its tunnels are of generations {sorted(found)}"
    keys = Counter(interface.private_key for host in plan.hosts for interface in host.interfaces)
    keys += Counter(tunnel.psk for tunnel in plan.tunnels)
    yield from (f"{key}: {count} interfaces or tunnels have it" for key, count in keys.items() if count > 1)
    own = {device.name for device in plan.devices}
    for host in plan.hosts:
        yield from _interfaces(plan, host)
        yield from _sending(plan, host, own)


def _interfaces(plan: Plan, host: Host) -> Iterator[str]:
    """Find an interface of a generation that does not stand, and a device that has more than one tunnel to a shield."""
    devices = {device.name for device in plan.devices}
    met = Counter(peer.name for one in host.interfaces for peer in one.peers if peer.name in devices)
    yield from (f"{host.name}: {name} is a peer {count} times" for name, count in met.items() if count > 1)
    for interface in host.interfaces:
        if interface.generation not in plan.generations:
            yield f"{host.name}/{interface.name}: of generation {interface.generation}, which does not stand"


def _sending(plan: Plan, host: Host, devices: set[str]) -> Iterator[str]:
    """Find a place that a host sends to by another generation than its peers do, and one that it can't send to."""
    before = {route.destination for one in host.interfaces for route in one.routes if not route.behind}
    for interface in host.interfaces:
        whose = {network: peer.name for peer in interface.peers for network in peer.allowed_ips}
        behind = {route.destination: route.behind for route in interface.routes}
        for network, name in whose.items():
            if network not in behind:
                yield f"{host.name}/{interface.name}: no route to {network}"
            elif name not in devices and behind[network] == (interface.generation == plan.active):
                yield f"{host.name}/{interface.name}: {network} goes by another generation than {plan.active}"
        for network in behind.keys() - whose.keys():
            yield f"{host.name}/{interface.name}: a route to {network}, which no peer has"
        for network in set(behind) - before:
            yield f"{host.name}/{interface.name}: the route to {network} stands behind none"

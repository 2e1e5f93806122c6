"""Ways from the Internet that should not be there.

Pure.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from plan.model import Host, Plan
    from plan.model.firewall import CloudRule

# Hetzner's limits of one firewall: rules, addresses in all of them, addresses of one.
_RULES: Final = 50
_ADDRESSES: Final = 500
_SOURCES: Final = 100


def find_exposures(plan: Plan) -> Iterator[str]:
    """Find an open port that the role of its host does not explain."""
    for host in plan.hosts:
        allowed = (80, 443) if host.role == "shield" else ()
        for port in host.firewall.visitor_ports:
            if port not in allowed:
                yield f"{host.name}: port {port} is open to everybody"
        if "nftables.service" not in host.masked_units:
            yield f"{host.name}: its own nftables.service is not masked"
        listening = {interface.listen_port for interface in host.interfaces}
        for port in set(host.firewall.wireguard_ports) - listening:
            yield f"{host.name}: udp {port} is open and no interface listens"
        if host.firewall.roaming and host.role == "origin" and not _has_neighbour_behind_a_name(host):
            yield f"{host.name}: its tunnels' ports are open to everybody"
        if host.role == "origin" and host.firewall.ssh_sources:
            yield f"{host.name}: an origin answers SSH outside the tunnel"
        if host.role == "origin" and host.firewall.internet:
            yield f"{host.name}: others use the Internet through an origin"
        for flow in (*host.firewall.accepts, *host.firewall.forwards):
            if not flow.because or not all(because.startswith("farshore:") for because in flow.because):
                yield f"{host.name}: nobody asked for {flow.name}"
            if any(network.prefixlen == 0 for network in (*flow.sources, *flow.destinations)):
                yield f"{host.name}: {flow.name} is open to everybody"
            if not flow.sources or not flow.destinations:
                yield f"{host.name}: {flow.name} has no ends"
        yield from _cloud(host, allowed)


def _cloud(host: Host, visitor_ports: tuple[int, ...]) -> Iterator[str]:
    """Find what the provider's firewall lets in and nftables does not mean."""
    rules, ports = host.cloud_rules, host.firewall.wireguard_ports
    if not rules:
        yield f"{host.name}: its cloud firewall is empty"
    if len(rules) > _RULES or _count(rules) > _ADDRESSES or any(len(rule.sources) > _SOURCES for rule in rules):
        yield f"{host.name}: its cloud firewall is more than the provider takes"
    room = _Room(host)
    for rule in rules:
        meant = (rule.protocol, rule.port) in {("tcp", port) for port in visitor_ports}
        tunnel = rule.protocol == "udp" and rule.port in ports
        ssh = rule.protocol == "tcp" and rule.port == 22 and bool(host.firewall.ssh_sources)
        may_be_open = meant or (tunnel and room.tunnels_may_be_open) or (ssh and room.ssh_may_be_open)
        if _open_to_all(rule) and not may_be_open:
            yield f"{host.name}: {rule.protocol} {rule.port} is open to everybody in the cloud firewall"
        if not meant and not tunnel and not ssh:
            yield f"{host.name}: {rule.protocol} {rule.port} is open in the cloud firewall alone"
        between = rule.last_port is not None and (rule.port, rule.last_port) != (min(ports), max(ports))
        if between or (rule.last_port is not None and not (tunnel and room.ports_may_be_a_range)):
            yield f"{host.name}: {rule.protocol} {rule.port} to {rule.last_port} are open in the cloud firewall alone"


class _Room:
    """What the provider's limits excuse, counted from what nftables says."""

    def __init__(self, host: Host) -> None:
        wall = host.firewall
        fixed = 2 * len(wall.visitor_ports)
        told = 2 if wall.roaming else len(wall.peers)
        exact = fixed + told * len(wall.wireguard_ports) + len(wall.ssh_sources)
        rules = len(wall.visitor_ports) + ceil(told / _SOURCES) * len(wall.wireguard_ports)
        rules += ceil(len(wall.ssh_sources) / _SOURCES)
        self.ports_may_be_a_range = exact > _ADDRESSES or rules > _RULES
        self.tunnels_may_be_open = wall.roaming or fixed + told + len(wall.ssh_sources) > _ADDRESSES
        self.ssh_may_be_open = fixed + 2 + len(wall.ssh_sources) > _ADDRESSES


def _count(rules: Sequence[CloudRule]) -> int:
    return sum(len(rule.sources) for rule in rules)


def _open_to_all(rule: CloudRule) -> bool:
    return any(getattr(source, "prefixlen", None) == 0 for source in rule.sources)


def _has_neighbour_behind_a_name(host: Host) -> bool:
    return any(
        peer.endpoint is not None and isinstance(peer.endpoint.address, str)
        for interface in host.interfaces
        for peer in interface.peers
    )

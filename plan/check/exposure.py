"""Ways from the Internet that should not be there.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Host, Plan
    from plan.model.firewall import CloudRule


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
    if not host.cloud_rules:
        yield f"{host.name}: its cloud firewall is empty"
    for rule in host.cloud_rules:
        meant = (rule.protocol, rule.port) in {("tcp", port) for port in visitor_ports}
        tunnel = rule.protocol == "udp" and rule.port in host.firewall.wireguard_ports
        crowded = len(host.firewall.peers) > 100  # more than the provider has room for: the plan warns of it
        if _open_to_all(rule) and not meant and not (tunnel and (host.firewall.roaming or crowded)):
            yield f"{host.name}: {rule.protocol} {rule.port} is open to everybody in the cloud firewall"
        if not meant and not tunnel and not (rule.protocol == "tcp" and rule.port == 22 and host.firewall.ssh_sources):
            yield f"{host.name}: {rule.protocol} {rule.port} is open in the cloud firewall alone"


def _open_to_all(rule: CloudRule) -> bool:
    return any(getattr(source, "prefixlen", None) == 0 for source in rule.sources)


def _has_neighbour_behind_a_name(host: Host) -> bool:
    return any(
        peer.endpoint is not None and isinstance(peer.endpoint.address, str)
        for interface in host.interfaces
        for peer in interface.peers
    )

"""Re-derive the safety properties from a finished plan.

Pure, and shares no code with the planner: it reads the plan as a stranger would, who trusts nothing but what is
written there. A finding is a fault of Farshore itself, not of the stack file.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Host, Plan


def check(plan: Plan) -> tuple[str, ...]:
    """Return what is unsafe in a plan, a line each; empty for a sound one."""
    return (
        *_unique(plan),
        *_overlaps(plan),
        *_ends(plan),
        *_shown(plan),
        *_told(plan),
    )


def _unique(plan: Plan) -> Iterator[str]:
    """Find an address, a name or a port that two things have."""
    addresses = Counter(str(address) for host in plan.hosts for address in (host.address, host.address6))
    yield from (f"{address}: {count} hosts have it" for address, count in addresses.items() if count > 1)
    names = Counter((host.account, host.server_name) for host in plan.hosts)
    yield from (
        f"{name} in {account}: {count} servers have it" for (account, name), count in names.items() if count > 1
    )
    for host in plan.hosts:
        for what in ("name", "listen_port"):
            seen = Counter(getattr(interface, what) for interface in host.interfaces)
            yield from (f"{host.name}: {count} interfaces have {what} {v}" for v, count in seen.items() if count > 1)


def _overlaps(plan: Plan) -> Iterator[str]:
    """Find AllowedIPs that overlap on one interface, or are more than one address."""
    for host in plan.hosts:
        for interface in host.interfaces:
            seen: dict[str, str] = {}
            for peer in interface.peers:
                for allowed in peer.allowed_ips:
                    if allowed.num_addresses != 1:
                        yield f"{host.name}/{interface.name}: {peer.name} may send from {allowed}"
                    if str(allowed) in seen:
                        yield f"{host.name}/{interface.name}: {allowed} belongs to {seen[str(allowed)]} and {peer.name}"
                    seen[str(allowed)] = peer.name


def _ends(plan: Plan) -> Iterator[str]:
    """Find a tunnel whose two ends are not in step."""
    ends = {
        (host.name, interface.name, peer.name): (interface, peer)
        for host in plan.hosts
        for interface in host.interfaces
        for peer in interface.peers
    }
    met = set()
    for tunnel in plan.tunnels:
        keys = (
            (tunnel.shield, tunnel.shield_interface, tunnel.origin),
            (tunnel.origin, tunnel.origin_interface, tunnel.shield),
        )
        if any(key not in ends for key in keys):
            yield f"{tunnel.shield}-{tunnel.origin}: an end is missing"
            continue
        met |= set(keys)
        (near, to_far), (far, to_near) = ends[keys[0]], ends[keys[1]]
        for dialler, peer, other in ((tunnel.shield, to_far, far), (tunnel.origin, to_near, near)):
            if {str(net.network_address) for net in peer.allowed_ips} != {str(a.ip) for a in other.addresses}:
                yield f"{dialler}: it does not admit the addresses of {peer.name}"
            if peer.public_key.of != other.private_key.of:
                yield f"{dialler}: it expects another key of {peer.name}"
            if peer.endpoint is not None and peer.endpoint.port != other.listen_port:
                yield f"{dialler}: it dials {peer.name} on a port where nobody listens"
        if to_far.preshared_key != to_near.preshared_key:
            yield f"{tunnel.shield}-{tunnel.origin}: the preshared keys differ"
        if near.mtu_bytes != far.mtu_bytes:
            yield f"{tunnel.shield}-{tunnel.origin}: the MTUs differ"
    yield from (f"{host}/{interface}: peer {peer} belongs to no tunnel" for host, interface, peer in ends.keys() - met)


def _shown(plan: Plan) -> Iterator[str]:
    """Find a way from the Internet that should not be there."""
    for host in plan.hosts:
        allowed = (80, 443) if host.role == "shield" else ()
        for port in host.firewall.visitor_ports:
            if port not in allowed:
                yield f"{host.name}: port {port} is open to everybody"
        if "nftables.service" not in host.masked_units:
            yield f"{host.name}: its own nftables.service is not masked"
        if not host.cloud_rules:
            yield f"{host.name}: its cloud firewall is empty"
        for rule in host.cloud_rules:
            open_to_all = any(not hasattr(source, "kind") and source.prefixlen == 0 for source in rule.sources)
            if open_to_all and (rule.protocol, rule.port) not in {("tcp", port) for port in allowed}:
                yield f"{host.name}: {rule.protocol} {rule.port} is open to everybody in the cloud firewall"
        if host.role == "origin" and host.firewall.ssh_sources:
            yield f"{host.name}: an origin answers SSH outside the tunnel"


def _told(plan: Plan) -> Iterator[str]:
    """Find a host that is told somebody else's secret, or an origin that learns of another."""
    for host in plan.hosts:
        for ref in host.references():
            owner = ref.of.split("/")
            if ref.kind in {"private", "ssh-private"} and owner[0] != host.name:
                yield f"{host.name}: it is told {ref}"
            if ref.kind == "psk" and host.name not in owner[:2]:
                yield f"{host.name}: it is told {ref}"
            if ref.kind in {"ipv4", "ipv6", "public"} and host.role == "origin" and _is_origin(plan, owner[0]):
                yield f"{host.name}: it learns of {owner[0]}"
            if ref.kind in {"ipv4", "ipv6"} and owner[0] not in _neighbours(host):
                yield f"{host.name}: it learns where {owner[0]} is"


def _is_origin(plan: Plan, name: str) -> bool:
    return any(origin.name == name for origin in plan.origins)


def _neighbours(host: Host) -> set[str]:
    return {peer.name for interface in host.interfaces for peer in interface.peers}

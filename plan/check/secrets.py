"""Hosts that are told what is none of their business.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Host, Plan


def find_leaks(plan: Plan) -> Iterator[str]:
    """Find a host that is told somebody else's secret, or learns of a host that it has no tunnel to."""
    devices = {device.name for device in plan.devices}
    origins = {origin.name for origin in plan.origins}
    joined = {frozenset((tunnel.near, tunnel.far)) for tunnel in plan.tunnels}
    for host in plan.hosts:
        neighbours = _neighbours(host)
        for ref in host.references():
            owner = ref.of.split("/")
            if ref.kind in {"private", "ssh-private", "delivery-public"} and owner[0] != host.name:
                yield f"{host.name}: it is told {ref}"
            if ref.kind == "psk" and host.name not in owner[:2] and not (ref.of in devices and ref.of in neighbours):
                yield f"{host.name}: it is told {ref}"
            if ref.kind not in {"ipv4", "ipv6", "public"}:
                continue
            if host.role == "origin" and owner[0] in origins and frozenset((host.name, owner[0])) not in joined:
                yield f"{host.name}: it learns of {owner[0]}"
            if ref.kind != "public" and owner[0] not in neighbours:
                yield f"{host.name}: it learns where {owner[0]} is"


def _neighbours(host: Host) -> set[str]:
    return {peer.name for interface in host.interfaces for peer in interface.peers}

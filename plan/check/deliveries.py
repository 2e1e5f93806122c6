"""Ways of delivery that are wider, or lead elsewhere, than a change of a running host needs.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Host, Plan

_SSH = 22


def find_wide_deliveries(plan: Plan) -> Iterator[str]:
    """Find a host that is reached past its shields, a way that ends nowhere, and a key that opens too much."""
    shields = {shield.name: shield for shield in plan.shields}
    for host in plan.hosts:
        if host.way is None:
            if plan.custody == "host":
                yield f"{host.name}: it is to make its keys, and delivery does not reach it to ask for them"
            continue
        if host.role == "origin":
            if not host.way.shields:
                yield f"{host.name}: delivery reaches an origin from outside"
            if host.way.opens:
                yield f"{host.name}: delivery passes on from an origin"
            for name in host.way.shields:
                yield from _through(host, shields.get(name))
        else:
            if host.way.shields:
                yield f"{host.name}: delivery reaches a shield through another"
            if not any(source.version == _version(host.way.family) for source in host.firewall.ssh_sources):
                yield f"{host.name}: delivery comes from where its SSH does not answer"
            served = {one.address for one in plan.origins if one.way is not None and host.name in one.way.shields}
            for address in set(host.way.opens) - served:
                yield f"{host.name}: delivery may pass on to {address}, which is not reached through it"


def _through(origin: Host, shield: Host | None) -> Iterator[str]:
    """Find what keeps delivery to an origin from passing through one of its shields."""
    if shield is None or shield.way is None or not _joined(origin, shield):
        yield f"{origin.name}: delivery passes through a host that it has no tunnel to"
        return
    if origin.address not in shield.way.opens:
        yield f"{origin.name}: {shield.name} does not let delivery pass to it"
    let_in = [
        flow
        for flow in origin.firewall.accepts
        if flow.ports == (_SSH,) and any(shield.address in source for source in flow.sources)
    ]
    if not let_in:
        yield f"{origin.name}: its SSH does not answer {shield.name}"


def _joined(origin: Host, shield: Host) -> bool:
    return any(peer.name == shield.name for interface in origin.interfaces for peer in interface.peers)


def _version(family: str) -> int:
    return 4 if family == "ipv4" else 6

"""Tunnels whose two ends are not in step.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.addresses import Network
    from plan.model import Plan
    from plan.model.wireguard import Interface, Peer


@dataclass(frozen=True)
class _End:
    """What one host says of its tunnel to another."""

    host: str
    interface: Interface
    peer: Peer
    sizes: dict[Network, int]

    @property
    def mtu_bytes(self) -> int:
        """Return the largest packet that it sends to the peer."""
        told = [self.sizes[allowed] for allowed in self.peer.allowed_ips if allowed in self.sizes]
        return max(told, default=self.interface.mtu_bytes)


def find_loose_ends(plan: Plan) -> Iterator[str]:
    """Find a tunnel that lacks an end, and ends that do not fit each other."""
    ends = {
        (host.name, interface.name, peer.name): _End(host.name, interface, peer, sizes)
        for host in plan.hosts
        for interface in host.interfaces
        for sizes in [{route.destination: route.mtu_bytes or interface.mtu_bytes for route in interface.routes}]
        for peer in interface.peers
    }
    met = set()
    for tunnel in plan.tunnels:
        keys = (
            (tunnel.near, tunnel.near_interface, tunnel.far),
            (tunnel.far, tunnel.far_interface, tunnel.near),
        )
        if any(key not in ends for key in keys):
            yield f"{tunnel.near}-{tunnel.far}: an end is missing"
            continue
        met |= set(keys)
        near, far = ends[keys[0]], ends[keys[1]]
        yield from _fit(near, far)
        yield from _fit(far, near)
        if near.peer.preshared_key != far.peer.preshared_key or near.peer.preshared_key is None:
            yield f"{tunnel.near}-{tunnel.far}: the preshared keys differ"
        if near.mtu_bytes != far.mtu_bytes:
            yield f"{tunnel.near}-{tunnel.far}: the MTUs differ"
        if near.peer.endpoint is None and far.peer.endpoint is None:
            yield f"{tunnel.near}-{tunnel.far}: neither end dials"
    yield from _devices(plan, ends, met)
    yield from (f"{host}/{interface}: peer {peer} belongs to no tunnel" for host, interface, peer in ends.keys() - met)


def _fit(end: _End, other: _End) -> Iterator[str]:
    """Find what one end expects of the other and does not get."""
    own = {address.ip for address in other.interface.addresses}
    if not own <= {net.network_address for net in end.peer.allowed_ips if net.num_addresses == 1}:
        yield f"{end.host}: it does not admit the addresses of {other.host}"
    if end.peer.public_key != other.interface.public_key:
        yield f"{end.host}: it expects another key of {other.host}"
    if end.peer.endpoint is not None and not isinstance(end.peer.endpoint.address, str):
        port, listening = end.peer.endpoint.port, other.interface.listen_port
        # Behind a port forward the port may be another; a host's own address has none.
        if hasattr(end.peer.endpoint.address, "kind") and port != listening:
            yield f"{end.host}: it dials {other.host} on a port where nobody listens"


def _devices(plan: Plan, ends: dict[tuple[str, str, str], _End], met: set[tuple[str, str, str]]) -> Iterator[str]:
    """Find a device that its shield does not expect as it is, and note the ends that belong to devices."""
    shields = {shield.name: shield for shield in plan.shields}
    for device in plan.devices:
        for tunnel in device.tunnels:
            found = [
                (shields[tunnel.shield].name, interface.name, device.name)
                for interface in shields[tunnel.shield].interfaces
                if (tunnel.shield, interface.name, device.name) in ends
            ]
            if not found:
                yield f"{tunnel.shield}-{device.name}: an end is missing"
            for key in found:
                met.add(key)
                end = ends[key]
                if end.peer.public_key != device.public_key:
                    yield f"{tunnel.shield}: it expects another key of {device.name}"
                if not {own.ip for own in tunnel.addresses} <= {n.network_address for n in end.peer.allowed_ips}:
                    yield f"{tunnel.shield}: it does not admit the addresses of {device.name}"
                if tunnel.peer.public_key != end.interface.public_key:
                    yield f"{device.name}: it expects another key of {tunnel.shield}"
                if tunnel.peer.preshared_key != end.peer.preshared_key:
                    yield f"{tunnel.shield}-{device.name}: the preshared keys differ"
                if end.mtu_bytes != tunnel.mtu_bytes:
                    yield f"{tunnel.shield}-{device.name}: the MTUs differ"

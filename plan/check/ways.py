"""Flows that are let in and never arrive, or arrive and never come back.

Pure. Each flow is walked as a packet would go: by routes and AllowedIPs from hop to hop, and back again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.addresses import Address, Network
    from plan.model import Device, Host, Plan
    from plan.model.firewall import Flow
    from plan.model.wireguard import Peer


_Asked: TypeAlias = "tuple[Network, Network, str, tuple[int, ...]]"


@dataclass(frozen=True)
class _Map:
    """Who has which address, and what each sends where."""

    plan: Plan

    @cached_property
    def owners(self) -> dict[Address, str]:
        """Names by single address."""
        found: dict[Address, str] = {}
        for host in self.plan.hosts:
            found |= {host.address: host.name, host.address6: host.name}
        for device in self.plan.devices:
            found |= {own.ip: device.name for tunnel in device.tunnels for own in tunnel.addresses}
        return found

    @cached_property
    def lans(self) -> list[tuple[Network, str]]:
        """Names by network behind them."""
        return [(lan, holder.name) for holder in self.plan.everybody for lan in holder.lans]

    @cached_property
    def hosts(self) -> dict[str, Host]:
        """Hosts by name."""
        return {host.name: host for host in self.plan.hosts}

    @cached_property
    def devices(self) -> dict[str, Device]:
        """Devices by name."""
        return {device.name: device for device in self.plan.devices}

    @cached_property
    def peers(self) -> dict[str, tuple[Peer, ...]]:
        """What each host may send to, in all its tunnels: each generation of one leads to the same hosts."""
        return {
            host.name: tuple(peer for interface in host.interfaces for peer in interface.peers)
            for host in self.plan.hosts
        }

    @cached_property
    def exact(self) -> dict[str, dict[Address, str]]:
        """Next hop by single address, for each host."""
        return {
            name: {
                allowed.network_address: peer.name
                for peer in peers
                for allowed in peer.allowed_ips
                if allowed.prefixlen == allowed.max_prefixlen
            }
            for name, peers in self.peers.items()
        }

    @cached_property
    def admitted(self) -> dict[tuple[str, str], tuple[frozenset[Address], tuple[Network, ...]]]:
        """What a host admits from a peer: single addresses, and networks."""
        return {
            (name, peer.name): (
                frozenset(net.network_address for net in peer.allowed_ips if net.prefixlen == net.max_prefixlen),
                tuple(net for net in peer.allowed_ips if net.prefixlen < net.max_prefixlen),
            )
            for name, peers in self.peers.items()
            for peer in peers
        }

    def owner(self, network: Network) -> str | None:
        """Return who has an address or carries a LAN."""
        if network.prefixlen == network.max_prefixlen and network.network_address in self.owners:
            return self.owners[network.network_address]
        return next((name for lan, name in self.lans if lan == network), None)

    def next_hop(self, at: str, own: Address, to: Address) -> str | None:
        """Return whom a host or device sends a packet to."""
        if at in self.devices:
            for tunnel in self.devices[at].tunnels:
                # A device uses one tunnel at a time: the one whose address the packet carries, or a gateway's only one.
                mine = any(own == address.ip for address in tunnel.addresses) or bool(self.devices[at].lans)
                if mine and any(to.version == n.version and to in n for n in tunnel.peer.allowed_ips):
                    return tunnel.shield
            return None
        if (found := self.exact[at].get(to)) is not None:
            return found
        wide = [
            (network.prefixlen, peer.name)
            for peer in self.peers[at]
            for network in peer.allowed_ips
            if network.prefixlen < network.max_prefixlen and to.version == network.version and to in network
        ]
        return max(wide)[1] if wide else None

    def admits(self, at: str, sender: str, source: Address) -> bool:
        """Tell whether a host takes a packet with this source from a peer."""
        if at in self.devices:
            return any(
                tunnel.shield == sender
                and any(source.version == n.version and source in n for n in tunnel.peer.allowed_ips)
                for tunnel in self.devices[at].tunnels
            )
        singles, wide = self.admitted.get((at, sender), (frozenset(), ()))
        return source in singles or any(source.version == net.version and source in net for net in wide)


def find_broken_ways(plan: Plan) -> Iterator[str]:
    """Find a flow that a host lets in and that can't get there, or whose answer can't get back."""
    world = _Map(plan)
    forwards = {host.name: host.firewall.forwards for host in plan.hosts}
    forwards |= {device.name: device.forwards for device in plan.devices}
    index = {name: _index(flows) for name, flows in forwards.items()}
    for host in plan.hosts:
        for interface in host.interfaces:
            for peer in interface.peers:
                for network in peer.allowed_ips:
                    if world.owner(network) is None:
                        yield f"{host.name}/{interface.name}: {peer.name} may send from {network}"
        for flow in host.firewall.accepts:
            yield from _walk(world, index, flow, host.name)
    for name, flows in forwards.items():
        for flow in flows:
            if any(world.owner(network) == name for network in flow.destinations):
                yield from _walk(world, index, flow, name)


def _index(flows: tuple[Flow, ...]) -> set[_Asked]:
    """Return flows as what a firewall compares."""
    return {
        (source, destination, flow.protocol, flow.ports)
        for flow in flows
        for source in flow.sources
        for destination in flow.destinations
        if source.version == destination.version
    }


def _walk(world: _Map, index: dict[str, set[_Asked]], flow: Flow, end: str) -> Iterator[str]:
    for source in flow.sources:
        for destination in flow.destinations:
            if source.version == destination.version:
                for at, fault in _faults(world, index, flow, source, destination, end=end):
                    yield f"{at}: {flow.name} from {source}: {fault}"


def _faults(
    world: _Map, index: dict[str, set[_Asked]], flow: Flow, source: Network, destination: Network, *, end: str
) -> Iterator[tuple[str, str]]:
    """Find hosts that keep one packet of a flow, or its answer, from arriving."""
    start = world.owner(source)
    if start is None:
        yield end, "nobody has that address"
        return
    if world.owner(destination) != end:
        yield end, f"{destination} is not its own"
        return
    way, why = _way(world, start, end, source.network_address, destination.network_address)
    if why:
        yield end, why
        return
    back, why = _way(world, end, start, destination.network_address, source.network_address)
    if why or back != way[::-1]:
        yield end, f"the answer {why or 'takes another way'}"
    asked = (source, destination, flow.protocol, flow.ports)
    crossed = [*way[1:-1], *([start] if source.prefixlen < source.max_prefixlen else [])]
    yield from ((hop, "it does not forward it") for hop in crossed if asked not in index[hop])


def _way(world: _Map, start: str, end: str, source: Address, destination: Address) -> tuple[tuple[str, ...], str]:
    """Return the hosts that a packet crosses, and why it gets no further; empty when it arrives."""
    way = [start]
    while way[-1] != end:
        at = way[-1]
        following = world.next_hop(at, source, destination)
        if following is None or following in way:
            return tuple(way), f"has no way on from {at}"
        if not world.admits(following, at, source):
            return tuple(way), f"is refused by {following}"
        way.append(following)
    return tuple(way), ""

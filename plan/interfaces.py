"""WireGuard's side of the plan: interfaces, peers, endpoints and routes of every host.

Pure. Numbers that are not the operator's choice stand at the head of this module, each with its source.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from plan.endpoints import own_endpoint
from plan.model.refs import shared_ref
from plan.model.wireguard import Endpoint, Interface, Peer, Route, Tunnel
from plan.passages import single
from plan.ports import (
    mesh_interface,
    mesh_port,
    origin_interface,
    origin_port,
    parity,
    shield_interface,
    shield_port,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plan.addresses import Address, Network
    from plan.passages import Passage
    from plan.stack.hosts import Server
    from plan.topology import Topology

KEEPALIVE_S: Final = 25  # wg(8): shorter than the UDP time-out of common NATs
MTU_BYTES: Final = 1420  # 1500 less WireGuard over IPv6 (80): fits either underlay


class Tunnels:
    """The tunnels of one stack: what both ends are told, decided once.

    Args:
        net: Who is connected to whom.
        passages: All flows: what passes a tunnel is admitted by both its ends.
    """

    def __init__(self, net: Topology, passages: Sequence[Passage]) -> None:
        self.net = net
        self.generations = net.stack.generations
        self._sent: dict[tuple[str, str], dict[Network, None]] = defaultdict(dict)
        for passage in passages:
            self._note(passage)

    def all(self) -> tuple[Tunnel, ...]:
        """Return every tunnel between two hosts, in the order of near, far and generation."""
        slots = {name: shield.slot for name, shield in self.net.shields.items()}
        found = [
            Tunnel(
                near=shield,
                far=origin,
                generation=generation,
                psk=shared_ref("psk", f"{shield}/{origin}/{generation}"),
                near_interface=shield_interface(generation),
                far_interface=origin_interface(slots[shield], generation),
                because=f"farshore:origins.{origin}.shields",
            )
            for shield, origins in self.net.behind.items()
            for origin in origins
            for generation in self.generations
        ]
        for link in self.net.links:
            for generation in self.generations:
                own = mesh_interface(self.net.stack.meshes[link.mesh].slot, generation)
                found.append(
                    Tunnel(
                        near=link.near,
                        far=link.far,
                        generation=generation,
                        psk=shared_ref("psk", f"{link.near}/{link.far}/{generation}"),
                        near_interface=own,
                        far_interface=own,
                        because=f"farshore:meshes.{link.mesh}",
                    )
                )
        return tuple(found)

    def listening(self, name: str) -> tuple[tuple[str, int], ...]:
        """Return the interfaces of a host and the UDP port of each."""
        net = self.net
        own = [
            (shield_interface(generation), shield_port(net.shields[name], generation))
            for generation in self.generations
            if name in net.shields
        ]
        if name in net.origins:
            slots = [net.shields[shield].slot for shield in net.shields_of(name)]
            own += [
                (origin_interface(slot, generation), origin_port(net.origins[name], slot, generation))
                for slot in slots
                for generation in self.generations
            ]
        meshes = [net.stack.meshes[mesh] for mesh in sorted({link.mesh for link in net.links_of(name)})]
        own += [
            (mesh_interface(mesh.slot, generation), mesh_port(mesh, name, generation))
            for mesh in meshes
            for generation in self.generations
        ]
        return tuple(own)

    def of_shield(self, name: str) -> tuple[Interface, ...]:
        """Return the interfaces of a shield."""
        return (
            *(self._shield_interface(name, generation) for generation in self.generations),
            *self._mesh_interfaces(name),
        )

    def of_origin(self, name: str) -> tuple[Interface, ...]:
        """Return the interfaces of an origin: one to each shield, one in each mesh."""
        return (
            *(
                self._origin_interface(name, shield, generation)
                for shield in self.net.shields_of(name)
                for generation in self.generations
            ),
            *self._mesh_interfaces(name),
        )

    def _note(self, passage: Passage) -> None:
        """Note what each end of a way sends to the other beside its own addresses."""
        flow, shield = passage.flow, passage.shield
        if shield is None:
            self._send(passage.source, passage.destination, flow.sources, flow.destinations)
            return
        if passage.source != shield:
            self._send(passage.source, shield, flow.sources if passage.from_lan else (), flow.destinations)
        if passage.destination != shield:
            self._send(shield, passage.destination, flow.sources, flow.destinations if passage.to_lan else ())

    def _send(self, one: str, other: str, there: Iterable[Network], back: Iterable[Network]) -> None:
        """Let `one` send from `there` to `other`, which sends back from `back`."""
        self._sent[one, other].update(dict.fromkeys(there))
        self._sent[other, one].update(dict.fromkeys(back))

    def admitted(self, peer: str, host: str, own: tuple[Address, ...]) -> tuple[Network, ...]:
        """Return what `peer` may send to `host`: from its own addresses, then what passes it, in order."""
        first = single(*own)
        rest = set(self._sent[peer, host]).difference(first)
        return (*first, *sorted(rest, key=lambda net: (net.version, net))) if rest else first

    def _shield_interface(self, name: str, generation: int) -> Interface:
        net, facts = self.net, self.net.shields[name]
        peers: list[tuple[Peer, int]] = []
        for origin in sorted(net.behind[name]):
            said = net.origins[origin]
            peer = Peer(
                name=origin,
                description=said.description,
                public_key=shared_ref("public", f"{origin}/{origin_interface(facts.slot, generation)}"),
                preshared_key=shared_ref("psk", f"{name}/{origin}/{generation}"),
                allowed_ips=self.admitted(origin, name, net.addresses(origin)),
                # Whichever end comes up last begins: a lost first initiation would cost WireGuard's 5 s.
                endpoint=self._endpoint(name, origin, origin_port(said, facts.slot, generation), generation),
                keepalive_s=facts.wireguard.keepalive_s or None,
            )
            peers.append((peer, mtu_of(said)))
        for device in net.dialling[name]:
            if net.generation_of(device) != generation:
                continue
            known = net.devices[device]
            peer = Peer(
                name=device,
                description=known.description,
                public_key=known.public_key,
                preshared_key=shared_ref("psk", device) if device in net.stack.psks else None,
                allowed_ips=self.admitted(device, name, net.device_addresses(device, name)),
                endpoint=None,
                keepalive_s=None,
            )
            peers.append((peer, known.mtu_bytes))
        own, port = shield_interface(generation), shield_port(facts, generation)
        return self._interface(name, own, generation, listen_port=port, mtu_bytes=mtu_of(facts), peers=peers)

    def _origin_interface(self, name: str, shield: str, generation: int) -> Interface:
        net, facts = self.net, self.net.origins[name]
        near = net.shields[shield]
        peer = Peer(
            name=shield,
            description=near.description,
            public_key=shared_ref("public", f"{shield}/{shield_interface(generation)}"),
            preshared_key=shared_ref("psk", f"{shield}/{name}/{generation}"),
            allowed_ips=self.admitted(shield, name, net.addresses(shield)),
            endpoint=self._endpoint(name, shield, shield_port(near, generation), generation),
            keepalive_s=_keepalive_s(facts),
        )
        own, port = origin_interface(near.slot, generation), origin_port(facts, near.slot, generation)
        mtu_bytes = min(mtu_of(facts), mtu_of(near))
        return self._interface(name, own, generation, listen_port=port, mtu_bytes=mtu_bytes, peers=[(peer, mtu_bytes)])

    def _mesh_interfaces(self, name: str) -> tuple[Interface, ...]:
        meshes: dict[str, list[str]] = defaultdict(list)
        for link in self.net.links_of(name):
            meshes[link.mesh].append(link.other(name))
        return tuple(
            self._mesh_interface(name, mesh, sorted(others), generation)
            for mesh, others in sorted(meshes.items())
            for generation in self.generations
        )

    def _mesh_interface(self, name: str, mesh: str, others: Sequence[str], generation: int) -> Interface:
        net, facts = self.net, self.net.server(name)
        own = mesh_interface(net.stack.meshes[mesh].slot, generation)
        peers = []
        for other in others:
            near, far = sorted((name, other))
            peer = Peer(
                name=other,
                description=net.server(other).description,
                public_key=shared_ref("public", f"{other}/{own}"),
                preshared_key=shared_ref("psk", f"{near}/{far}/{generation}"),
                allowed_ips=self.admitted(other, name, net.addresses(other)),
                endpoint=self._endpoint(name, other, mesh_port(net.stack.meshes[mesh], other, generation), generation),
                keepalive_s=_keepalive_s(facts),
            )
            peers.append((peer, mtu_of(net.server(other))))
        port = mesh_port(net.stack.meshes[mesh], name, generation)
        return self._interface(name, own, generation, listen_port=port, mtu_bytes=mtu_of(facts), peers=peers)

    def _interface(
        self,
        host: str,
        own: str,
        generation: int,
        *,
        listen_port: int,
        mtu_bytes: int,
        peers: Sequence[tuple[Peer, int]],
    ) -> Interface:
        """Return an interface of a host and the routes into it; each peer comes with the MTU at its end."""
        addresses = self.net.addresses(host)
        facts = self.net.server(host)
        return Interface(
            name=own,
            generation=generation,
            addresses=self.net.own_addresses(host),
            listen_port=listen_port,
            mtu_bytes=mtu_bytes,
            private_key=shared_ref("private", f"{host}/{own}"),
            endpoint=own_endpoint(host, facts, listen_port, facts.families, step=parity(generation)),
            peers=tuple(peer for peer, _ in peers),
            routes=tuple(
                route
                for peer, theirs in peers
                for route in _routes(peer, addresses, theirs, mtu_bytes, behind=self._is_behind(peer.name, generation))
            ),
        )

    def _is_behind(self, peer: str, generation: int) -> bool:
        """Tell whether another generation's route to a peer goes before: a device has one tunnel to a shield."""
        return peer not in self.net.devices and generation != self.net.stack.active_generation

    def _endpoint(self, dialler: str, dialled: str, port: int, generation: int) -> Endpoint | None:
        """Return where one host dials another; None where nobody can."""
        theirs = self.net.server(dialled)
        shared = tuple(family for family in theirs.families if family in self.net.server(dialler).families)
        return own_endpoint(dialled, theirs, port, shared, step=parity(generation))


def mtu_of(facts: Server) -> int:
    """Return a host's MTU inside its tunnels, in bytes."""
    return facts.wireguard.mtu_bytes or MTU_BYTES


def _keepalive_s(facts: Server) -> int | None:
    """Return a dialling host's keepalive: its own choice, where 0 sends none."""
    said = facts.wireguard.keepalive_s
    return KEEPALIVE_S if said is None else said or None


def _routes(
    peer: Peer, own: tuple[Address, ...], theirs_bytes: int, mtu_bytes: int, *, behind: bool
) -> tuple[Route, ...]:
    """Return the routes to everything that a peer may send from, each with the host's own address.

    Args:
        peer: Whose.
        own: The host's addresses, one for each version.
        theirs_bytes: MTU at the peer's end: where it is the smaller one, the route has it.
        mtu_bytes: Of the interface.
        behind: They are another generation's, which goes before.
    """
    sources = {address.version: address for address in own}
    smaller = theirs_bytes if theirs_bytes < mtu_bytes else None
    return tuple(
        Route(destination=allowed, source=sources[allowed.version], mtu_bytes=smaller, behind=behind)
        for allowed in peer.allowed_ips
    )

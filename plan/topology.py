"""Who is connected to whom, and under which address: what follows from names and slots alone.

Pure. What is switched off or has ended is not there any more; everything else in this room asks here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

from plan.addresses import (
    device_address,
    device_address6,
    origin_address,
    origin_address6,
    shield_address,
    shield_address6,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

    from plan.stack import Mesh, Stack
    from plan.stack.devices import Gateway, Operator
    from plan.stack.hosts import Lan, Origin, Server, Shield


@dataclass(frozen=True)
class MeshLink:
    """Two hosts that have a tunnel of their own in a mesh, in the order of their names."""

    mesh: str
    near: str
    far: str

    def other(self, name: str) -> str:
        """Return the end that is not this one."""
        return self.far if name == self.near else self.near


class Topology:
    """The connections of one stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.shields: dict[str, Shield] = dict(sorted(stack.shields.items(), key=lambda item: item[1].slot))
        self.origins: dict[str, Origin] = dict(sorted(stack.origins.items(), key=lambda item: item[1].slot))
        self.operators: dict[str, Operator] = {
            name: said
            for name, said in sorted(stack.operators.items())
            if said.enabled and (said.until is None or stack.day <= said.until)
        }
        self.gateways: dict[str, Gateway] = {n: said for n, said in sorted(stack.gateways.items()) if said.enabled}

    @cached_property
    def devices(self) -> dict[str, Operator | Gateway]:
        """Operators' devices and gateways, in the order of their names."""
        both: dict[str, Operator | Gateway] = {**self.operators, **self.gateways}
        return dict(sorted(both.items()))

    @cached_property
    def behind(self) -> dict[str, tuple[str, ...]]:
        """Origins behind each shield, in the order of their slots."""
        found: dict[str, list[str]] = {shield: [] for shield in self.shields}
        for origin in self.origins:
            for shield in self.shields_of(origin):
                found[shield].append(origin)
        return {shield: tuple(origins) for shield, origins in found.items()}

    @cached_property
    def dialling(self) -> dict[str, tuple[str, ...]]:
        """Devices that may dial each shield, in the order of their names."""
        return {
            shield: tuple(device for device in self.devices if shield in self.shields_of(device))
            for shield in self.shields
        }

    @cached_property
    def lan_owners(self) -> dict[str, str]:
        """Who carries each LAN: an origin or a gateway."""
        return {lan: owner for owner, lans in self._carriers() for lan in lans}

    @cached_property
    def lans(self) -> dict[str, Lan]:
        """Every LAN by its name."""
        return {name: lan for _, lans in self._carriers() for name, lan in lans.items()}

    @cached_property
    def links(self) -> tuple[MeshLink, ...]:
        """Tunnels of all meshes, in the order of mesh and names."""
        return tuple(
            MeshLink(name, near, far)
            for name, mesh in sorted(self.stack.meshes.items())
            for near, far in mesh_pairs(mesh)
        )

    def shields_of(self, name: str) -> tuple[str, ...]:
        """Return the shields of an origin or a device, in the order of their slots."""
        if name in self.origins:
            wanted = self.origins[name].shields
            return tuple(sorted((shield for shield in wanted if shield in self.shields), key=self._slot))
        device = self.devices[name]
        wanted = device.shields or tuple(self.shields)
        ordered = sorted((shield for shield in wanted if shield in self.shields), key=self._slot)
        # A gateway's LANs have one way in: whoever sends there has to know which shield it hangs on.
        return tuple(ordered[:1] if name in self.gateways else ordered)

    def addresses(self, name: str) -> tuple[IPv4Address, IPv6Address]:
        """Return the tunnel addresses of a shield or an origin."""
        return self._addresses[name]

    def own_addresses(self, name: str) -> tuple[IPv4Interface, IPv6Interface]:
        """Return the same as an interface has them: each alone in its network."""
        return self._own_addresses[name]

    def device_addresses(self, name: str, shield: str) -> tuple[IPv4Address, IPv6Address]:
        """Return the tunnel addresses of a device at one shield."""
        at, slot = self.shields[shield].slot, self.devices[name].slot
        return device_address(self.stack.network, at, slot), device_address6(self.stack.network6, at, slot)

    def generation_of(self, device: str) -> int:
        """Return the generation whose keys a device knows its shields by: the older one, unless it says otherwise."""
        return self.devices[device].generation or self.stack.generations[0]

    def server(self, name: str) -> Server:
        """Return what the stack file says of a shield or an origin."""
        return self.shields[name] if name in self.shields else self.origins[name]

    def links_of(self, name: str) -> tuple[MeshLink, ...]:
        """Return the tunnels that a host has in meshes, in the order of mesh and names."""
        return self._by_host.get(name, ())

    def link(self, one: str, other: str) -> MeshLink | None:
        """Return the tunnel that two hosts have in a mesh, if they have one."""
        return self._by_pair.get(frozenset((one, other)))

    def common_shields(self, one: str, other: str) -> tuple[str, ...]:
        """Return the shields that both an origin or device and another one have, in the order of their slots."""
        theirs = set(self.shields_of(other))
        return tuple(shield for shield in self.shields_of(one) if shield in theirs)

    @cached_property
    def _addresses(self) -> dict[str, tuple[IPv4Address, IPv6Address]]:
        net, net6 = self.stack.network, self.stack.network6
        return {
            name: (origin_address(net, origin.slot), origin_address6(net6, origin.slot))
            for name, origin in self.origins.items()
        } | {
            name: (shield_address(net, shield.slot), shield_address6(net6, shield.slot))
            for name, shield in self.shields.items()
        }

    @cached_property
    def _own_addresses(self) -> dict[str, tuple[IPv4Interface, IPv6Interface]]:
        return {
            name: (IPv4Interface(int(address)), IPv6Interface(int(address6)))
            for name, (address, address6) in self._addresses.items()
        }

    @cached_property
    def _by_pair(self) -> dict[frozenset[str], MeshLink]:
        return {frozenset((link.near, link.far)): link for link in self.links}

    @cached_property
    def _by_host(self) -> dict[str, tuple[MeshLink, ...]]:
        found: dict[str, list[MeshLink]] = {}
        for link in self.links:
            for name in (link.near, link.far):
                found.setdefault(name, []).append(link)
        return {name: tuple(links) for name, links in found.items()}

    def _slot(self, shield: str) -> int:
        return self.shields[shield].slot

    def _carriers(self) -> Iterator[tuple[str, dict[str, Lan]]]:
        yield from ((name, origin.lans) for name, origin in self.origins.items() if origin.lans)
        yield from ((name, gateway.lans) for name, gateway in self.gateways.items())


def mesh_pairs(mesh: Mesh) -> tuple[tuple[str, str], ...]:
    """Return the pairs of a mesh that have a tunnel, each in the order of its names, once."""
    names = sorted(mesh.hosts)
    if mesh.links is None:
        return tuple((near, far) for at, near in enumerate(names) for far in names[at + 1 :])
    return tuple(sorted({(min(pair), max(pair)) for pair in mesh.links}))

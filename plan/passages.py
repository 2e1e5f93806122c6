"""Every flow that the stack file asks for, with the way that it takes: which hosts it enters, crosses and leaves.

Pure. There is no flow without a name in the stack file: what nobody asked for is dropped everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

from plan.model.firewall import Flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.addresses import Address, Network
    from plan.model.firewall import Protocol
    from plan.topology import Topology

SSH_PORT: Final = 22
SSH: Final = "ssh"  # what `reach` calls it, beside the names of services
SHIELDS: Final = "shields"


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One flow on one way.

    Args:
        flow: With the addresses that it has on this way.
        source: Whose packets they are: a host or a device, itself or for a LAN behind it.
        destination: Who gets them, itself or for a LAN behind it.
        shield: Crossed on the way, or itself an end; None in a mesh.
        mesh: Whose tunnel is used; None through a shield.
        from_lan: The source is a LAN: its carrier forwards.
        to_lan: The destination is a LAN: its carrier forwards.
    """

    flow: Flow
    source: str
    destination: str
    shield: str | None
    mesh: str | None = None
    from_lan: bool = False
    to_lan: bool = False


@dataclass(frozen=True, kw_only=True)
class _Target:
    """Where a flow goes: a port of a host, or a LAN."""

    name: str
    owner: str
    protocol: Protocol
    ports: tuple[int, ...]
    lan: bool = False


def find_passages(net: Topology) -> tuple[Passage, ...]:
    """Return all flows of a stack, in the order of their names."""
    found = [*_services(net), *_deliveries(net), *_lans(net), *_reaches(net)]
    return tuple(sorted(found, key=lambda p: (p.flow.name, p.source, p.shield or "", p.mesh or "")))


@lru_cache(maxsize=1 << 16)  # a thousand origins ask for their addresses a dozen times, and share the answer
def single(*addresses: Address) -> tuple[Network, ...]:
    """Return addresses as networks of one address each."""
    return tuple(IPv4Network(int(one)) if one.version == 4 else IPv6Network(int(one)) for one in addresses)


def _services(net: Topology) -> Iterator[Passage]:
    for origin, facts in net.origins.items():
        for service, said in sorted(facts.services.items()):
            target = _service(net, origin, service)
            because = f"origins.{origin}.services.{service}.from"
            for source in said.sources:
                if source == SHIELDS:
                    yield from _from_shields(net, target, because)
                else:
                    yield from _from_name(net, source, target, because)


def _deliveries(net: Topology) -> Iterator[Passage]:
    for origin, facts in net.origins.items():
        if facts.ssh == "tunnel":
            yield from _from_shields(net, _ssh(origin), f"origins.{origin}.ssh")


def _lans(net: Topology) -> Iterator[Passage]:
    for name, lan in sorted(net.lans.items()):
        owner = net.lan_owners[name]
        kind = "origins" if owner in net.origins else "gateways"
        for source in lan.sources:
            yield from _from_name(net, source, _lan(net, name), f"{kind}.{owner}.lans.{name}.from")


def _reaches(net: Topology) -> Iterator[Passage]:
    for operator, said in net.operators.items():
        for wanted in said.reach:
            for target in targets_of(net, wanted):
                yield from _from_device(net, operator, target, f"operators.{operator}.reach")


def targets_of(net: Topology, wanted: str) -> tuple[_Target, ...]:
    """Return what an entry of `reach` stands for; nothing where it names what is not there."""
    host, _, part = wanted.partition("/")
    if part == SSH and (host in net.origins or host in net.shields):
        return (_ssh(host),)
    if host in net.origins:
        services = net.origins[host].services
        return tuple(_service(net, host, name) for name in sorted(services) if part in {"", name})
    if host in net.lans and not part:
        return (_lan(net, host),)
    return ()


def _service(net: Topology, origin: str, service: str) -> _Target:
    said = net.origins[origin].services[service]
    return _Target(name=f"{origin}/{service}", owner=origin, protocol=said.protocol, ports=(said.port,))


def _ssh(host: str) -> _Target:
    return _Target(name=f"{host}/{SSH}", owner=host, protocol="tcp", ports=(SSH_PORT,))


def _lan(net: Topology, name: str) -> _Target:
    ports = tuple(sorted(set(net.lans[name].ports)))
    return _Target(name=name, owner=net.lan_owners[name], protocol="any", ports=ports, lan=True)


def _from_shields(net: Topology, target: _Target, because: str) -> Iterator[Passage]:
    for shield in net.shields_of(target.owner):
        sources = single(*net.addresses(shield))
        yield _passage(net, target, sources, source=shield, shield=shield, because=because)


def _from_name(net: Topology, source: str, target: _Target, because: str) -> Iterator[Passage]:
    """Yield the one way from an origin, or from a LAN, by a tunnel of their own or through their first shield."""
    if source not in net.origins and source not in net.lans:
        return  # a LAN whose gateway is switched off
    owner = net.lan_owners.get(source, source)
    lan = source in net.lans
    link = net.link(owner, target.owner)
    shared = () if link else net.common_shields(owner, target.owner)
    if owner == target.owner or not (link or shared):
        return  # judged by `plan.rules.reach`: a sound stack file has a way
    sources = (net.lans[source].network,) if lan else single(*net.addresses(owner))
    yield _passage(
        net,
        target,
        sources,
        source=owner,
        shield=None if link else shared[0],
        mesh=link.mesh if link else None,
        from_lan=lan,
        because=because,
    )


def _from_device(net: Topology, device: str, target: _Target, because: str) -> Iterator[Passage]:
    """Yield a way through each shield that both have: a person may dial any of them."""
    if target.owner in net.shields:
        shared = tuple(shield for shield in net.shields_of(device) if shield == target.owner)
    else:
        shared = net.common_shields(device, target.owner)
    for shield in shared:
        sources = single(*net.device_addresses(device, shield))
        yield _passage(net, target, sources, source=device, shield=shield, because=because)


def _passage(
    net: Topology,
    target: _Target,
    sources: tuple[Network, ...],
    *,
    source: str,
    shield: str | None,
    because: str,
    mesh: str | None = None,
    from_lan: bool = False,
) -> Passage:
    where = (net.lans[target.name].network,) if target.lan else single(*net.addresses(target.owner))
    flow = Flow(
        name=target.name,
        protocol=target.protocol,
        ports=target.ports,
        sources=_spoken_by(where, sources),
        destinations=_spoken_by(sources, where),
        because=(f"farshore:{because}",),
    )
    return Passage(
        flow=flow,
        source=source,
        destination=target.owner,
        shield=shield,
        mesh=mesh,
        from_lan=from_lan,
        to_lan=target.lan,
    )


def _spoken_by(theirs: tuple[Network, ...], ours: tuple[Network, ...]) -> tuple[Network, ...]:
    """Return those of our networks whose version the others have too."""
    versions = {network.version for network in theirs}
    strange = any(network.version not in versions for network in ours)
    return tuple(network for network in ours if network.version in versions) if strange else ours

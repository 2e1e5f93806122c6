"""Whatever is asked for has a way: tunnels have an address family and a dialler, flows a common shield or a mesh.

Pure. Judged of what is sound: an entry with faults of its own takes no part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from plan.addresses import unique_local_prefix
from plan.faults import Fault
from plan.interfaces import Tunnels
from plan.passages import SHIELDS, SSH, SSH_PORT, targets_of
from plan.resolvers import is_inside, resolvers_at
from plan.stack import Stack
from plan.stack.hosts import Endpoint
from plan.topology import Topology, mesh_pairs
from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from plan.rules.draft import Draft
    from plan.stack.devices import Operator
    from plan.stack.hosts import Origin, Server, Shield

M = TypeVar("M", bound=BaseModel)


def judge_reach(draft: Draft) -> Iterator[Fault]:
    """Yield a fault for each tunnel that can't come up and each flow that has no way."""
    net = Topology(_sound_stack(draft))
    yield from _tunnels(net)
    yield from _meshes(net)
    yield from _gateways(draft)
    yield from _flows(net)
    yield from _operators(net)
    yield from _listening(net)


def _tunnels(net: Topology) -> Iterator[Fault]:
    for origin in net.origins:
        for shield in net.shields_of(origin):
            where = f"farshore:origins.{origin}"
            keys = (f"{where}.wireguard.endpoint", f"{where}.families")
            yield from _pair(keys, origin, net.origins[origin], shield, net.shields[shield])
    for device in net.devices:
        for shield in net.shields_of(device):
            if net.shields[shield].wireguard.endpoint == "none":
                yield Fault(
                    f"farshore:shields.{shield}.wireguard.endpoint",
                    f"'none', though {device} dials it",
                    "an endpoint",
                    f"leave it out, or name other shields for {device}",
                )


def _pair(keys: tuple[str, str], one: str, facts: Server, other: str, theirs: Server) -> Iterator[Fault]:
    """Judge one tunnel: one end at least can be dialled, and both have a family in common; `keys` say which of each."""
    at_endpoint, at_families = keys
    own = [side.wireguard.endpoint for side in (facts, theirs)]
    if own == ["none", "none"]:
        yield Fault(at_endpoint, f"'none' of {one}, as that of {other}", "one end that can be dialled", "name one")
    dialled_at_their_own = [endpoint for endpoint in own if not isinstance(endpoint, Endpoint) and endpoint != "none"]
    if dialled_at_their_own and not set(facts.families) & set(theirs.families):
        yield Fault(
            at_families,
            f"{', '.join(facts.families)} of {one}, and {other} has {', '.join(theirs.families)}",
            "one that both ends of a tunnel have",
            f"add one to {one} or {other}",
        )


def _meshes(net: Topology) -> Iterator[Fault]:
    linked: dict[tuple[str, str], str] = {}
    for name, mesh in sorted(net.stack.meshes.items()):
        where = f"farshore:meshes.{name}"
        for near, far in mesh_pairs(mesh):
            both = [net.shields.get(host) or net.origins.get(host) for host in (near, far)]
            if both[0] is None or both[1] is None:
                continue
            if near in net.behind.get(far, ()) or far in net.behind.get(near, ()):
                yield Fault(
                    f"{where}.hosts",
                    f"{near} and {far}, which have a tunnel already",
                    "hosts that have none",
                    "name pairs in links, without this one",
                )
            if (near, far) in linked:
                yield Fault(
                    f"{where}.hosts",
                    f"{near} and {far}, which mesh {linked[near, far]!r} joins",
                    "a pair of its own",
                    "name pairs in links, without this one",
                )
            linked.setdefault((near, far), name)
            yield from _pair((f"{where}.hosts", f"{where}.hosts"), near, both[0], far, both[1])


def _gateways(draft: Draft) -> Iterator[Fault]:
    for name, gateway in draft.gateways.items():
        if len(gateway.shields or ()) > 1:
            yield Fault(
                f"farshore:gateways.{name}.shields",
                ", ".join(gateway.shields),
                "one shield",
                "whoever sends to its LANs has to know which: name one",
            )
        elif gateway.shields == () and len(draft.declared.get("shields", ())) > 1:
            yield Fault(
                f"farshore:gateways.{name}.shields",
                "nothing, with several shields",
                "one shield",
                "name it: another one that comes later would move its address",
            )


def _flows(net: Topology) -> Iterator[Fault]:
    for origin, facts in net.origins.items():
        for service, said in facts.services.items():
            for source in said.sources:
                yield from _way(net, f"origins.{origin}.services.{service}.from", source, origin)
    for name, lan in net.lans.items():
        owner = net.lan_owners[name]
        kind = "origins" if owner in net.origins else "gateways"
        for source in lan.sources:
            yield from _way(net, f"{kind}.{owner}.lans.{name}.from", source, owner)


def _way(net: Topology, where: str, source: str, owner: str) -> Iterator[Fault]:
    """Judge one `from`: a tunnel of their own, or a shield that both have."""
    if source == SHIELDS or (source not in net.origins and source not in net.lans):
        return
    carrier = net.lan_owners.get(source, source)
    if carrier == owner:
        yield Fault(f"farshore:{where}", repr(source), f"somebody else's than {owner}'s own", "remove it")
    elif not net.link(carrier, owner) and not net.common_shields(carrier, owner):
        yield Fault(
            f"farshore:{where}",
            f"{source!r}, which shares no shield with {owner}",
            "a host behind one shield with it, or in a mesh with it",
            f"put {carrier} and {owner} behind one shield, or into farshore:meshes",
        )


def _operators(net: Topology) -> Iterator[Fault]:
    for name, operator in net.operators.items():
        for wanted in operator.reach:
            for target in targets_of(net, wanted):
                yield from _reach(net, f"farshore:operators.{name}.reach", name, wanted, target.owner)
        yield from _resolvers(net, name, operator)


def _resolvers(net: Topology, name: str, operator: Operator) -> Iterator[Fault]:
    """Judge the resolvers of one operator: each can be asked somewhere, and by a full tunnel some at every shield."""
    where = f"farshore:operators.{name}.dns"
    if operator.tunnel == "full" and not operator.dns:
        yield Fault(
            where,
            "nothing, with a full tunnel",
            "the resolvers to ask through it",
            "name some: the device's own would be asked in clear, or not at all",
        )
    answering = {shield: resolvers_at(net, name, shield) for shield in net.shields_of(name)}
    if not answering:
        return  # its shields are named wrongly, which is another fault
    dead = [address for address in operator.dns if not any(address in found for found in answering.values())]
    for address in dead:
        if is_inside(net, address):
            yield Fault(
                where,
                f"{address}, which is inside and which {name} may not ask",
                "a resolver that it can reach",
                "add its service on port 53, or its LAN, to reach",
            )
        else:
            yield Fault(
                where,
                f"{address}, a private address to which no full tunnel leads",
                "a resolver on the Internet or one of ours",
                "name another",
            )
    for shield, found in answering.items():
        if operator.tunnel == "full" and len(dead) < len(operator.dns) and not found:
            yield Fault(
                where,
                f"none that {name} can ask at {shield}, with a full tunnel",
                "one at each shield that it dials",
                f"add one, or name its shields without {shield}",
            )


def _reach(net: Topology, where: str, operator: str, wanted: str, owner: str) -> Iterator[Fault]:
    dialled = net.shields_of(operator)
    if not dialled:
        return  # its shields are named wrongly, which is another fault
    way = owner in dialled if owner in net.shields else bool(net.common_shields(operator, owner))
    if not way:
        yield Fault(
            where,
            f"{wanted!r}, which is behind none of the shields that {operator} dials",
            f"what is behind {', '.join(dialled)}",
            f"add a shield of {owner} to farshore:operators.{operator}.shields",
        )
    if wanted.endswith(f"/{SSH}"):
        facts: Shield | Origin = net.shields[owner] if owner in net.shields else net.origins[owner]
        if facts.ssh == "off":
            yield Fault(where, f"{wanted!r}, whose ssh is off", "a host that answers SSH", f"let {owner} answer it")


def _listening(net: Topology) -> Iterator[Fault]:
    """Find two interfaces of one host that would listen on one port."""
    tunnels = Tunnels(net, ())
    for kind, names in (("shields", tuple(net.shields)), ("origins", tuple(net.origins))):
        for name in names:
            used: dict[int, str] = {}
            said: set[str] = set()
            for interface, port in tunnels.listening(name):
                where = _port_key(net, kind, name, interface)
                if port in used and where not in said:
                    said.add(where)  # once for both sets of keys
                    yield Fault(
                        where,
                        f"{port}, on which {used[port]} and {interface} of {name} would listen",
                        "two free ports in a row, one for each of two sets of keys",
                        "choose others, here or where the other one is",
                    )
                used.setdefault(port, interface)
            services = net.origins[name].services if kind == "origins" else {}
            for service, offered in services.items():
                if offered.protocol == "udp" and offered.port in used:
                    yield Fault(
                        f"farshore:origins.{name}.services.{service}.port",
                        f"{offered.port}, on which {used[offered.port]} listens",
                        "a port of its own",
                        "choose a free one",
                    )
                if (offered.protocol, offered.port) == ("tcp", SSH_PORT):
                    yield Fault(
                        f"farshore:origins.{name}.services.{service}.port",
                        f"{SSH_PORT}, which is SSH's own",
                        "a port of its own",
                        f"choose a free one, or let operators reach {name}/{SSH}",
                    )


def _port_key(net: Topology, kind: str, host: str, interface: str) -> str:
    """Return the key of the stack file that has, or would have, the port of an interface."""
    for name, mesh in net.stack.meshes.items():
        if interface.startswith(f"fm{mesh.slot}g") and host in mesh.hosts:
            return f"farshore:meshes.{name}.hosts.{host}.port"
    return f"farshore:{kind}.{host}.wireguard.port"


def _sound_stack(draft: Draft) -> Stack:
    """Return a stack of those entries that have all their values."""
    shields = _sound(draft.shields)
    origins = _others(_sound(draft.origins), shields)
    operators = _others(_sound(draft.operators), shields, origins)
    gateways = _others(_sound(draft.gateways), shields, origins, operators)
    return Stack.model_construct(
        project=draft.project,
        stack=draft.stack,
        day=draft.day,
        network=draft.network,
        network6=unique_local_prefix(draft.project, draft.stack),
        accounts={},
        shields=shields,
        origins=origins,
        operators=operators,
        gateways=gateways,
        meshes={
            name: mesh
            for name, mesh in _sound(draft.meshes).items()
            if all(a in mesh.hosts and b in mesh.hosts for a, b in mesh.links or ())
            and all(host in shields or host in origins for host in mesh.hosts)
        },
        domains={},
        generations=(FIRST_GENERATION, FIRST_GENERATION + 1),  # whatever stands, its ports have to suit both
        psks=draft.psks,
    )


def _others(entries: Mapping[str, M], *taken: Mapping[str, object]) -> dict[str, M]:
    """Return the entries whose names nobody else has; `judge_names` tells of the rest."""
    return {name: entry for name, entry in entries.items() if not any(name in others for others in taken)}


def _sound(entries: Mapping[str, M]) -> dict[str, M]:
    """Return the entries that lack nothing that they must have."""
    return {
        name: entry
        for name, entry in entries.items()
        if not any(
            getattr(entry, key) is None and (field.is_required() or field.default is not None or field.default_factory)
            for key, field in type(entry).model_fields.items()
        )
    }

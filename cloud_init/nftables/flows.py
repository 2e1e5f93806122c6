"""Flows as look-ups: source, destination, protocol and port in one concatenated set for each shape.

Pure. Elements of one shape have the same lengths of prefixes and the same fields, so they are equal or disjoint: the
kernel takes no overlapping ones, and never has to. A deployment has a handful of shapes (host to host, LAN to host,
with ports or without), however many peers it has; shapes of single addresses are hash tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cloud_init.nftables.words import FAMILIES, chain, comment, listed
from plan.addresses import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plan.addresses import Network
    from plan.model.firewall import Flow


@dataclass(frozen=True, order=True)
class Shape:
    """What the elements of one set have in common.

    Args:
        version: 4 or 6.
        source_length: Of the prefixes; 0 is not looked at.
        destination_length: The same.
        protocol: It is looked at.
        port: It is looked at.
    """

    version: int
    source_length: int
    destination_length: int
    protocol: bool
    port: bool


class End(NamedTuple):
    """A network as plain numbers, which sort by themselves, and its text."""

    version: int
    number: int
    length: int
    text: str


class Element(NamedTuple):
    """One thing that may be said; empty text and 0 stand for anything."""

    source: End
    destination: End
    protocol: str
    port: int


Elements = dict[Element, list[str]]  # with the names of the flows that it belongs to


def shape_of(element: Element) -> Shape:
    """Return the shape of an element."""
    return Shape(
        version=element.source.version,
        source_length=element.source.length,
        destination_length=element.destination.length,
        protocol=bool(element.protocol),
        port=bool(element.port),
    )


def elements_of(flows: Iterable[Flow]) -> Elements:
    """Return every element of flows, once, with the names that ask for it."""
    found: Elements = {}
    for flow in flows:
        destinations = [_end(network) for network in flow.destinations]
        for source in map(_end, flow.sources):
            for destination in destinations:
                if source.version == destination.version:
                    for protocol, port in _spoken(flow):
                        names = found.setdefault(Element(source, destination, protocol, port), [])
                        if flow.name not in names:
                            names.append(flow.name)
    return found


def render_flows(elements: Elements, verdict: str, *, original: bool = False) -> list[str]:
    """Return one rule for each shape.

    Args:
        elements: What is admitted.
        verdict: What is done with it.
        original: Look at the destination that the packet had before it was translated. Ports can't be looked at then:
            nft(8) has no concatenation with them.
    """
    shapes: dict[Shape, list[Element]] = {}
    for element in sorted(elements):
        shapes.setdefault(shape_of(element), []).append(element)
    rules = []
    for shape in sorted(shapes):
        fields = _fields(shape, original=original)
        members = [f"{_values(element, shape)} comment {_names(elements[element])}" for element in shapes[shape]]
        match = f"{' . '.join(fields)} {listed(members)}" if fields else ""
        family = "" if shape.source_length or shape.destination_length else f"meta nfproto ipv{shape.version}"
        rules.append(" ".join(part for part in (family, match, verdict) if part))
    return rules


def render_published(elements: Elements, verdict: str) -> tuple[list[str], list[str]]:
    """Return rules for what was translated on its way in, by the address and port that it was sent to, and chains.

    One chain for each port, found by a verdict map.
    """
    by_port: dict[int, Elements] = {}
    for element, names in elements.items():
        by_port.setdefault(element.port, {})[element._replace(port=0)] = names
    rules = render_flows(by_port.pop(0, {}), verdict, original=True)
    chains = []
    for port in sorted(by_port):
        chains += chain(f"published_{port}", *render_flows(by_port[port], verdict, original=True))
    if by_port:
        jumps = listed([f"{port} : jump published_{port}" for port in sorted(by_port)])
        rules.append(f"meta l4proto {{ tcp, udp }} ct original proto-dst vmap {jumps}")
    return rules, chains


def _spoken(flow: Flow) -> Iterator[tuple[str, int]]:
    """Yield protocols and ports: any protocol with ports is the two that have some."""
    protocols = ("tcp", "udp") if flow.protocol == "any" and flow.ports else (flow.protocol,)
    for protocol in protocols:
        for port in flow.ports or (0,):
            yield "" if protocol == "any" else protocol, port


def _fields(shape: Shape, *, original: bool) -> list[str]:
    family = FAMILIES[shape.version]
    fields = (f"{family} saddr", f"{'ct original ' if original else ''}{family} daddr", "meta l4proto", "th dport")
    return [field for field, looked_at in zip(fields, _looked_at(shape), strict=True) if looked_at]


def _values(element: Element, shape: Shape) -> str:
    values = (element.source.text, element.destination.text, element.protocol, str(element.port))
    return " . ".join(value for value, looked_at in zip(values, _looked_at(shape), strict=True) if looked_at)


def _looked_at(shape: Shape) -> tuple[bool, bool, bool, bool]:
    return shape.source_length > 0, shape.destination_length > 0, shape.protocol, shape.port


def _names(names: list[str]) -> str:
    return comment(", ".join(sorted(names)))


def _end(network: Network) -> End:
    return End(network.version, int(network.network_address), network.prefixlen, as_text(network))

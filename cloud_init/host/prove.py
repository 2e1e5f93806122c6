"""Proof that a host does its work: each tunnel with a packet of full size, domains, units, the firewall's table."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from cloud_init.host.commands import Deadline, ask
from cloud_init.host.domains import Domain, ask_domain, domains_of
from cloud_init.host.durable import read_json, read_text
from cloud_init.host.echo import echoes
from cloud_init.host.interface import Interface, Peer, interfaces_of
from cloud_init.host.journal import paths_of, read_disk, read_record
from cloud_init.host.live import LiveInterface, read_interfaces, read_units
from cloud_init.host.places import DATA_REFUSED, MARKER, NAMED_ENDPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloud_init.host.document import Told
    from cloud_init.host.live import Live

PROVE_WITHIN_S = 60.0
# A tunnel with keepalives shakes hands every two minutes.
FRESH_S = 200
_UNITS_WITHIN_S = 15.0
_DOMAINS_WITHIN_S = 10.0  # for all that fail; an origin's health is looked at every two seconds
_COMING = {"activating", "reloading"}
_SMALL_BYTES = 84


@dataclass(frozen=True)
class Way:
    """A peer's own address, by an interface; as text, what people read of it."""

    interface: Interface
    peer: Peer
    address: str

    def __str__(self) -> str:
        return f"{self.interface.name} to {self.peer.name}, {self.address}"


def prove() -> int:
    """Prove what can be proven, a line each; the exit code is 1 where something fails."""
    deadline = Deadline(PROVE_WITHIN_S)
    record = read_json(MARKER) or read_record()
    files = read_disk(paths_of(record))
    failed = 0
    for what, fault in (
        *_prove_tunnels(files, deadline),
        *_prove_units(record.get("units", []), deadline),
        *_prove_table(deadline),
        *([("data volume", refused)] if (refused := said_of_data()) else []),
        *prove_domains(domains_of(files), deadline),
    ):
        print(f"{'FAILS' if fault else 'ok   '} {what}" + (f": {fault}" if fault else ""))
        failed += bool(fault)
    return 1 if failed else 0


def is_expected(peer: Peer, named: str) -> bool:
    """Tell whether a peer has to be there: a host shares a key with us or is dialled; a device comes and goes."""
    return bool(peer.psk_path or peer.endpoint or f" {peer.public_key} " in named)


def inner_addresses(peer: Peer) -> list[str]:
    """Return a peer's own tunnel addresses: the first of each family that is a single one."""
    single = [one for one in peer.allowed_ips if "/" not in one]
    return [*[one for one in single if ":" not in one][:1], *[one for one in single if ":" in one][:1]]


def prove_domains(domains: list[Domain], deadline: Deadline) -> Iterator[tuple[str, str]]:
    """Yield domains with why they have no answer; an edge that was just reloaded gets some seconds for its first."""
    until = Deadline(min(_DOMAINS_WITHIN_S, deadline.left_s(_DOMAINS_WITHIN_S)))
    for domain in domains:
        fault = ask_domain(domain, deadline)
        while fault and until.left_s(1.0) > 0:
            time.sleep(until.left_s(0.2))
            fault = ask_domain(domain, deadline)
        yield f"domain {domain.name}", fault


def ways_of(interfaces: Iterable[Interface], named: str | None) -> list[Way]:
    """Return the ways to all hosts that have to be there; to all peers where `named` is None."""
    return [
        Way(interface, peer, address)
        for interface in interfaces
        for peer in interface.peers
        if named is None or is_expected(peer, named)
        for address in inner_addresses(peer)
    ]


def prove_ways(ways: list[Way], deadline: Deadline, each_s: float = 12.0) -> list[tuple[Way, str]]:
    """Return ways with why no packet of full size comes back, empty where one does.

    Up to 32 are asked side by side: hosts are far away, and one that is off would use up the time of the others.
    """
    left, faults = list(enumerate(ways)), ["not asked in time"] * len(ways)

    def work() -> None:
        with contextlib.suppress(IndexError):  # nothing is left
            while deadline.left_s(1.0):
                number, way = left.pop(0)
                faults[number] = _ping(way, Deadline(deadline.left_s(each_s)))

    workers = [Thread(target=work) for _ in ways[:32]]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return list(zip(ways, faults, strict=True))


def _prove_tunnels(files: dict[str, tuple[int, str]], deadline: Deadline) -> Iterator[tuple[str, str]]:
    ways = ways_of(interfaces_of(files).values(), files.get(NAMED_ENDPOINTS, (0, ""))[1])
    for way, fault in prove_ways(ways, deadline):
        yield f"tunnel {way}", fault
    live = read_interfaces(deadline)
    for name, peer in dict.fromkeys((way.interface.name, way.peer) for way in ways):
        runs = live[name].peers.get(peer.public_key) if name in live else None
        yield f"handshake {name} with {peer.name}", "" if runs and runs.handshake_s else "none yet"


def _ping(way: Way, until: Deadline) -> str:
    """Return why no packet of full size is answered, in one piece; a first handshake may be repeated after 5 s."""
    name, address, size_bytes = way.interface.name, way.address, way.interface.mtu_bytes
    for place, (_, mtu_bytes) in way.interface.routes.items():
        if place.split(" ")[0] == address and mtu_bytes:
            size_bytes = mtu_bytes
    while until.left_s(1.0) > 0:
        if echoes(name, address, size_bytes, 1.0):
            return ""
        time.sleep(until.left_s(0.2))
    small = echoes(name, address, _SMALL_BYTES, 1.0)
    return f"packets of {size_bytes} bytes are lost, small ones are not" if small else "no answer"


def unproven(told: Told, live: Live, deadline: Deadline) -> list[str]:
    """Return why traffic may not move between interfaces that run: the one that it moves to does not carry it.

    Whoever was not there before, on the interface that it moves from, keeps nothing from moving.
    """
    moving = []
    for interface in interfaces_of(told.files).values():
        if interface.name in live.interfaces:
            places = moved(interface, live.interfaces, time.time())
            moving += [way for way in ways_of([interface], None) if (way.peer.public_key, way.address) in places]
    return [f"tunnel {way}: {fault}; traffic stays where it is" for way, fault in prove_ways(moving, deadline) if fault]


def moved(new: Interface, live: dict[str, LiveInterface], now_s: float) -> set[tuple[str, str]]:
    """Return the peers and addresses whose packets move to an interface that has them already, from one that carries.

    Args:
        new: As it is to be.
        live: What runs, it too.
        now_s: The clock's time.
    """
    carried = {
        to
        for name, one in live.items()
        if name != new.name
        for peer in one.peers.values()
        if now_s - peer.handshake_s < FRESH_S
        for to in peer.allowed_ips & one.routes.keys()
    }
    there = live[new.name].peers
    places = carried & set(new.routes)
    return {
        (peer.public_key, to) for peer in new.peers if peer.public_key in there for to in places & {*peer.allowed_ips}
    }


def said_of_data() -> str:
    """Return what the data volume's own program has said against it; empty where it has said nothing."""
    return (read_text(DATA_REFUSED) or "").strip()


def _prove_units(units: list[str], deadline: Deadline) -> Iterator[tuple[str, str]]:
    """Yield units with what they are instead of active; one that is coming, as a proxy that reloads, is waited for."""
    until = Deadline(min(_UNITS_WITHIN_S, deadline.left_s(_UNITS_WITHIN_S)))
    found = read_units(units, deadline)
    while _COMING & {active for _, active in found.values()} and until.left_s(1.0) > 0:
        time.sleep(until.left_s(0.1))
        found = read_units(units, deadline)
    for unit, (_, active) in found.items():
        yield f"unit {unit}", "" if active == "active" else active or "not there"


def _prove_table(deadline: Deadline) -> Iterator[tuple[str, str]]:
    there = "chain input" in ask(("nft", "-t", "list", "table", "inet", "farshore"), deadline)
    yield "firewall: table inet farshore", "" if there else "not there"

"""Each slot, address, network and port has one owner.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.addresses import TAKEN, last_origin_slot, slot_is_free_of_shields, subnet_count
from plan.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from plan.rules.draft import Draft

OWN_SLOT = "a slot of its own"


def judge_slots(draft: Draft) -> Iterator[Fault]:
    """Yield a fault for each number that is taken, or has no room in the network."""
    yield from _twice((("shields", name, shield.slot) for name, shield in draft.shields.items()), OWN_SLOT)
    # Origins and devices share the first subnet: 10.0.0.<slot> is one or the other.
    yield from _twice(
        (
            *(("origins", name, origin.slot) for name, origin in draft.origins.items()),
            *(("operators", name, operator.slot) for name, operator in draft.operators.items()),
            *(("gateways", name, gateway.slot) for name, gateway in draft.gateways.items()),
        ),
        OWN_SLOT,
    )
    yield from _twice((("meshes", name, mesh.slot) for name, mesh in draft.meshes.items()), OWN_SLOT)
    yield from _room(draft)
    yield from _device_addresses(draft)
    yield from _keys(draft)
    yield from _lans(draft)
    yield from _ports(draft)


def _twice(entries: Iterable[tuple[str, str, int | None]], allowed: str) -> Iterator[Fault]:
    used: dict[int, str] = {}
    for key, name, slot in entries:
        if slot is None:
            continue
        if slot in used:
            found = f"{slot}, which {used[slot]} has"
            yield Fault(f"farshore:{key}.{name}.slot", found, allowed, "choose a free one")
        used.setdefault(slot, name)


def _room(draft: Draft) -> Iterator[Fault]:
    room, last = subnet_count(draft.network), last_origin_slot(draft.network)
    for name, shield in draft.shields.items():
        if shield.slot is not None and shield.slot >= room:
            yield Fault(
                f"farshore:shields.{name}.slot",
                repr(shield.slot),
                f"0 to {room - 1} in {draft.network}",
                "choose a free one or widen network",
            )
    for name, origin in draft.origins.items():
        if origin.slot is None:
            continue
        if origin.slot > last:
            yield Fault(
                f"farshore:origins.{name}.slot",
                repr(origin.slot),
                f"2 to {last} in {draft.network}",
                "choose a free one or widen network",
            )
        elif not slot_is_free_of_shields(origin.slot):
            yield Fault(
                f"farshore:origins.{name}.slot",
                repr(origin.slot),
                "a number whose address does not end in .0, .1 or .255",
                "choose a free one: those are the shields' and the subnets' own",
            )


def _device_addresses(draft: Draft) -> Iterator[Fault]:
    """Find a device whose address at a further shield is an origin's."""
    taken = {origin.slot: name for name, origin in draft.origins.items() if origin.slot is not None}
    shields = {name: shield.slot for name, shield in draft.shields.items() if shield.slot}
    for where, _, device in draft.devices():
        for shield, at in shields.items():
            slot = at * 256 + (device.slot or 0)
            if device.slot is not None and slot in taken:
                yield Fault(
                    f"farshore:{where}.slot",
                    f"{device.slot}, whose address at shield {shield!r} is that of {taken[slot]}",
                    OWN_SLOT,
                    "choose a free one",
                )


def _keys(draft: Draft) -> Iterator[Fault]:
    used: dict[str, str] = {}
    for where, name, device in draft.devices():
        if device.public_key is None:
            continue
        if device.public_key in used:
            yield Fault(
                f"farshore:{where}.public_key",
                f"the key of {used[device.public_key]}",
                "a key of its own",
                "make one on the device: farshore operator add",
            )
        used.setdefault(device.public_key, name)


def _lans(draft: Draft) -> Iterator[Fault]:
    known = [(where, name, lan.network) for where, name, _, lan in draft.lans() if lan.network is not None]
    for at, (where, _, network) in enumerate(known):
        if network.prefixlen == 0:
            yield Fault(
                f"farshore:{where}.network", str(network), "a network behind the host", "the Internet is no LAN"
            )
            continue
        for _, other, theirs in known[:at]:
            if network.version == theirs.version and network.overlaps(theirs):
                yield Fault(
                    f"farshore:{where}.network",
                    f"{network}, which overlaps {theirs} of {other}",
                    "a network of its own",
                    "renumber one of them, or hide it behind an address of its own",
                )
        if network.version == 4 and network.overlaps(draft.network):
            yield Fault(
                f"farshore:{where}.network",
                f"{network}, which overlaps the tunnel network {draft.network}",
                "a network of its own",
                "choose another farshore:network",
            )
        for taken, why in TAKEN.items():
            if network.version == 4 and network.overlaps(taken):
                yield Fault(f"farshore:{where}.network", str(network), f"a network that does not overlap {taken}", why)


def _ports(draft: Draft) -> Iterator[Fault]:
    for name, origin in draft.origins.items():
        used: dict[tuple[str, int], str] = {}
        for service, facts in (origin.services or {}).items():
            at = (facts.protocol, facts.port)
            if at in used:
                yield Fault(
                    f"farshore:origins.{name}.services.{service}.port",
                    f"{facts.port}, which {used[at]} has",
                    "a port of its own",
                    "choose a free one",
                )
            used.setdefault(at, service)

"""What can be done to an RRset: its records, its lifetime, its lock.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#zone-rrset-actions (50 records a request).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.dns_values import check_ttl, check_values
from lab.cloud.records import Rrset
from lab.cloud.reply import Reply, invalid_input, not_found
from lab.cloud.resource import check_unprotected
from lab.cloud.rrsets import RecordBody, enter_rrset, find_rrset, rrset_id, taken_over
from lab.cloud.zones import ZONES

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.cloud.records import Zone


RECORDS_MAX = 50


class Records(Body):
    """The body of `set_records` and `remove_records`."""

    records: list[RecordBody] = Field(max_length=RECORDS_MAX)


class AddRecords(Records):
    """The body of `add_records`; `ttl` is that of an RRset which comes to be."""

    ttl: int | None = None


class ChangeTtl(Body):
    """The body of `change_ttl`; None is the zone's."""

    ttl: int | None


class ChangeLock(Body):
    """The body of `change_protection`."""

    change: bool | None = None


def _changeable(call: Call) -> tuple[Zone, Rrset]:
    """Return the RRset of the path with its zone, refusing one that is locked."""
    zone, rrset = find_rrset(call)
    check_unprotected("RRset change", protected=rrset.change_protected)
    return zone, rrset


def _set_records(call: Call) -> Reply:
    zone, rrset = _changeable(call)
    wanted = call.read(Records).records
    check_values(rrset.type, [record.value for record in wanted])
    rrset.records = taken_over(wanted)
    return call.project.acted("set_rrset_records", ("zone", zone.id))


def _add_records(call: Call) -> Reply:
    zone, wanted = ZONES.named_in(call), call.read(AddRecords)
    name, kind = call.captures[1], call.captures[2]
    rrset = zone.rrsets.get(f"{name}/{kind}")
    if rrset is None:
        enter_rrset(zone, Rrset(name=name, type=kind, ttl=wanted.ttl, records=taken_over(wanted.records)))
        return call.project.acted("add_records", ("zone", zone.id))
    check_unprotected("RRset change", protected=rrset.change_protected)
    if wanted.ttl not in (None, rrset.ttl):
        raise invalid_input(("ttl", "is not that of the RRset; change it first"))
    records = [*rrset.records, *taken_over(wanted.records)]
    check_values(kind, [record.value for record in records])
    rrset.records = records
    return call.project.acted("add_records", ("zone", zone.id))


def _remove_records(call: Call) -> Reply:
    zone, rrset = _changeable(call)
    going = {record.value for record in call.read(Records).records}
    for value in sorted(going - {record.value for record in rrset.records}):
        raise not_found("record", value)
    rrset.records = [record for record in rrset.records if record.value not in going]
    if not rrset.records:
        del zone.rrsets[rrset_id(rrset)]
    return call.project.acted("remove_records", ("zone", zone.id))


def _change_ttl(call: Call) -> Reply:
    zone, rrset = _changeable(call)
    ttl = call.read(ChangeTtl).ttl
    check_ttl(ttl)
    rrset.ttl = ttl
    return call.project.acted("change_rrset_ttl", ("zone", zone.id))


def _change_protection(call: Call) -> Reply:
    zone, rrset = find_rrset(call)
    wanted = call.read(ChangeLock).change
    if wanted is not None:
        rrset.change_protected = wanted
    return call.project.acted("change_rrset_protection", ("zone", zone.id))


def _route(verb: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method="POST", pattern=f"/zones/*/rrsets/*/*/actions/{verb}", handler=handler)


ROUTES = (
    _route("set_records", _set_records),
    _route("add_records", _add_records),
    _route("remove_records", _remove_records),
    _route("change_ttl", _change_ttl),
    _route("change_protection", _change_protection),
)

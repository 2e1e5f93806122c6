"""RRsets: the records of one name and type in a zone.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#zone-rrsets. Changes of their records stand in
`rrset_actions`. An RRset has no number; its actions are those of its zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.dns_values import APEX, check_owner, check_ttl, check_type, check_values
from lab.cloud.labels import check_labels
from lab.cloud.listing import by_fields, by_labels, in_order, page
from lab.cloud.project import show_action
from lab.cloud.records import DnsRecord, Rrset
from lab.cloud.reply import Reply, invalid_input, not_found, uniqueness_error
from lab.cloud.resource import check_unprotected
from lab.cloud.zones import ZONES

if TYPE_CHECKING:
    from lab.cloud.records import Zone
    from lab.cloud.reply import Json

RRSETS_OF_A_PAGE_MAX = 100


class RecordBody(Body):
    """One value as a client names it."""

    value: str
    comment: str = ""


class CreateRrset(Body):
    """The body of POST /zones/{id_or_name}/rrsets."""

    name: str
    type: str
    ttl: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    records: list[RecordBody]


class UpdateRrset(Body):
    """The body of PUT: records and lifetime are changed by actions."""

    labels: dict[str, str] | None = None


def rrset_id(rrset: Rrset) -> str:
    """Return what the API calls an RRset."""
    return f"{rrset.name}/{rrset.type}"


def find_rrset(call: Call) -> tuple[Zone, Rrset]:
    """Return the RRset that a path names, with its zone.

    Raises:
        ApiError: `not_found`.
    """
    zone = ZONES.named_in(call)
    wanted = f"{call.captures[1]}/{call.captures[2]}"
    rrset = zone.rrsets.get(wanted)
    if rrset is None:
        raise not_found("rrset", wanted)
    return zone, rrset


def enter_rrset(zone: Zone, rrset: Rrset) -> None:
    """Enter an RRset into a zone.

    Raises:
        ApiError: `uniqueness_error`; `invalid_input`: its name or values are wrong, or a CNAME would not be alone.
    """
    check_owner(rrset.name)
    check_type(rrset.type)
    check_ttl(rrset.ttl)
    check_labels(rrset.labels)
    check_values(rrset.type, [record.value for record in rrset.records])
    if rrset_id(rrset) in zone.rrsets:
        raise uniqueness_error("RRset already exists", "name")
    if rrset.type == "CNAME" and rrset.name == APEX:
        raise invalid_input(("type", "the zone's own name can't be a CNAME"))
    company = {other.type for other in zone.rrsets.values() if other.name == rrset.name}
    if company and (rrset.type == "CNAME" or "CNAME" in company):
        raise invalid_input(("type", "a CNAME has no other records beside it"))
    zone.rrsets[rrset_id(rrset)] = rrset


def taken_over(records: list[RecordBody]) -> list[DnsRecord]:
    """Return records as they are remembered."""
    return [DnsRecord(value=record.value, comment=record.comment) for record in records]


def _show(zone: Zone, rrset: Rrset) -> Json:
    return {
        "id": rrset_id(rrset),
        "name": rrset.name,
        "type": rrset.type,
        "ttl": rrset.ttl,
        "labels": dict(rrset.labels),
        "protection": {"change": rrset.change_protected},
        "records": [{"value": record.value, "comment": record.comment} for record in rrset.records],
        "zone": zone.id,
    }


def _listed(call: Call) -> Reply:
    zone = ZONES.named_in(call)
    chosen = by_labels(call, zone.rrsets.values())
    chosen = by_fields(call, chosen, {"name": lambda rrset: rrset.name, "type": lambda rrset: rrset.type})
    chosen = in_order(call, chosen, {"id": rrset_id, "name": lambda rrset: rrset.name})
    # The reference: "the maximum value for per_page on this endpoint is 100 instead of 50".
    return page(call, "rrsets", [_show(zone, rrset) for rrset in chosen], size_max=RRSETS_OF_A_PAGE_MAX)


def _answer_one(call: Call) -> Reply:
    zone, rrset = find_rrset(call)
    return Reply(status=200, body={"rrset": _show(zone, rrset)})


def _create(call: Call) -> Reply:
    zone, wanted = ZONES.named_in(call), call.read(CreateRrset)
    rrset = Rrset(
        name=wanted.name,
        type=wanted.type,
        ttl=wanted.ttl,
        labels=dict(wanted.labels),
        records=taken_over(wanted.records),
    )
    enter_rrset(zone, rrset)
    action = call.project.start_action("create_rrset", ("zone", zone.id))
    return Reply(status=201, body={"rrset": _show(zone, rrset), "action": show_action(action)})


def _update(call: Call) -> Reply:
    zone, rrset = find_rrset(call)
    labels = call.read(UpdateRrset).labels
    if labels is not None:
        check_labels(labels)
        rrset.labels = dict(labels)
    return Reply(status=200, body={"rrset": _show(zone, rrset)})


def _delete(call: Call) -> Reply:
    zone, rrset = find_rrset(call)
    check_unprotected("RRset deletion", protected=rrset.change_protected)
    del zone.rrsets[rrset_id(rrset)]
    return call.project.acted("delete_rrset", ("zone", zone.id))


ROUTES = (
    Route(method="GET", pattern="/zones/*/rrsets", handler=_listed),
    Route(method="POST", pattern="/zones/*/rrsets", handler=_create),
    Route(method="GET", pattern="/zones/*/rrsets/*/*", handler=_answer_one),
    Route(method="PUT", pattern="/zones/*/rrsets/*/*", handler=_update),
    Route(method="DELETE", pattern="/zones/*/rrsets/*/*", handler=_delete),
)

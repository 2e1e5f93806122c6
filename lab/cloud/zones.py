"""DNS zones.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#zones. Their records stand in `rrsets`. Zones are primary
ones; no name server answers from them, and they begin without SOA and NS records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.dns_values import check_ttl, check_zone_name
from lab.cloud.labels import check_labels
from lab.cloud.project import show_action
from lab.cloud.records import Zone
from lab.cloud.reply import ApiError, Reply, not_found
from lab.cloud.resource import Protection, Resource, check_unprotected

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.reply import Json

TTL_S_DEFAULT = 3600
NAME_SERVERS = ("hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de.")


class CreateZone(Body):
    """The body of POST /zones; `rrsets` and `zonefile` are seen only to be refused."""

    name: str
    mode: Literal["primary", "secondary"]
    ttl: int = TTL_S_DEFAULT
    labels: dict[str, str] = Field(default_factory=dict)
    rrsets: list[object] = Field(default_factory=list)
    zonefile: str | None = None


class UpdateZone(Body):
    """The body of PUT /zones/{id_or_name}: a zone can't be renamed."""

    labels: dict[str, str] | None = None


class ChangeTtl(Body):
    """The body of the zone's `change_ttl`."""

    ttl: int


class ZoneResource(Resource[Zone]):
    """Zones, which a path names by id or by name."""

    def number_in(self, call: Call) -> int:
        """Return the id of the zone that the path names."""
        text = call.captures[0]
        if text.isascii() and text.isdecimal():
            return int(text)
        for zone in self.table(call.project).values():
            if zone.name == text:
                return zone.id
        raise not_found(self.singular, text)


def _show(_: Project, zone: Zone) -> Json:
    return {
        "id": zone.id,
        "name": zone.name,
        "created": zone.created,
        "mode": "primary",
        "ttl": zone.ttl,
        "labels": dict(zone.labels),
        "protection": {"delete": zone.delete_protected},
        "primary_nameservers": [],
        "authoritative_nameservers": {
            "assigned": list(NAME_SERVERS),
            "delegated": [],
            "delegation_last_check": zone.created,
            "delegation_status": "unknown",
        },
        "registrar": "other",
        "status": "ok",
        "record_count": sum(len(rrset.records) for rrset in zone.rrsets.values()),
    }


ZONES = ZoneResource(
    singular="zone",
    plural="zones",
    table=lambda project: project.tables.zones,
    show=_show,
    filters={"mode": lambda _project, _zone: "primary"},
)


def _create(call: Call) -> Reply:
    wanted, project = call.read(CreateZone), call.project
    if wanted.mode == "secondary" or wanted.rrsets or wanted.zonefile is not None:
        raise ApiError("not_implemented", "the lab models primary zones that begin empty")
    check_labels(wanted.labels)
    check_zone_name(wanted.name)
    check_ttl(wanted.ttl)
    ZONES.check_name(project, wanted.name)
    zone = Zone(
        id=project.new_id(),
        name=wanted.name,
        created=project.now(),
        labels=dict(wanted.labels),
        ttl=wanted.ttl,
    )
    project.tables.zones[zone.id] = zone
    action = project.start_action("create_zone", ("zone", zone.id))
    return ZONES.reply(call, zone, 201, action=show_action(action))


def _update(call: Call) -> Reply:
    zone, labels = ZONES.named_in(call), call.read(UpdateZone).labels
    if labels is not None:
        check_labels(labels)
        zone.labels = dict(labels)
    return ZONES.reply(call, zone)


def _delete(call: Call) -> Reply:
    zone = ZONES.named_in(call)
    check_unprotected("zone deletion", protected=zone.delete_protected)
    del call.project.tables.zones[zone.id]
    return call.project.acted("delete_zone", ("zone", zone.id))


def _change_ttl(call: Call) -> Reply:
    zone, wanted = ZONES.named_in(call), call.read(ChangeTtl)
    check_ttl(wanted.ttl)
    zone.ttl = wanted.ttl
    return call.project.acted("change_ttl", ("zone", zone.id))


def _change_protection(call: Call) -> Reply:
    zone, wanted = ZONES.named_in(call), call.read(Protection)
    if wanted.delete is not None:
        zone.delete_protected = wanted.delete
    return call.project.acted("change_protection", ("zone", zone.id))


ROUTES = (
    *ZONES.routes(),
    Route(method="POST", pattern="/zones", handler=_create),
    Route(method="PUT", pattern="/zones/*", handler=_update),
    Route(method="DELETE", pattern="/zones/*", handler=_delete),
    Route(method="POST", pattern="/zones/*/actions/change_ttl", handler=_change_ttl),
    Route(method="POST", pattern="/zones/*/actions/change_protection", handler=_change_protection),
)

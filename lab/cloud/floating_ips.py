"""Floating IPs: public addresses that move from one running server to another, whatever their locations.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#floating-ips. That an address can go straight from one server
to another is the reference's own ("you can reassign it to a different server at any time"), so `floating_ip_assigned`
is taken to refuse the server that has it already. The world behind does not route them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lab.cloud.addresses import give_back_ipv4, take_ipv4, take_ipv6
from lab.cloud.call import Body, Call, Route
from lab.cloud.catalogue_routes import show_location
from lab.cloud.labels import check_labels
from lab.cloud.primary_ip_actions import set_pointer
from lab.cloud.primary_ips import place_of, show_pointers
from lab.cloud.project import show_action
from lab.cloud.records import AddressType, FloatingIp
from lab.cloud.reply import ApiError, Reply, invalid_input, not_found
from lab.cloud.resource import Protection, Resource, check_unprotected

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.records import Server
    from lab.cloud.reply import Json


class CreateFloatingIp(Body):
    """The body of POST /floating_ips: where it is at home is said by a location or by a server."""

    type: AddressType
    name: str | None = None
    description: str = ""
    home_location: str | int | None = None
    server: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class UpdateFloatingIp(Body):
    """The part of PUT /floating_ips/{id} that is its own."""

    description: str | None = None


class AssignFloatingIp(Body):
    """The body of the action `assign`."""

    server: int


def _show(project: Project, address: FloatingIp) -> Json:
    return {
        "id": address.id,
        "name": address.name,
        "description": address.description,
        "ip": address.ip,
        "type": address.type,
        "server": address.server,
        "dns_ptr": show_pointers(address),
        "home_location": show_location(place_of(project, address.home_location)),
        "blocked": False,
        "protection": {"delete": address.delete_protected},
        "labels": dict(address.labels),
        "created": address.created,
    }


FLOATING_IPS = Resource(
    singular="floating_ip",
    plural="floating_ips",
    table=lambda project: project.tables.floating_ips,
    show=_show,
)


def floating_ips_of(project: Project, server_id: int) -> list[int]:
    """Return the ids of the addresses that are assigned to a server."""
    return [address.id for address in project.tables.floating_ips.values() if address.server == server_id]


def release_floating_ips(project: Project, server_id: int) -> None:
    """Unassign the addresses of a server that goes."""
    for address in project.tables.floating_ips.values():
        if address.server == server_id:
            address.server = None


def _create(call: Call) -> Reply:
    wanted, project = call.read(CreateFloatingIp), call.project
    check_labels(wanted.labels)
    if wanted.name is not None:
        FLOATING_IPS.check_name(project, wanted.name)
    server = None
    if wanted.server is not None and wanted.home_location is None:
        server = _server(project, wanted.server)
        place = place_of(project, server.location)
    elif wanted.home_location is not None and wanted.server is None:
        place = place_of(project, wanted.home_location)
    else:
        raise invalid_input(("home_location", "exactly one of home_location and server is required"))
    number = project.new_id()
    address = FloatingIp(
        id=number,
        name=wanted.name if wanted.name is not None else f"floating-ip-{number}",
        created=project.now(),
        labels=dict(wanted.labels),
        type=wanted.type,
        ip=take_ipv4(project.ledger, place.ipv4) if wanted.type == "ipv4" else take_ipv6(project.ledger),
        home_location=place.name,
        description=wanted.description,
        server=server.id if server else None,
    )
    project.tables.floating_ips[number] = address
    if server is None:
        return FLOATING_IPS.reply(call, address, 201, action=None)
    action = project.start_action("assign_floating_ip", ("floating_ip", number), ("server", server.id))
    return FLOATING_IPS.reply(call, address, 201, action=show_action(action))


def _update(call: Call) -> Reply:
    address, wanted = FLOATING_IPS.named_in(call), call.read(UpdateFloatingIp)
    FLOATING_IPS.rename(call, address)
    if wanted.description is not None:
        address.description = wanted.description
    return FLOATING_IPS.reply(call, address)


def _delete(call: Call) -> Reply:
    address = FLOATING_IPS.named_in(call)
    check_unprotected("floating IP deletion", protected=address.delete_protected)
    if address.server is not None:
        raise ApiError("must_be_unassigned", "floating IP must be unassigned")
    del call.project.tables.floating_ips[address.id]
    if address.type == "ipv4":
        give_back_ipv4(call.project.ledger, place_of(call.project, address.home_location).ipv4, address.ip)
    return Reply(status=204)


def _assign(call: Call) -> Reply:
    address = FLOATING_IPS.named_in(call)
    server = _server(call.project, call.read(AssignFloatingIp).server)
    if address.server == server.id:
        raise ApiError("floating_ip_assigned", f"floating IP {address.id} is already assigned")
    address.server = server.id
    return call.project.acted("assign_floating_ip", ("floating_ip", address.id), ("server", server.id))


def _unassign(call: Call) -> Reply:
    address = FLOATING_IPS.named_in(call)
    if address.server is None:
        raise ApiError("floating_ip_not_assigned", f"floating IP {address.id} is not assigned")
    server_id, address.server = address.server, None
    return call.project.acted("unassign_floating_ip", ("floating_ip", address.id), ("server", server_id))


def _change_protection(call: Call) -> Reply:
    address, wanted = FLOATING_IPS.named_in(call), call.read(Protection)
    if wanted.delete is not None:
        address.delete_protected = wanted.delete
    return call.project.acted("change_protection", ("floating_ip", address.id))


def _change_dns_ptr(call: Call) -> Reply:
    address = FLOATING_IPS.named_in(call)
    set_pointer(call, [address])
    return call.project.acted("change_dns_ptr", ("floating_ip", address.id))


def _server(project: Project, number: int) -> Server:
    server = project.tables.servers.get(number)
    if server is None:
        raise not_found("server", number)
    return server


ROUTES = (
    *FLOATING_IPS.routes(),
    Route(method="POST", pattern="/floating_ips", handler=_create),
    Route(method="PUT", pattern="/floating_ips/*", handler=_update),
    Route(method="DELETE", pattern="/floating_ips/*", handler=_delete),
    Route(method="POST", pattern="/floating_ips/*/actions/assign", handler=_assign),
    Route(method="POST", pattern="/floating_ips/*/actions/unassign", handler=_unassign),
    Route(method="POST", pattern="/floating_ips/*/actions/change_protection", handler=_change_protection),
    Route(method="POST", pattern="/floating_ips/*/actions/change_dns_ptr", handler=_change_dns_ptr),
)

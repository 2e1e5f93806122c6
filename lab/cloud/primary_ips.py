"""Primary IPs: public addresses that outlive the servers they are assigned to.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#primary-ips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.addresses import give_back_ipv4, take_ipv4, take_ipv6
from lab.cloud.call import Body, Call, Route
from lab.cloud.catalogue_routes import show_location
from lab.cloud.labels import check_labels
from lab.cloud.project import show_action
from lab.cloud.records import AddressType, PrimaryIp
from lab.cloud.reply import ApiError, Reply, invalid_input, not_found
from lab.cloud.resource import Resource, check_unprotected

if TYPE_CHECKING:
    from lab.cloud.catalogue import Location
    from lab.cloud.project import Project
    from lab.cloud.records import FloatingIp, Server
    from lab.cloud.reply import Json


class CreateAddress(Body):
    """The body of POST /primary_ips: where it stands is said by a location or by a server."""

    name: str
    type: AddressType
    location: str | int | None = None
    assignee_id: int | None = None
    assignee_type: Literal["server"] | None = None
    auto_delete: bool = False
    labels: dict[str, str] = Field(default_factory=dict)


class UpdateAddress(Body):
    """The part of PUT /primary_ips/{id} that is its own."""

    auto_delete: bool | None = None


def show_pointers(address: PrimaryIp | FloatingIp) -> list[Json]:
    """Return an address's reverse DNS entries."""
    return [{"ip": ip, "dns_ptr": name} for ip, name in address.dns_ptr.items()]


def _show(project: Project, address: PrimaryIp) -> Json:
    return {
        "id": address.id,
        "name": address.name,
        "ip": address.ip,
        "type": address.type,
        "labels": dict(address.labels),
        "location": show_location(place_of(project, address.location)),
        "auto_delete": address.auto_delete,
        "blocked": False,
        "created": address.created,
        "protection": {"delete": address.delete_protected},
        "assignee_id": address.assignee_id,
        "assignee_type": "unassigned" if address.assignee_id is None else "server",
        "dns_ptr": show_pointers(address),
    }


PRIMARY_IPS = Resource(
    singular="primary_ip",
    plural="primary_ips",
    table=lambda project: project.tables.primary_ips,
    show=_show,
    filters={"ip": lambda _, address: address.ip},
)


def place_of(project: Project, name: str | int) -> Location:
    """Return a location by name or id.

    Raises:
        ApiError: `invalid_input` naming `location`.
    """
    place = project.catalogue.location(name)
    if place is None:
        raise invalid_input(("location", f"{name!r} does not exist"))
    return place


def address_of(project: Project, server_id: int, kind: AddressType) -> PrimaryIp | None:
    """Return the address of one kind that a server has, or None."""
    for address in project.tables.primary_ips.values():
        if address.assignee_id == server_id and address.type == kind:
            return address
    return None


def make_address(
    project: Project, *, name: str | None, kind: AddressType, location: str, auto_delete: bool, labels: dict[str, str]
) -> PrimaryIp:
    """Make an address and enter it.

    Args:
        project: Who owns it.
        name: Its name; None for one that comes with a server.
        kind: IPv4 or IPv6.
        location: Name of the location; the IPv4 range depends on it.
        auto_delete: Whether it goes with its server.
        labels: Its labels.
    """
    place = place_of(project, location)
    ip = take_ipv4(project.ledger, place.ipv4) if kind == "ipv4" else take_ipv6(project.ledger)
    number = project.new_id()
    address = PrimaryIp(
        id=number,
        name=name if name is not None else f"primary_ip-{number}",
        created=project.now(),
        labels=dict(labels),
        type=kind,
        ip=ip,
        location=place.name,
        auto_delete=auto_delete,
    )
    project.tables.primary_ips[number] = address
    return address


def drop_address(project: Project, address: PrimaryIp) -> None:
    """Remove an address; an IPv4 address goes back to its range."""
    del project.tables.primary_ips[address.id]
    if address.type == "ipv4":
        give_back_ipv4(project.ledger, place_of(project, address.location).ipv4, address.ip)


def release_addresses(project: Project, server_id: int) -> None:
    """Unassign the addresses of a server that goes, and delete those that go with it."""
    for address in list(project.tables.primary_ips.values()):
        if address.assignee_id == server_id:
            address.assignee_id = None
            if address.auto_delete:
                drop_address(project, address)


def check_assignable(address: PrimaryIp, kind: AddressType, location: str) -> None:
    """Refuse an address that a server of a location can't take.

    Raises:
        ApiError: `primary_ip_assigned`, `primary_ip_version_mismatch`, `primary_ip_datacenter_mismatch`.
    """
    if address.type != kind:
        raise ApiError("primary_ip_version_mismatch", f"primary IP {address.id} is not of type {kind}")
    if address.assignee_id is not None:
        raise ApiError("primary_ip_assigned", f"primary IP {address.id} is already assigned")
    if address.location != location:
        raise ApiError("primary_ip_datacenter_mismatch", f"primary IP {address.id} is not in {location}")


def _create(call: Call) -> Reply:
    wanted = call.read(CreateAddress)
    check_labels(wanted.labels)
    project = call.project
    PRIMARY_IPS.check_name(project, wanted.name)
    server = None
    if wanted.location is not None and wanted.assignee_id is None:
        place = place_of(project, wanted.location)
    elif wanted.assignee_id is not None and wanted.location is None:
        server = takes_address(project, wanted.assignee_id, wanted.type)
        place = place_of(project, server.location)
    else:
        raise invalid_input(("location", "exactly one of location and assignee_id is required"))
    address = make_address(
        project,
        name=wanted.name,
        kind=wanted.type,
        location=place.name,
        auto_delete=wanted.auto_delete,
        labels=wanted.labels,
    )
    if server is None:
        return PRIMARY_IPS.reply(call, address, 201, action=None)
    address.assignee_id = server.id
    action = project.start_action("create_primary_ip", ("primary_ip", address.id), ("server", server.id))
    return PRIMARY_IPS.reply(call, address, 201, action=show_action(action))


def _update(call: Call) -> Reply:
    address = PRIMARY_IPS.named_in(call)
    wanted = call.read(UpdateAddress)
    PRIMARY_IPS.rename(call, address)
    if wanted.auto_delete is not None:
        address.auto_delete = wanted.auto_delete
    return PRIMARY_IPS.reply(call, address)


def _delete(call: Call) -> Reply:
    address = PRIMARY_IPS.named_in(call)
    check_unprotected("primary IP deletion", protected=address.delete_protected)
    if address.assignee_id is not None:
        raise ApiError("must_be_unassigned", "primary IP must be unassigned")
    drop_address(call.project, address)
    return Reply(status=204)


def takes_address(project: Project, server_id: int, kind: AddressType) -> Server:
    """Return a stopped server that has no address of a kind yet.

    Raises:
        ApiError: `not_found`, `server_not_stopped`, `server_has_ipv4`, `server_has_ipv6`.
    """
    server = stopped_server(project, server_id)
    if address_of(project, server_id, kind) is not None:
        raise ApiError(f"server_has_{kind}", f"server {server_id} already has an {kind} address")
    return server


def stopped_server(project: Project, server_id: int) -> Server:
    """Return a server that is switched off, as a change of its addresses needs it.

    Raises:
        ApiError: `not_found`, `server_not_stopped`.
    """
    server = project.tables.servers.get(server_id)
    if server is None:
        raise not_found("server", server_id)
    if server.running:
        raise ApiError("server_not_stopped", "server must be stopped")
    return server


ROUTES = (
    *PRIMARY_IPS.routes(),
    Route(method="POST", pattern="/primary_ips", handler=_create),
    Route(method="PUT", pattern="/primary_ips/*", handler=_update),
    Route(method="DELETE", pattern="/primary_ips/*", handler=_delete),
)

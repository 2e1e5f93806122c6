"""Volumes: disks that outlive servers.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#volumes-create-a-volume (sizes, names) and
https://github.com/hetznercloud/csi-driver, internal/driver/driver.go (16 volumes a server).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.catalogue_routes import show_location
from lab.cloud.labels import check_labels
from lab.cloud.primary_ips import place_of
from lab.cloud.project import show_action
from lab.cloud.records import Volume
from lab.cloud.reply import ApiError, Reply, invalid_input, not_found
from lab.cloud.resource import Named, Protection, Resource, check_unprotected

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.records import Server
    from lab.cloud.reply import Json

SIZE_GB_MIN = 10
SIZE_GB_MAX = 10240
VOLUMES_OF_A_SERVER_MAX = 16
NAME = re.compile(r"[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,62}[A-Za-z0-9])?")


class CreateVolume(Body):
    """The body of POST /volumes: where it stands is said by a location or by a server."""

    name: str
    size: int
    location: str | int | None = None
    server: int | None = None
    format: Literal["ext4", "xfs"] | None = None
    automount: bool = False
    labels: dict[str, str] = Field(default_factory=dict)


class Attach(Body):
    """The body of the action `attach`."""

    server: int
    automount: bool = False


class Resize(Body):
    """The body of the action `resize`."""

    size: int


def _show(project: Project, volume: Volume) -> Json:
    return {
        "id": volume.id,
        "name": volume.name,
        "created": volume.created,
        "size": volume.size,
        "server": volume.server,
        "location": show_location(place_of(project, volume.location)),
        "linux_device": f"/dev/disk/by-id/scsi-0HC_Volume_{volume.id}",
        "format": volume.format,
        "protection": {"delete": volume.delete_protected},
        "labels": dict(volume.labels),
        "status": "available",
    }


VOLUMES = Resource(
    singular="volume",
    plural="volumes",
    table=lambda project: project.tables.volumes,
    show=_show,
    filters={"status": lambda _project, _volume: "available"},
)


def attachable_volume(project: Project, number: int, location: str) -> Volume:
    """Return a volume that a server of a location can take.

    Raises:
        ApiError: `not_found`, `volume_already_attached`, or `invalid_input`: it stands elsewhere.
    """
    volume = VOLUMES.get(project, number)
    if volume.server is not None:
        raise ApiError("volume_already_attached", "volume is already attached to a server")
    if volume.location != location:
        raise invalid_input(("volume", f"stands in {volume.location}, the server in {location}"))
    return volume


def _create(call: Call) -> Reply:
    wanted, project = call.read(CreateVolume), call.project
    check_labels(wanted.labels)
    _check_name(wanted.name)
    VOLUMES.check_name(project, wanted.name)
    _check_size(wanted.size)
    server = None
    if wanted.location is not None and wanted.server is None:
        location = place_of(project, wanted.location).name
    elif wanted.server is not None and wanted.location is None:
        server = _host(project, wanted.server)
        location = server.location
    else:
        raise invalid_input(("location", "exactly one of location and server is required"))
    if wanted.automount and server is None:
        raise invalid_input(("automount", "needs a server"))
    volume = Volume(
        id=project.new_id(),
        name=wanted.name,
        created=project.now(),
        labels=dict(wanted.labels),
        size=wanted.size,
        location=location,
        server=server.id if server else None,
        format=wanted.format,
        automount=wanted.automount,
    )
    project.tables.volumes[volume.id] = volume
    action = project.start_disk_action("create_volume", ("volume", volume.id))
    following = []
    if server is not None:
        following = [project.start_disk_action("attach_volume", ("volume", volume.id), ("server", server.id))]
    return VOLUMES.reply(
        call,
        volume,
        201,
        action=show_action(action),
        next_actions=[show_action(one) for one in following],
    )


def _update(call: Call) -> Reply:
    volume, name = VOLUMES.named_in(call), call.read(Named).name
    if name is not None:
        _check_name(name)
    VOLUMES.rename(call, volume)
    return VOLUMES.reply(call, volume)


def _delete(call: Call) -> Reply:
    volume = VOLUMES.named_in(call)
    check_unprotected("volume deletion", protected=volume.delete_protected)
    if volume.server is not None:
        raise ApiError("volume_already_attached", "volume must be detached before it is deleted")
    del call.project.tables.volumes[volume.id]
    return Reply(status=204)


def _attach(call: Call) -> Reply:
    volume = VOLUMES.named_in(call)
    wanted = call.read(Attach)
    server = _host(call.project, wanted.server)
    attachable_volume(call.project, volume.id, server.location)
    volume.server, volume.automount = server.id, wanted.automount
    return call.project.disk_acted("attach_volume", ("volume", volume.id), ("server", server.id))


def _detach(call: Call) -> Reply:
    volume = VOLUMES.named_in(call)
    if volume.server is None:
        raise ApiError("volume_not_attached", "volume is not attached to a server")
    server_id, volume.server = volume.server, None
    return call.project.disk_acted("detach_volume", ("volume", volume.id), ("server", server_id))


def _resize(call: Call) -> Reply:
    volume = VOLUMES.named_in(call)
    size = call.read(Resize).size
    _check_size(size)
    if size <= volume.size:
        raise invalid_input(("size", f"must be larger than {volume.size}: a volume can't shrink"))
    volume.size = size
    return call.project.disk_acted("resize_volume", ("volume", volume.id))


def _change_protection(call: Call) -> Reply:
    volume, wanted = VOLUMES.named_in(call), call.read(Protection)
    if wanted.delete is not None:
        volume.delete_protected = wanted.delete
    return call.project.acted("change_protection", ("volume", volume.id))


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise invalid_input(("name", "must have 1 to 64 letters, digits, dashes, underscores and dots"))


def _check_size(size: int) -> None:
    if not SIZE_GB_MIN <= size <= SIZE_GB_MAX:
        raise invalid_input(("size", f"must be from {SIZE_GB_MIN} to {SIZE_GB_MAX}"))


def _host(project: Project, server_id: int) -> Server:
    """Return a server that has room for one more volume."""
    server = project.tables.servers.get(server_id)
    if server is None:
        raise not_found("server", server_id)
    attached = sum(volume.server == server_id for volume in project.tables.volumes.values())
    if attached >= VOLUMES_OF_A_SERVER_MAX:
        raise ApiError("resource_limit_exceeded", f"a server takes {VOLUMES_OF_A_SERVER_MAX} volumes at most")
    return server


ROUTES = (
    *VOLUMES.routes(),
    Route(method="POST", pattern="/volumes", handler=_create),
    Route(method="PUT", pattern="/volumes/*", handler=_update),
    Route(method="DELETE", pattern="/volumes/*", handler=_delete),
    Route(method="POST", pattern="/volumes/*/actions/attach", handler=_attach),
    Route(method="POST", pattern="/volumes/*/actions/detach", handler=_detach),
    Route(method="POST", pattern="/volumes/*/actions/resize", handler=_resize),
    Route(method="POST", pattern="/volumes/*/actions/change_protection", handler=_change_protection),
)

"""Images: Hetzner's own, and the snapshots and backups that a project makes of its servers' disks.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#images and #server-actions-create-image-from-a-server; that
a full set of backups lets go of its oldest: https://docs.hetzner.com/cloud/general/faq.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import Field

from lab.cloud import catalogue
from lab.cloud.actions import action_routes
from lab.cloud.call import Body, Call, Route
from lab.cloud.catalogue_routes import show_image
from lab.cloud.labels import check_labels
from lab.cloud.listing import by_fields, by_labels, in_order, page
from lab.cloud.project import show_action
from lab.cloud.records import Image
from lab.cloud.reply import ApiError, Reply, invalid_input, not_found
from lab.cloud.resource import Protection, check_unprotected

if TYPE_CHECKING:
    from lab.cloud.catalogue import Architecture
    from lab.cloud.project import Project
    from lab.cloud.records import Server
    from lab.cloud.reply import Json

AnyImage: TypeAlias = Image | catalogue.Image

BACKUP_SLOTS = 7
FILTERS = ("name", "type", "status", "architecture", "bound_to")
ORDERS = ("id", "name", "created")
IMAGE_GB = 0.5  # what an image is said to take where no world behind has measured it


class CreateImage(Body):
    """The body of the server's action `create_image`."""

    type: Literal["snapshot", "backup"] = "snapshot"
    description: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class UpdateImage(Body):
    """The body of PUT /images/{id}; a backup that becomes a snapshot lets go of its server."""

    type: Literal["snapshot"] | None = None
    description: str | None = None
    labels: dict[str, str] | None = None


def image_of(project: Project, number: int) -> AnyImage | None:
    """Return an image that a server was made from, be it deleted by now, or None."""
    return project.tables.images.get(number) or project.catalogue.image_by_id(number)


def system_of(image: AnyImage) -> str:
    """Return the name of the system image that an image once was."""
    return image.system if isinstance(image, Image) else image.name


def find_image(project: Project, wanted: str | int, architecture: Architecture, disk_gb: int) -> AnyImage:
    """Return an image that a disk can be made from: a system image by name or id, one of the project's by id.

    Args:
        project: Whose images.
        wanted: Id or name; Pulumi sends an id as text as well.
        architecture: Of the server type.
        disk_gb: Size of the server's disk; an image of a larger one does not fit.

    Raises:
        ApiError: `invalid_input`.
    """
    own = _own(project, wanted)
    image = own if own is not None else project.catalogue.image(wanted, architecture)
    if image is None:
        raise invalid_input(("image", f"{wanted!r} does not exist for {architecture}"))
    if image.architecture != architecture:
        raise invalid_input(("image", f"is for {image.architecture}, the server type for {architecture}"))
    if own is not None and own.status != "available":
        raise invalid_input(("image", f"{wanted!r} is still being created"))
    if own is not None and own.disk_size > disk_gb:
        raise invalid_input(("image", f"needs a disk of {own.disk_size} GB, the server has {disk_gb}"))
    return image


def forget_backups(project: Project, server_id: int) -> None:
    """Delete the backups that are bound to a server."""
    for image in _bound_to(project, server_id):
        _drop(project, image)


def forget_unused_images(project: Project) -> None:
    """Forget images that were deleted and that no server says it was made from any more."""
    used = {server.image_id for server in project.tables.servers.values()}
    for image in tuple(project.tables.images.values()):
        if image.deleted is not None and image.id not in used:
            del project.tables.images[image.id]


def create_image(call: Call, server: Server) -> Reply:
    """Answer the server's action `create_image`."""
    wanted, project = call.read(CreateImage), call.project
    check_labels(wanted.labels)
    backup = wanted.type == "backup"
    if backup and server.backup_window is None:
        raise invalid_input(("type", "backup needs backups to be enabled for the server"))
    source = image_of(project, server.image_id)
    kind = project.catalogue.server_type(server.server_type)
    assert source is not None
    assert kind is not None
    while backup and len(bound := _bound_to(project, server.id)) >= BACKUP_SLOTS:
        _drop(project, bound[0])
    image = Image(
        id=project.new_id(),
        name="",
        created=project.now(),
        labels=dict(wanted.labels),
        type=wanted.type,
        status="creating" if project.settings.disks_reported else "available",
        system=system_of(source),
        architecture=kind.architecture,
        description=wanted.description or f"{wanted.type} of {server.name} at {project.now()}",
        disk_size=server.primary_disk_size,
        image_size=None if project.settings.disks_reported else IMAGE_GB,
        created_from=(server.id, server.name),
        bound_to=server.id if backup else None,
    )
    project.tables.images[image.id] = image
    action = project.start_disk_action("create_image", ("server", server.id), ("image", image.id))
    return Reply(status=201, body={"action": show_action(action), "image": show_any(project, image)})


def show_any(project: Project, image: AnyImage) -> Json:
    """Return an image as a client sees it."""
    if not isinstance(image, Image):
        return show_image(image)
    system = project.catalogue.image(image.system, image.architecture)
    number, name = image.created_from
    return {
        "id": image.id,
        "type": image.type,
        "status": image.status,
        "name": None,
        "description": image.description,
        "image_size": image.image_size,
        "disk_size": image.disk_size,
        "created": image.created,
        "created_from": {"id": number, "name": name},
        "bound_to": image.bound_to,
        "os_flavor": system.os_flavor if system else "unknown",
        "os_version": system.os_version if system else None,
        "rapid_deploy": False,
        "protection": {"delete": image.delete_protected},
        "deprecated": None,
        "deprecation": None,
        "deleted": image.deleted,
        "labels": dict(image.labels),
        "architecture": image.architecture,
    }


def _own(project: Project, wanted: str | int) -> Image | None:
    if isinstance(wanted, str):
        if not (wanted.isascii() and wanted.isdecimal()):
            return None
        wanted = int(wanted)
    image = project.tables.images.get(wanted)
    return None if image is None or image.deleted is not None else image


def _living(project: Project) -> list[Image]:
    return [image for image in project.tables.images.values() if image.deleted is None]


def _bound_to(project: Project, server_id: int) -> list[Image]:
    return [image for image in _living(project) if image.bound_to == server_id]


def _drop(project: Project, image: Image) -> None:
    """Delete an image, keeping what servers that were made from it say of it."""
    if any(server.image_id == image.id for server in project.tables.servers.values()):
        image.deleted = project.now()
        image.bound_to = None
    else:
        del project.tables.images[image.id]


def _any_in(call: Call) -> AnyImage:
    number = call.number("image")
    image = _own(call.project, number) or call.project.catalogue.image_by_id(number)
    if image is None:
        raise not_found("image", number)
    return image


def _own_in(call: Call) -> Image:
    image = _any_in(call)
    if not isinstance(image, Image):
        raise ApiError("forbidden", "only images of type snapshot and backup can be changed")
    return image


def _listed(call: Call) -> Reply:
    images: list[AnyImage] = [*call.project.catalogue.images, *_living(call.project)]
    if call.last("label_selector"):  # a system image has no labels, and no selector to say so fits it
        images = list(by_labels(call, _living(call.project)))
    shown = [show_any(call.project, image) for image in images]
    shown = by_fields(call, shown, {name: functools.partial(_text, name) for name in FILTERS})
    return page(call, "images", in_order(call, shown, {name: functools.partial(_key, name) for name in ORDERS}))


def _text(field: str, image: Json) -> str:
    return str(image[field] or "")


def _key(field: str, image: Json) -> int | str:
    return int(image["id"]) if field == "id" else _text(field, image)


def _one(call: Call) -> Reply:
    return _reply(call, _any_in(call))


def _update(call: Call) -> Reply:
    image, wanted = _own_in(call), call.read(UpdateImage)
    if wanted.labels is not None:
        check_labels(wanted.labels)
        image.labels = dict(wanted.labels)
    if wanted.description is not None:
        image.description = wanted.description
    if wanted.type is not None:
        image.type, image.bound_to = "snapshot", None
    return _reply(call, image)


def _delete(call: Call) -> Reply:
    image = _own_in(call)
    check_unprotected("image deletion", protected=image.delete_protected)
    if image.status == "creating":
        raise ApiError("locked", "image is still being created")
    _drop(call.project, image)
    return Reply(status=204)


def _change_protection(call: Call) -> Reply:
    image, wanted = _own_in(call), call.read(Protection)
    if image.type != "snapshot":
        raise invalid_input(("type", "only snapshots can be protected"))
    if wanted.delete is not None:
        image.delete_protected = wanted.delete
    return call.project.acted("change_protection", ("image", image.id))


def _reply(call: Call, image: AnyImage) -> Reply:
    return Reply(status=200, body={"image": show_any(call.project, image)})


ROUTES = (
    Route(method="GET", pattern="/images", handler=_listed),
    *action_routes("image", "images", lambda call: call.number("image")),
    Route(method="GET", pattern="/images/*", handler=_one),
    Route(method="PUT", pattern="/images/*", handler=_update),
    Route(method="DELETE", pattern="/images/*", handler=_delete),
    Route(method="POST", pattern="/images/*/actions/change_protection", handler=_change_protection),
)

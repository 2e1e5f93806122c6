"""What can be done to a server: power, size, disk, backups, locks, passwords, placement.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#server-actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.images import create_image, find_image, forget_backups, forget_unused_images
from lab.cloud.placement_groups import joinable_group
from lab.cloud.primary_ip_actions import set_pointer
from lab.cloud.primary_ips import address_of
from lab.cloud.project import show_action
from lab.cloud.reply import ApiError, Reply, invalid_input
from lab.cloud.resource import Protection, check_unprotected
from lab.cloud.server_creation import check_capacity, check_user_data, unsupported_location
from lab.cloud.servers import SERVERS, check_unlocked
from lab.cloud.ssh_keys import find_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.cloud.records import Server

BACKUP_WINDOW = "22-02"


class ChangeType(Body):
    """The body of `change_type`."""

    server_type: str | int
    upgrade_disk: bool


class Rebuild(Body):
    """The body of `rebuild`; without user data the old ones stay."""

    image: str | int
    user_data: str | None = None


class EnableRescue(Body):
    """The body of `enable_rescue`."""

    type: Literal["linux64"] = "linux64"
    ssh_keys: list[int] = Field(default_factory=list)


class JoinGroup(Body):
    """The body of `add_to_placement_group`."""

    placement_group: int


def _poweron(server: Server) -> None:
    if not server.running:
        server.running = True
        server.boot += 1


def _poweroff(server: Server) -> None:
    server.running = False


def _restart(server: Server) -> None:
    if server.running:
        server.boot += 1


def _enable_backup(server: Server) -> None:
    server.backup_window = BACKUP_WINDOW


def _unlocked(call: Call) -> Server:
    """Return the server of the path, refusing one that a command keeps locked."""
    server = SERVERS.named_in(call)
    check_unlocked(call.project, server)
    return server


def _stopped(call: Call) -> Server:
    server = _unlocked(call)
    if server.running:
        raise ApiError("server_not_stopped", "server must be stopped")
    return server


def _plain(verb: str, command: str, effect: Callable[[Server], None]) -> Route:
    """Return the route of a verb without a body."""

    def handler(call: Call) -> Reply:
        server = _unlocked(call)
        before = server.boot
        effect(server)
        if server.boot != before:
            # The world has no rescue system: a server that is in it stays down there, for this one boot.
            server.dead = call.project.settings.no_boot or server.rescue
            server.rescue = False
        return call.project.acted(command, ("server", server.id))

    return Route(method="POST", pattern=f"/servers/*/actions/{verb}", handler=handler)


def _change_type(call: Call) -> Reply:
    server, wanted, project = _stopped(call), call.read(ChangeType), call.project
    kind = project.catalogue.server_type(wanted.server_type)
    old = project.catalogue.server_type(server.server_type)
    if kind is None or old is None or kind.architecture != old.architecture:
        raise ApiError("invalid_server_type", "invalid server type")
    if kind.disk < server.primary_disk_size:
        raise ApiError("invalid_server_type", "the disk of the server is larger than that of the server type")
    if server.location not in kind.locations:
        raise unsupported_location()
    check_capacity(project, kind, server.location)
    server.server_type = kind.name
    if wanted.upgrade_disk:
        server.primary_disk_size = kind.disk
    return project.acted("change_server_type", ("server", server.id))


def _rebuild(call: Call) -> Reply:
    server, wanted, project = _unlocked(call), call.read(Rebuild), call.project
    check_unprotected("server rebuild", protected=server.rebuild_protected)
    kind = project.catalogue.server_type(server.server_type)
    image = find_image(project, wanted.image, kind.architecture if kind else "x86", server.primary_disk_size)
    if wanted.user_data is not None:
        check_user_data(wanted.user_data)
        server.user_data = wanted.user_data
    server.image_id = image.id
    forget_unused_images(project)
    server.rebuild += 1
    server.boot += 1
    server.running = True
    server.dead = project.settings.no_boot
    action = project.start_action("rebuild_server", ("server", server.id))
    password = None if server.public_keys else project.password()
    return Reply(status=201, body={"action": show_action(action), "root_password": password})


def _create_image(call: Call) -> Reply:
    return create_image(call, _unlocked(call))


def _disable_backup(call: Call) -> Reply:
    server = _unlocked(call)
    server.backup_window = None
    forget_backups(call.project, server.id)
    return call.project.acted("disable_backup", ("server", server.id))


def _enable_rescue(call: Call) -> Reply:
    server, wanted, project = _unlocked(call), call.read(EnableRescue), call.project
    if server.rescue:
        raise ApiError("conflict", "the rescue system is already enabled")
    for key in wanted.ssh_keys:
        find_key(project, key)
    server.rescue = True
    action = project.start_action("enable_rescue", ("server", server.id))
    return Reply(status=201, body={"action": show_action(action), "root_password": project.password()})


def _disable_rescue(call: Call) -> Reply:
    server = _unlocked(call)
    if not server.rescue:
        raise ApiError("conflict", "the rescue system is not enabled")
    server.rescue = False
    return call.project.acted("disable_rescue", ("server", server.id))


def _reset_password(call: Call) -> Reply:
    server = _unlocked(call)
    if not server.running:
        raise ApiError("server_not_running", "server must be running")
    action = call.project.start_action("reset_password", ("server", server.id))
    return Reply(status=201, body={"action": show_action(action), "root_password": call.project.password()})


def _change_protection(call: Call) -> Reply:
    server, wanted = SERVERS.named_in(call), call.read(Protection)
    delete = server.delete_protected if wanted.delete is None else wanted.delete
    rebuild = server.rebuild_protected if wanted.rebuild is None else wanted.rebuild
    if delete != rebuild:
        # The reference: "currently delete and rebuild protection have to be set together".
        raise invalid_input(("delete", "must be the same as rebuild"))
    server.delete_protected, server.rebuild_protected = delete, rebuild
    return call.project.acted("change_protection", ("server", server.id))


def _change_dns_ptr(call: Call) -> Reply:
    server, project = SERVERS.named_in(call), call.project
    addresses = [address_of(project, server.id, "ipv4"), address_of(project, server.id, "ipv6")]
    set_pointer(call, [address for address in addresses if address is not None])
    return project.acted("change_dns_ptr", ("server", server.id))


def _add_to_placement_group(call: Call) -> Reply:
    server, wanted = _stopped(call), call.read(JoinGroup)
    if server.placement_group is not None:
        raise ApiError("placement_error", "server is already in a placement group")
    server.placement_group = joinable_group(call.project, wanted.placement_group).id
    return call.project.acted("add_to_placement_group", ("server", server.id))


def _remove_from_placement_group(call: Call) -> Reply:
    server = _unlocked(call)
    if server.placement_group is None:
        raise ApiError("placement_error", "server is in no placement group")
    server.placement_group = None
    return call.project.acted("remove_from_placement_group", ("server", server.id))


def _route(verb: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method="POST", pattern=f"/servers/*/actions/{verb}", handler=handler)


ROUTES = (
    _plain("poweron", "start_server", _poweron),
    _plain("poweroff", "stop_server", _poweroff),
    _plain("shutdown", "shutdown_server", _poweroff),
    _plain("reboot", "reboot_server", _restart),
    _plain("reset", "reset_server", _restart),
    _plain("enable_backup", "enable_backup", _enable_backup),
    _route("disable_backup", _disable_backup),
    _route("create_image", _create_image),
    _route("change_type", _change_type),
    _route("rebuild", _rebuild),
    _route("reset_password", _reset_password),
    _route("enable_rescue", _enable_rescue),
    _route("disable_rescue", _disable_rescue),
    _route("change_protection", _change_protection),
    _route("change_dns_ptr", _change_dns_ptr),
    _route("add_to_placement_group", _add_to_placement_group),
    _route("remove_from_placement_group", _remove_from_placement_group),
)

"""Servers: how they are seen, renamed and deleted.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#servers. Creation stands in `server_creation`, what
can be done to a server in `server_actions`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lab.cloud.call import Call, Route
from lab.cloud.catalogue_routes import INCLUDED_TRAFFIC_BYTES, show_location, show_server_type
from lab.cloud.firewalls import firewalls_of, forget_server
from lab.cloud.floating_ips import floating_ips_of, release_floating_ips
from lab.cloud.images import forget_backups, forget_unused_images, image_of, show_any
from lab.cloud.placement_groups import show_group
from lab.cloud.primary_ips import address_of, release_addresses, show_pointers
from lab.cloud.project import show_action
from lab.cloud.reply import ApiError, Reply, invalid_input
from lab.cloud.resource import Named, Resource, check_unprotected

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.records import PrimaryIp, PrivateNet, Server
    from lab.cloud.reply import Json

# RFC 1123: labels of letters, digits and hyphens, 63 characters each, 253 in all.
HOST_NAME = re.compile(r"(?=.{1,253}$)(?:(?!-)[A-Za-z0-9-]{1,63}(?<!-)\.)*(?!-)[A-Za-z0-9-]{1,63}(?<!-)")

# What a server is said to be while a command is under way.
STATUS_DURING = {
    "create_server": "initializing",
    "start_server": "starting",
    "stop_server": "stopping",
    "shutdown_server": "stopping",
    "rebuild_server": "rebuilding",
    "change_server_type": "migrating",
}
# Commands that keep a server locked: a second one meets 423.
LOCKING = frozenset(
    {
        *STATUS_DURING,
        "create_image",
        "reboot_server",
        "reset_server",
        "enable_backup",
        "disable_backup",
        "enable_rescue",
        "disable_rescue",
    }
)


def status_of(project: Project, server: Server) -> str:
    """Return a server's status in Hetzner's words."""
    for command in project.running_commands("server", server.id):
        if command in STATUS_DURING:
            return STATUS_DURING[command]
    return "running" if server.running else "off"


def check_unlocked(project: Project, server: Server) -> None:
    """Refuse to touch a server while a command is under way.

    Raises:
        ApiError: `locked`.
    """
    busy = LOCKING.intersection(project.running_commands("server", server.id))
    if busy:
        raise ApiError("locked", f"server is locked by {min(busy)}")


def check_host_name(name: str) -> None:
    """Refuse a name that is no host name.

    Raises:
        ApiError: `invalid_input`.
    """
    if not HOST_NAME.fullmatch(name):
        raise invalid_input(("name", "must be a valid hostname"))


def _show(project: Project, server: Server) -> Json:
    catalogue = project.catalogue
    kind = catalogue.server_type(server.server_type)
    image = image_of(project, server.image_id)
    place = catalogue.location(server.location)
    group = project.tables.placement_groups.get(server.placement_group or 0)
    ipv4 = address_of(project, server.id, "ipv4")
    ipv6 = address_of(project, server.id, "ipv6")
    return {
        "id": server.id,
        "name": server.name,
        "status": status_of(project, server),
        "created": server.created,
        "public_net": {
            "ipv4": None if ipv4 is None else {**_show_address(ipv4), "dns_ptr": _pointer(ipv4)},
            "ipv6": None if ipv6 is None else {**_show_address(ipv6), "dns_ptr": show_pointers(ipv6)},
            "floating_ips": floating_ips_of(project, server.id),
            "firewalls": [{"id": firewall.id, "status": "applied"} for firewall in firewalls_of(project, server)],
        },
        "private_net": [_show_private(net) for net in server.private_nets],
        "server_type": show_server_type(project, kind) if kind else None,
        "location": show_location(place) if place else None,
        "image": show_any(project, image) if image else None,
        "iso": None,
        "rescue_enabled": server.rescue,
        "locked": False,  # by Hetzner; a running action answers 423 and does not show here
        "backup_window": server.backup_window,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": INCLUDED_TRAFFIC_BYTES,
        "protection": {"delete": server.delete_protected, "rebuild": server.rebuild_protected},
        "labels": dict(server.labels),
        "volumes": [v.id for v in project.tables.volumes.values() if v.server == server.id],
        "load_balancers": [],
        "primary_disk_size": server.primary_disk_size,
        "placement_group": show_group(project, group) if group else None,
    }


def _show_address(address: PrimaryIp) -> Json:
    return {"id": address.id, "ip": address.ip, "blocked": False}


def _show_private(net: PrivateNet) -> Json:
    return {
        "network": net.network,
        "ip": net.ip,
        "alias_ips": list(net.alias_ips),
        "mac_address": net.mac_address,
    }


def _pointer(address: PrimaryIp) -> str:
    """Return an IPv4 address's reverse DNS name, made up like Hetzner's where none was set."""
    reverse = ".".join(reversed(address.ip.split(".")))
    return address.dns_ptr.get(address.ip, f"static.{reverse}.clients.example.net")


SERVERS = Resource(
    singular="server",
    plural="servers",
    table=lambda project: project.tables.servers,
    show=_show,
    filters={"status": status_of},
)


def _update(call: Call) -> Reply:
    server = SERVERS.named_in(call)
    name = call.read(Named).name
    if name is not None:
        check_host_name(name)
    SERVERS.rename(call, server)
    return SERVERS.reply(call, server)


def _delete(call: Call) -> Reply:
    server, project = SERVERS.named_in(call), call.project
    check_unprotected("server deletion", protected=server.delete_protected)
    check_unlocked(project, server)
    release_addresses(project, server.id)
    release_floating_ips(project, server.id)
    forget_server(project, server.id)
    for volume in project.tables.volumes.values():
        if volume.server == server.id:
            volume.server = None
    forget_backups(project, server.id)
    del project.tables.servers[server.id]
    forget_unused_images(project)
    action = project.start_action("delete_server", ("server", server.id))
    return Reply(status=200, body={"action": show_action(action)})


ROUTES = (
    *SERVERS.routes(),
    Route(method="PUT", pattern="/servers/*", handler=_update),
    Route(method="DELETE", pattern="/servers/*", handler=_delete),
)

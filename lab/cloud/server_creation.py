"""How a server is made: everything is checked first, then everything is made, so that a refusal leaves nothing.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#servers-create-a-server (user data of 32 KiB, names as in
RFC 1123).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.firewalls import FIREWALLS, FIREWALLS_OF_A_SERVER_MAX
from lab.cloud.images import find_image
from lab.cloud.labels import check_labels
from lab.cloud.placement_groups import joinable_group
from lab.cloud.primary_ips import PRIMARY_IPS, check_assignable, make_address
from lab.cloud.project import show_action
from lab.cloud.records import AddressType, PrimaryIp, Server
from lab.cloud.reply import ApiError, Reply, invalid_input
from lab.cloud.server_networks import attach, attachable_networks
from lab.cloud.servers import SERVERS, check_host_name
from lab.cloud.ssh_keys import find_key
from lab.cloud.volumes import attachable_volume

if TYPE_CHECKING:
    from lab.cloud.catalogue import Location, ServerType
    from lab.cloud.project import Project

USER_DATA_BYTES_MAX = 32768


class PublicNet(Body):
    """Which public addresses a server gets: given ones by id, else new ones."""

    enable_ipv4: bool = True
    enable_ipv6: bool = True
    ipv4: int | None = None
    ipv6: int | None = None


class FirewallReference(Body):
    """A firewall named by id."""

    firewall: int


class CreateServer(Body):
    """The body of POST /servers."""

    name: str
    server_type: str | int
    image: str | int
    location: str | int | None = None
    ssh_keys: list[int | str] = Field(default_factory=list)
    volumes: list[int] = Field(default_factory=list)
    networks: list[int] = Field(default_factory=list)
    firewalls: list[FirewallReference] = Field(default_factory=list)
    automount: bool = False
    user_data: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    start_after_create: bool = True
    placement_group: int | None = None
    public_net: PublicNet = PublicNet()


def check_capacity(project: Project, kind: ServerType, location: str) -> None:
    """Refuse what the lab was told to be out of.

    Raises:
        ApiError: `resource_unavailable`.
    """
    if not project.settings.has_capacity(kind.name, location):
        raise ApiError("resource_unavailable", f"server type {kind.name} is not available in {location}")


def unsupported_location() -> ApiError:
    """Return the refusal of a server type that its location does not have, in Hetzner's own words."""
    details = {"fields": [{"name": "location", "messages": ["unsupported location for server type"]}]}
    return ApiError("invalid_input", "unsupported location for server type", details)


def check_user_data(user_data: str) -> None:
    """Refuse user data that is too long.

    Raises:
        ApiError: `invalid_input`.
    """
    if len(user_data.encode()) > USER_DATA_BYTES_MAX:
        raise invalid_input(("user_data", f"is longer than {USER_DATA_BYTES_MAX} bytes"))


def _create(call: Call) -> Reply:
    wanted = call.read(CreateServer)
    project = call.project
    check_host_name(wanted.name)
    check_labels(wanted.labels)
    check_user_data(wanted.user_data)
    SERVERS.check_name(project, wanted.name)
    kind, place = _kind_and_place(project, wanted)
    image = find_image(project, wanted.image, kind.architecture, kind.disk)
    keys = [find_key(project, key) for key in wanted.ssh_keys]
    firewalls = list({f.firewall: FIREWALLS.get(project, f.firewall) for f in wanted.firewalls}.values())
    if len(firewalls) > FIREWALLS_OF_A_SERVER_MAX:
        text = f"a server takes {FIREWALLS_OF_A_SERVER_MAX} firewalls at most"
        raise ApiError("resource_limit_exceeded", text)
    volumes = [attachable_volume(project, number, place.name) for number in wanted.volumes]
    if wanted.placement_group is not None:
        joinable_group(project, wanted.placement_group)
    given = _given_addresses(project, wanted.public_net, place.name, alone=not wanted.networks)
    networks = attachable_networks(project, wanted.networks, place.network_zone)
    if len(project.tables.servers) >= project.settings.server_limit:
        text = f"a project holds {project.settings.server_limit} servers at most"
        raise ApiError("resource_limit_exceeded", text)
    check_capacity(project, kind, place.name)

    server = Server(
        id=project.new_id(),
        name=wanted.name,
        created=project.now(),
        labels=dict(wanted.labels),
        server_type=kind.name,
        image_id=image.id,
        location=place.name,
        primary_disk_size=kind.disk,
        user_data=wanted.user_data,
        public_keys=[key.public_key for key in keys],
        placement_group=wanted.placement_group,
        running=wanted.start_after_create,
        boot=int(wanted.start_after_create),
        dead=wanted.start_after_create and project.settings.no_boot,
    )
    for address in _addresses(project, wanted.public_net, given, place.name):
        address.assignee_id = server.id
    project.tables.servers[server.id] = server
    for firewall in firewalls:
        firewall.servers.append(server.id)
    for volume in volumes:
        volume.server, volume.automount = server.id, wanted.automount
    for network in networks:
        attach(project, server, network)
    return _answer(call, server, wanted)


def _answer(call: Call, server: Server, wanted: CreateServer) -> Reply:
    project, own = call.project, ("server", server.id)
    action = project.start_action("create_server", own)
    following = [project.start_action("start_server", own)] if wanted.start_after_create else []
    following += [project.start_action("attach_to_network", own, ("network", n)) for n in wanted.networks]
    following += [project.start_disk_action("attach_volume", own, ("volume", v)) for v in wanted.volumes]
    return SERVERS.reply(
        call,
        server,
        201,
        action=show_action(action),
        next_actions=[show_action(one) for one in following],
        root_password=None if wanted.ssh_keys else project.password(),
    )


def _kind_and_place(project: Project, wanted: CreateServer) -> tuple[ServerType, Location]:
    kind = project.catalogue.server_type(wanted.server_type)
    if kind is None:
        raise invalid_input(("server_type", f"{wanted.server_type!r} does not exist"))
    place = project.catalogue.location(kind.locations[0] if wanted.location is None else wanted.location)
    if place is None:
        raise invalid_input(("location", f"{wanted.location!r} does not exist"))
    if place.name not in kind.locations:
        raise unsupported_location()
    return kind, place


def _given_addresses(
    project: Project, wanted: PublicNet, location: str, *, alone: bool
) -> dict[AddressType, PrimaryIp]:
    """Return the addresses that are named by id, checked; a server in no network, `alone`, needs one."""
    if alone and not (wanted.enable_ipv4 or wanted.enable_ipv6):
        raise invalid_input(("public_net", "a server without networks needs an IPv4 or an IPv6 address"))
    given: dict[AddressType, PrimaryIp] = {}
    asked: tuple[tuple[AddressType, bool, int | None], ...] = (
        ("ipv4", wanted.enable_ipv4, wanted.ipv4),
        ("ipv6", wanted.enable_ipv6, wanted.ipv6),
    )
    for kind, enabled, number in asked:
        if number is None:
            continue
        if not enabled:
            raise invalid_input((f"public_net.{kind}", f"is given although {kind} is not enabled"))
        address = PRIMARY_IPS.get(project, number)
        check_assignable(address, kind, location)
        given[kind] = address
    return given


def _addresses(
    project: Project, wanted: PublicNet, given: dict[AddressType, PrimaryIp], location: str
) -> list[PrimaryIp]:
    """Return the given addresses, and new ones that go with the server for what was not given."""
    kinds: list[AddressType] = []
    kinds += ["ipv4"] if wanted.enable_ipv4 else []
    kinds += ["ipv6"] if wanted.enable_ipv6 else []
    return [
        given[kind]
        if kind in given
        else make_address(project, name=None, kind=kind, location=location, auto_delete=True, labels={})
        for kind in kinds
    ]


ROUTES = (Route(method="POST", pattern="/servers", handler=_create),)

"""Private networks: ranges that servers can be attached to.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#networks. What can be done to a network stands in
`network_actions`, attaching servers in `server_networks`. The world behind the lab has public networks only.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.labels import check_labels
from lab.cloud.network_ranges import check_route, network_range, subnet_range
from lab.cloud.records import Network, NetworkRoute, Subnet
from lab.cloud.reply import ApiError, Reply, invalid_input
from lab.cloud.resource import Resource, check_unprotected

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.records import Server
    from lab.cloud.reply import Json


class SubnetBody(Body):
    """A subnet as a client asks for it; without a range it gets the first free /24."""

    type: Literal["cloud", "server", "vswitch"]
    network_zone: str
    ip_range: str | None = None


class RouteBody(Body):
    """A route as a client names it."""

    destination: str
    gateway: str


class CreateNetwork(Body):
    """The body of POST /networks."""

    name: str
    ip_range: str
    subnets: list[SubnetBody] = Field(default_factory=list)
    routes: list[RouteBody] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    expose_routes_to_vswitch: bool = False


class UpdateNetwork(Body):
    """The part of PUT /networks/{id} that is its own."""

    expose_routes_to_vswitch: bool | None = None


def attached_servers(project: Project, network_id: int) -> list[Server]:
    """Return the servers that are attached to a network."""
    servers = project.tables.servers.values()
    return [server for server in servers if any(net.network == network_id for net in server.private_nets)]


def enter_subnet(project: Project, network: Network, wanted: SubnetBody) -> None:
    """Give a network a subnet.

    Raises:
        ApiError: `invalid_input`, `resource_limit_exceeded`; `not_implemented` for vSwitches.
    """
    if wanted.type == "vswitch":
        raise ApiError("not_implemented", "the lab does not model vSwitches")
    if wanted.network_zone not in {place.network_zone for place in project.catalogue.locations}:
        raise invalid_input(("network_zone", f"{wanted.network_zone!r} does not exist"))
    found = subnet_range(network, wanted.ip_range)
    network.subnets.append(Subnet(type=wanted.type, ip_range=str(found), network_zone=wanted.network_zone))


def enter_route(network: Network, wanted: RouteBody) -> None:
    """Give a network a route.

    Raises:
        ApiError: `invalid_input`, `resource_limit_exceeded`.
    """
    check_route(network, wanted.destination, wanted.gateway)
    network.routes.append(NetworkRoute(destination=wanted.destination, gateway=wanted.gateway))


def _show(project: Project, network: Network) -> Json:
    gateway = str(IPv4Network(network.ip_range)[1])
    return {
        "id": network.id,
        "name": network.name,
        "ip_range": network.ip_range,
        "subnets": [
            {"type": s.type, "ip_range": s.ip_range, "network_zone": s.network_zone, "gateway": gateway}
            for s in network.subnets
        ],
        "routes": [{"destination": r.destination, "gateway": r.gateway} for r in network.routes],
        "servers": [server.id for server in attached_servers(project, network.id)],
        "load_balancers": [],
        "protection": {"delete": network.delete_protected},
        "labels": dict(network.labels),
        "created": network.created,
        "expose_routes_to_vswitch": network.expose_routes_to_vswitch,
    }


NETWORKS = Resource(
    singular="network",
    plural="networks",
    table=lambda project: project.tables.networks,
    show=_show,
)


def _create(call: Call) -> Reply:
    wanted, project = call.read(CreateNetwork), call.project
    check_labels(wanted.labels)
    NETWORKS.check_name(project, wanted.name)
    network = Network(
        id=0,  # a number is taken once nothing is refused any more
        name=wanted.name,
        created=project.now(),
        labels=dict(wanted.labels),
        ip_range=str(network_range(wanted.ip_range)),
        expose_routes_to_vswitch=wanted.expose_routes_to_vswitch,
    )
    for subnet in wanted.subnets:
        enter_subnet(project, network, subnet)
    for route in wanted.routes:
        enter_route(network, route)
    network.id = project.new_id()
    project.tables.networks[network.id] = network
    return NETWORKS.reply(call, network, 201)


def _update(call: Call) -> Reply:
    network, wanted = NETWORKS.named_in(call), call.read(UpdateNetwork)
    NETWORKS.rename(call, network)
    if wanted.expose_routes_to_vswitch is not None:
        network.expose_routes_to_vswitch = wanted.expose_routes_to_vswitch
    return NETWORKS.reply(call, network)


def _delete(call: Call) -> Reply:
    network = NETWORKS.named_in(call)
    check_unprotected("network deletion", protected=network.delete_protected)
    # The reference: servers that are still attached are detached in the background.
    for server in attached_servers(call.project, network.id):
        server.private_nets = [net for net in server.private_nets if net.network != network.id]
    del call.project.tables.networks[network.id]
    return Reply(status=204)


ROUTES = (
    *NETWORKS.routes(),
    Route(method="POST", pattern="/networks", handler=_create),
    Route(method="PUT", pattern="/networks/*", handler=_update),
    Route(method="DELETE", pattern="/networks/*", handler=_delete),
)

"""What can be done to a network: subnets, routes, a larger range, the lock.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#network-actions.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from lab.cloud.call import Body, Call, Route
from lab.cloud.network_ranges import grown_range, prefix_of
from lab.cloud.networks import NETWORKS, RouteBody, SubnetBody, attached_servers, enter_route, enter_subnet
from lab.cloud.records import NetworkRoute
from lab.cloud.reply import ApiError, Reply, not_found
from lab.cloud.resource import Protection

if TYPE_CHECKING:
    from collections.abc import Callable


class Range(Body):
    """The body of `delete_subnet` and of `change_ip_range`."""

    ip_range: str


def _add_subnet(call: Call) -> Reply:
    network = NETWORKS.named_in(call)
    enter_subnet(call.project, network, call.read(SubnetBody))
    return call.project.acted("add_subnet", ("network", network.id))


def _delete_subnet(call: Call) -> Reply:
    network = NETWORKS.named_in(call)
    going = prefix_of(call.read(Range).ip_range, "ip_range")
    left = [subnet for subnet in network.subnets if subnet.ip_range != str(going)]
    if len(left) == len(network.subnets):
        raise not_found("subnet", str(going))
    if _inhabited(call, network.id, going):
        raise ApiError("resource_in_use", "servers are still attached to the subnet")
    network.subnets = left
    return call.project.acted("delete_subnet", ("network", network.id))


def _add_route(call: Call) -> Reply:
    network = NETWORKS.named_in(call)
    enter_route(network, call.read(RouteBody))
    return call.project.acted("add_route", ("network", network.id))


def _delete_route(call: Call) -> Reply:
    network, wanted = NETWORKS.named_in(call), call.read(RouteBody)
    going = NetworkRoute(destination=wanted.destination, gateway=wanted.gateway)
    if going not in network.routes:
        raise not_found("route", wanted.destination)
    network.routes.remove(going)
    return call.project.acted("delete_route", ("network", network.id))


def _change_ip_range(call: Call) -> Reply:
    network = NETWORKS.named_in(call)
    network.ip_range = str(grown_range(network, call.read(Range).ip_range))
    return call.project.acted("change_ip_range", ("network", network.id))


def _change_protection(call: Call) -> Reply:
    network, wanted = NETWORKS.named_in(call), call.read(Protection)
    if wanted.delete is not None:
        network.delete_protected = wanted.delete
    return call.project.acted("change_protection", ("network", network.id))


def _inhabited(call: Call, network_id: int, subnet: IPv4Network) -> bool:
    """Tell whether a server has an address of a subnet, be it an alias."""
    return any(
        IPv4Address(ip) in subnet
        for server in attached_servers(call.project, network_id)
        for net in server.private_nets
        if net.network == network_id
        for ip in (net.ip, *net.alias_ips)
    )


def _route(verb: str, handler: Callable[[Call], Reply]) -> Route:
    return Route(method="POST", pattern=f"/networks/*/actions/{verb}", handler=handler)


ROUTES = (
    _route("add_subnet", _add_subnet),
    _route("delete_subnet", _delete_subnet),
    _route("add_route", _add_route),
    _route("delete_route", _delete_route),
    _route("change_ip_range", _change_ip_range),
    _route("change_protection", _change_protection),
)

"""Servers in networks: attach, detach, and further addresses of an interface.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#server-actions-attach-a-server-to-a-network.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from pydantic import Field

from lab.cloud.addresses import take_private_mac
from lab.cloud.call import Body, Call, Route
from lab.cloud.network_ranges import host_of, is_usable, overlap, prefix_of, usable_hosts
from lab.cloud.networks import NETWORKS
from lab.cloud.primary_ips import place_of
from lab.cloud.records import PrivateNet
from lab.cloud.reply import ApiError, Reply, not_found
from lab.cloud.servers import SERVERS, check_unlocked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cloud.project import Project
    from lab.cloud.records import Network, Server, Subnet

# As Hetzner's console refuses them; neither the reference nor its documentation names these two.
NETWORKS_OF_A_SERVER_MAX = 3
ALIASES_OF_AN_INTERFACE_MAX = 5


class Attach(Body):
    """The body of `attach_to_network`: an address, or a subnet to take one from, or neither."""

    network: int
    ip: str | None = None
    ip_range: str | None = None
    alias_ips: list[str] = Field(default_factory=list)


class Detach(Body):
    """The body of `detach_from_network`."""

    network: int


class ChangeAliases(Body):
    """The body of `change_alias_ips`: all that there shall be."""

    network: int
    alias_ips: list[str]


def attachable_networks(project: Project, numbers: Sequence[int], zone: str) -> list[Network]:
    """Return networks that a new server of a network zone can be attached to, all at once.

    Raises:
        ApiError: `not_found`, `server_already_attached`, `networks_overlap`, `no_subnet_available`,
            `resource_limit_exceeded`.
    """
    chosen: list[Network] = []
    for number in numbers:
        network = NETWORKS.get(project, number)
        _check_company(network, chosen)
        _free_address(project, network, _subnets(network, zone))
        chosen.append(network)
    return chosen


def attach(
    project: Project,
    server: Server,
    network: Network,
    *,
    ip: IPv4Address | None = None,
    ip_range: str | None = None,
    aliases: Sequence[IPv4Address] = (),
) -> None:
    """Attach a server to a network.

    Args:
        project: Who owns both.
        server: A server that is not attached to it.
        network: The network.
        ip: Its address; None takes the first free one.
        ip_range: The subnet it shall come from; None is any of the server's network zone.
        aliases: Its further addresses, already checked.

    Raises:
        ApiError: `ip_not_available`, `no_subnet_available`.
    """
    subnets = _subnets(network, place_of(project, server.location).network_zone, ip_range)
    if ip is None:
        ip = _free_address(project, network, subnets, but=aliases)
    else:
        _check_free(project, network, subnets, ip)
    net = PrivateNet(
        network=network.id,
        ip=str(ip),
        mac_address=take_private_mac(project.ledger),
        alias_ips=[str(alias) for alias in aliases],
    )
    server.private_nets.append(net)


def _attach(call: Call) -> Reply:
    server, wanted, project = SERVERS.named_in(call), call.read(Attach), call.project
    check_unlocked(project, server)
    network = NETWORKS.get(project, wanted.network)
    _check_company(network, [NETWORKS.get(project, net.network) for net in server.private_nets])
    ip = None if wanted.ip is None else host_of(wanted.ip, "ip")
    aliases = _aliases(project, server, network, wanted.alias_ips, ip)
    attach(project, server, network, ip=ip, ip_range=wanted.ip_range, aliases=aliases)
    return project.acted("attach_to_network", ("server", server.id), ("network", network.id))


def _detach(call: Call) -> Reply:
    server, network_id = SERVERS.named_in(call), call.read(Detach).network
    check_unlocked(call.project, server)
    server.private_nets.remove(_interface(server, network_id))
    return call.project.acted("detach_from_network", ("server", server.id), ("network", network_id))


def _change_alias_ips(call: Call) -> Reply:
    server, wanted, project = SERVERS.named_in(call), call.read(ChangeAliases), call.project
    check_unlocked(project, server)
    net = _interface(server, wanted.network)
    network = NETWORKS.get(project, wanted.network)
    before, net.alias_ips = net.alias_ips, []  # what it has may be asked for again
    try:
        net.alias_ips = [str(alias) for alias in _aliases(project, server, network, wanted.alias_ips, None)]
    except ApiError:
        net.alias_ips = before
        raise
    return project.acted("change_alias_ips", ("server", server.id), ("network", network.id))


def _check_company(network: Network, others: Sequence[Network]) -> None:
    """Refuse a network that does not go together with those that a server is in."""
    if network in others:
        raise ApiError("server_already_attached", f"server is already attached to network {network.id}")
    if len(others) >= NETWORKS_OF_A_SERVER_MAX:
        raise ApiError("resource_limit_exceeded", f"a server is in {NETWORKS_OF_A_SERVER_MAX} networks at most")
    if overlap(network, others):
        raise ApiError("networks_overlap", "the network's range overlaps with that of another network of the server")


def _interface(server: Server, network_id: int) -> PrivateNet:
    for net in server.private_nets:
        if net.network == network_id:
            return net
    raise not_found("network", network_id)


def _subnets(network: Network, zone: str, ip_range: str | None = None) -> list[Subnet]:
    """Return the subnets of a network zone, or the one that is asked for."""
    wanted = None if ip_range is None else str(prefix_of(ip_range, "ip_range"))
    found = [s for s in network.subnets if s.network_zone == zone and wanted in (None, s.ip_range)]
    if not found:
        raise ApiError("no_subnet_available", f"the network has no such subnet in {zone}")
    return found


def _taken(project: Project, network: Network) -> set[IPv4Address]:
    return {
        IPv4Address(ip)
        for server in project.tables.servers.values()
        for net in server.private_nets
        if net.network == network.id
        for ip in (net.ip, *net.alias_ips)
    }


def _free_address(
    project: Project, network: Network, subnets: Sequence[Subnet], but: Sequence[IPv4Address] = ()
) -> IPv4Address:
    taken = _taken(project, network).union(but)
    for subnet in subnets:
        for host in usable_hosts(network, subnet):
            if host not in taken:
                return host
    raise ApiError("no_subnet_available", "no address is left in the network's subnets")


def _check_free(project: Project, network: Network, subnets: Sequence[Subnet], host: IPv4Address) -> None:
    usable = any(is_usable(network, subnet, host) for subnet in subnets)
    if not usable or host in _taken(project, network):
        raise ApiError("ip_not_available", f"address {host} is not available")


def _aliases(
    project: Project, server: Server, network: Network, wanted: Sequence[str], ip: IPv4Address | None
) -> list[IPv4Address]:
    """Return an interface's further addresses, each free and none twice."""
    if len(wanted) > ALIASES_OF_AN_INTERFACE_MAX:
        raise ApiError("resource_limit_exceeded", f"an interface has {ALIASES_OF_AN_INTERFACE_MAX} alias IPs at most")
    subnets = _subnets(network, place_of(project, server.location).network_zone)
    hosts: list[IPv4Address] = []
    for index, text in enumerate(wanted):
        host = host_of(text, f"alias_ips.{index}")
        _check_free(project, network, subnets, host)
        if host in hosts or host == ip:
            raise ApiError("ip_not_available", f"address {host} is asked for twice")
        hosts.append(host)
    return hosts


ROUTES = (
    Route(method="POST", pattern="/servers/*/actions/attach_to_network", handler=_attach),
    Route(method="POST", pattern="/servers/*/actions/detach_from_network", handler=_detach),
    Route(method="POST", pattern="/servers/*/actions/change_alias_ips", handler=_change_alias_ips),
)

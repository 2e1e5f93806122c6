"""What fits into a private network: its range, its subnets, its routes, and the addresses of servers.

Pure: `ipaddress` values in, refusals out.
Source: https://docs.hetzner.cloud/reference/cloud#networks and #network-actions.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING

from lab.cloud.reply import ApiError, invalid_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lab.cloud.records import Network, Subnet

PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
NETWORK_PREFIX_BITS_MAX = 24
SUBNET_PREFIX_BITS_MAX = 30
SUBNET_PREFIX_BITS_DEFAULT = 24
# As Hetzner's console refuses them; the reference names the smallest network (/24) only.
SUBNETS_MAX = 50
ROUTES_MAX = 100
METADATA_ROUTER = IPv4Address("172.31.1.1")  # the public interface's router: no private address may hide it


def network_range(text: str) -> IPv4Network:
    """Return a network's range.

    Raises:
        ApiError: `invalid_input`: no prefix, not private, or smaller than a /24.
    """
    wanted = prefix_of(text, "ip_range")
    if not any(wanted.subnet_of(block) for block in PRIVATE):
        raise invalid_input(("ip_range", "must be a private range of RFC 1918"))
    if wanted.prefixlen > NETWORK_PREFIX_BITS_MAX:
        raise invalid_input(("ip_range", f"must be a /{NETWORK_PREFIX_BITS_MAX} or larger"))
    return wanted


def prefix_of(text: str, field: str) -> IPv4Network:
    """Return an IPv4 prefix without host bits.

    Raises:
        ApiError: `invalid_input` naming the field.
    """
    try:
        return IPv4Network(text)
    except ValueError:
        raise invalid_input((field, "is not an IPv4 prefix in CIDR notation without host bits")) from None


def host_of(text: str, field: str) -> IPv4Address:
    """Return an IPv4 address.

    Raises:
        ApiError: `invalid_input` naming the field.
    """
    try:
        return IPv4Address(text)
    except ValueError:
        raise invalid_input((field, "is not an IPv4 address")) from None


def subnet_range(network: Network, text: str | None) -> IPv4Network:
    """Return the range of a new subnet: the one asked for, else the first free /24.

    Raises:
        ApiError: `invalid_input`: outside the network, too small, or over another subnet or route;
            `resource_limit_exceeded`.
    """
    if len(network.subnets) >= SUBNETS_MAX:
        raise ApiError("resource_limit_exceeded", f"a network holds {SUBNETS_MAX} subnets at most")
    whole, taken = IPv4Network(network.ip_range), [IPv4Network(subnet.ip_range) for subnet in network.subnets]
    # A default route leads out of the network, so it lies in nobody's way.
    taken += [IPv4Network(r.destination) for r in network.routes if r.destination != "0.0.0.0/0"]
    if text is None:
        for candidate in whole.subnets(new_prefix=SUBNET_PREFIX_BITS_DEFAULT):
            if not any(candidate.overlaps(other) for other in taken):
                return candidate
        raise invalid_input(("ip_range", "no free range is left in the network"))
    wanted = prefix_of(text, "ip_range")
    if not wanted.subnet_of(whole):
        raise invalid_input(("ip_range", f"is not inside the network's range {whole}"))
    if wanted.prefixlen > SUBNET_PREFIX_BITS_MAX:
        raise invalid_input(("ip_range", f"must be a /{SUBNET_PREFIX_BITS_MAX} or larger"))
    if any(wanted.overlaps(other) for other in taken):
        raise invalid_input(("ip_range", "overlaps with another subnet or route"))
    return wanted


def check_route(network: Network, destination: str, gateway: str) -> None:
    """Refuse a route that a network can't have.

    Raises:
        ApiError: `invalid_input`, `resource_limit_exceeded`.
    """
    if len(network.routes) >= ROUTES_MAX:
        raise ApiError("resource_limit_exceeded", f"a network holds {ROUTES_MAX} routes at most")
    towards, over = prefix_of(destination, "destination"), host_of(gateway, "gateway")
    whole = IPv4Network(network.ip_range)
    if over not in whole or over in (whole[1], METADATA_ROUTER):
        raise invalid_input(("gateway", f"must be inside {whole} and neither its first address nor {METADATA_ROUTER}"))
    if any(str(towards) == route.destination for route in network.routes):
        raise invalid_input(("destination", "has a route already"))
    if METADATA_ROUTER in towards and towards.prefixlen:
        raise invalid_input(("destination", f"must not cover {METADATA_ROUTER}"))
    if towards.prefixlen and any(towards.overlaps(IPv4Network(subnet.ip_range)) for subnet in network.subnets):
        raise invalid_input(("destination", "overlaps with a subnet"))


def grown_range(network: Network, text: str) -> IPv4Network:
    """Return a network's new range, which must hold the old one and begin where that began.

    Raises:
        ApiError: `invalid_input`.
    """
    wanted, old = network_range(text), IPv4Network(network.ip_range)
    if not old.subnet_of(wanted) or wanted.network_address != old.network_address:
        raise invalid_input(("ip_range", f"must begin like {old} and be no smaller"))
    return wanted


def usable_hosts(network: Network, subnet: Subnet) -> Iterator[IPv4Address]:
    """Return the addresses that servers can have in a subnet, in order.

    The first address of the network is its gateway; first and last of the subnet are nobody's.
    """
    gateway = IPv4Network(network.ip_range)[1]
    return (host for host in IPv4Network(subnet.ip_range).hosts() if host not in (gateway, METADATA_ROUTER))


def is_usable(network: Network, subnet: Subnet, host: IPv4Address) -> bool:
    """Tell whether servers can have an address of a subnet."""
    edges = (IPv4Network(subnet.ip_range)[0], IPv4Network(subnet.ip_range)[-1])
    reserved = (*edges, IPv4Network(network.ip_range)[1], METADATA_ROUTER)
    return host in IPv4Network(subnet.ip_range) and host not in reserved


def overlap(one: Network, others: Iterable[Network]) -> bool:
    """Tell whether a network's range meets another's."""
    return any(IPv4Network(one.ip_range).overlaps(IPv4Network(other.ip_range)) for other in others)

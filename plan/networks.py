"""Addresses and networks of a stack file, and what each of its keys takes of them.

Pure. A validator says *allowed; remedy*, as in `plan.values`. What is taken is written anew by `ipaddress`: no other
text gets into a configuration.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from plan.addresses import PRIVATE, SUBNET_PREFIX, TAKEN
from plan.values import domain_name


def _without_zone(value: object) -> str:
    # A zone (fe80::1%eth0) is any text at all, and means something on one host only.
    return value if isinstance(value, str) and "%" not in value else ""


def _address(value: object) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(_without_zone(value))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address like 192.0.2.53; correct it") from None
    if address.is_unspecified or address.is_multicast:
        raise ValueError("the address of one host; correct it")
    return address


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        interface = ip_interface(_without_zone(value))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 network like 192.168.1.0/24; correct it") from None
    if interface.ip != interface.network.network_address:
        raise ValueError(f"a network without host bits; write {interface.network}")
    return interface.network


def _tunnel_network(value: object) -> IPv4Network:
    network = _network(value)
    if isinstance(network, IPv6Network):
        raise ValueError("an IPv4 network like 10.0.0.0/16; the IPv6 one is farshore:network6")  # noqa: TRY004 - a fault
    if not any(network.subnet_of(private) for private in PRIVATE):
        raise ValueError(
            f"a private network (in {', '.join(map(str, PRIVATE))}); a public one belongs to somebody else"
        )
    if network.prefixlen > SUBNET_PREFIX:
        raise ValueError(f"/{SUBNET_PREFIX} or larger; each shield needs a /{SUBNET_PREFIX} of its own")
    for taken, why in TAKEN.items():
        if network.overlaps(taken):
            raise ValueError(f"a network that does not overlap {taken}; {why}, choose another")
    return network


def _unique_local(value: object) -> IPv6Network:
    network = _network(value)
    if not (
        isinstance(network, IPv6Network) and network.prefixlen == 48 and network.subnet_of(IPv6Network("fd00::/8"))
    ):
        raise ValueError("a unique local /48 in fd00::/8; leave it out to have one derived")
    return network


def _endpoint_host(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        address = None
    if address is None and (re.fullmatch(r"[0-9.]*", text) or ":" in text):
        raise ValueError("an address or a domain name; a port is written as `port`, beside it")
    if address is None:
        return domain_name(text)
    if "%" in text or address.is_unspecified or address.is_multicast or address.is_loopback or address.is_link_local:
        raise ValueError("an address that others can dial; name the one that they see")
    return text


Address = Annotated[
    IPv4Address | IPv6Address,
    BeforeValidator(_address),
]
Network = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(_network),
]
EndpointHost = Annotated[str, AfterValidator(_endpoint_host)]
TunnelNetwork = Annotated[IPv4Network, BeforeValidator(_tunnel_network)]
UniqueLocal = Annotated[IPv6Network, BeforeValidator(_unique_local)]

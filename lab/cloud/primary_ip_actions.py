"""What can be done to a Primary IP: assign, unassign, lock, name in reverse DNS.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#primary-ip-actions.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Literal

from lab.cloud.call import Body, Call, Route
from lab.cloud.primary_ips import PRIMARY_IPS, check_assignable, stopped_server, takes_address
from lab.cloud.reply import ApiError, Reply, invalid_input, not_found
from lab.cloud.resource import Protection

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cloud.records import FloatingIp, PrimaryIp


class Assign(Body):
    """The body of the action `assign`."""

    assignee_id: int
    assignee_type: Literal["server"]


class ChangePointer(Body):
    """The body of the action `change_dns_ptr`; None resets it."""

    ip: str
    dns_ptr: str | None


def set_pointer(call: Call, addresses: Sequence[PrimaryIp | FloatingIp]) -> None:
    """Set the reverse DNS entry that a `change_dns_ptr` names on whichever address covers it.

    Raises:
        ApiError: `not_found`: no address covers it.
    """
    wanted = call.read(ChangePointer)
    try:
        host: IPv4Address | IPv6Address = ip_address(wanted.ip)
    except ValueError:
        raise invalid_input(("ip", "is not an IP address")) from None
    for address in addresses:
        if host in ip_network(address.ip):
            if wanted.dns_ptr is None:
                address.dns_ptr.pop(str(host), None)
            else:
                address.dns_ptr[str(host)] = wanted.dns_ptr
            return
    raise not_found("ip", wanted.ip)


def _assign(call: Call) -> Reply:
    address = PRIMARY_IPS.named_in(call)
    wanted = call.read(Assign)
    server = takes_address(call.project, wanted.assignee_id, address.type)
    if address.assignee_id is not None:
        raise ApiError("primary_ip_already_assigned", f"primary IP {address.id} is already assigned")
    check_assignable(address, address.type, server.location)
    address.assignee_id = server.id
    return call.project.acted("assign_primary_ip", ("primary_ip", address.id), ("server", server.id))


def _unassign(call: Call) -> Reply:
    address = PRIMARY_IPS.named_in(call)
    if address.assignee_id is None:
        raise ApiError("primary_ip_not_assigned", f"primary IP {address.id} is not assigned")
    server = stopped_server(call.project, address.assignee_id)
    address.assignee_id = None
    return call.project.acted("unassign_primary_ip", ("primary_ip", address.id), ("server", server.id))


def _change_protection(call: Call) -> Reply:
    address = PRIMARY_IPS.named_in(call)
    wanted = call.read(Protection)
    if wanted.delete is not None:
        address.delete_protected = wanted.delete
    return call.project.acted("change_protection", ("primary_ip", address.id))


def _change_dns_ptr(call: Call) -> Reply:
    address = PRIMARY_IPS.named_in(call)
    set_pointer(call, [address])
    return call.project.acted("change_dns_ptr", ("primary_ip", address.id))


ROUTES = (
    Route(method="POST", pattern="/primary_ips/*/actions/assign", handler=_assign),
    Route(method="POST", pattern="/primary_ips/*/actions/unassign", handler=_unassign),
    Route(method="POST", pattern="/primary_ips/*/actions/change_protection", handler=_change_protection),
    Route(method="POST", pattern="/primary_ips/*/actions/change_dns_ptr", handler=_change_dns_ptr),
)

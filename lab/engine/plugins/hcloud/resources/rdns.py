"""Rdns: the name that an address points back to; its id is `<kind>-<owner id>-<address>`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import ApiError
from lab.engine.plugins.hcloud.schema import Born, Change, Family, Field, ResourceType, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties


@dataclass(frozen=True)
class Owner:
    """One kind of thing that has an address: the input that names it, its mark in ids, its collection."""

    input: str
    mark: str
    collection: str


OWNERS: Final = (
    Owner("serverId", "s", "servers"),
    Owner("primaryIpId", "p", "primary_ips"),
    Owner("floatingIpId", "f", "floating_ips"),
    Owner("loadBalancerId", "l", "load_balancers"),
)


class Rdns:
    """Reverse names at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """GET the owner, POST the name, wait."""
        del given, born
        owner = next(item for item in OWNERS if wanted.get(item.input) is not None)
        path = f"/{owner.collection}/{wanted[owner.input]}"
        if api.find(path) is None:
            raise ApiError(f"Resource ({owner.collection}) was not found: id={wanted[owner.input]}")
        address = str(ipaddress.ip_address(wanted["ipAddress"]))
        api.act(f"{path}/actions/change_dns_ptr", {"ip": address, "dns_ptr": wanted["dnsPtr"]})
        resource_id = f"{owner.mark}-{wanted[owner.input]}-{address}"
        return resource_id, _outputs(resource_id, wanted["dnsPtr"])

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET the owner; an address without a name, or an owner that is gone, is a resource that is gone."""
        del state
        owner, owner_id, address = _parsed(resource_id)
        answer = api.find(f"/{owner.collection}/{owner_id}")
        if answer is None:
            return None
        name = _names(owner, next(iter(answer.values()))).get(ipaddress.ip_address(address))
        return None if name is None else _outputs(resource_id, name)

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """POST another name and wait."""
        del begun
        owner, owner_id, address = _parsed(resource_id)
        body = {"ip": address, "dns_ptr": change.new["dnsPtr"]}
        api.act(f"/{owner.collection}/{owner_id}/actions/change_dns_ptr", body)
        return _outputs(resource_id, change.new["dnsPtr"])

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """POST no name and wait; an owner that is gone is well."""
        del state
        owner, owner_id, address = _parsed(resource_id)
        try:
            path = f"/{owner.collection}/{owner_id}/actions/change_dns_ptr"
            api.act(path, {"ip": address, "dns_ptr": None})
        except ApiError as failure:
            if failure.code != "not_found":
                raise


def _parsed(resource_id: str) -> tuple[Owner, int, str]:
    mark, owner_id, address = resource_id.split("-", 2)
    return next(item for item in OWNERS if item.mark == mark), int(owner_id), address


def _outputs(resource_id: str, name: str) -> Properties:
    owner, owner_id, address = _parsed(resource_id)
    return {owner.input: owner_id, "ipAddress": address, "dnsPtr": name}


def _names(owner: Owner, found: dict[str, Any]) -> dict[ipaddress.IPv4Address | ipaddress.IPv6Address, str]:
    """Return the names of an owner's addresses."""
    if owner.collection in {"primary_ips", "floating_ips"}:
        return {ipaddress.ip_address(item["ip"]): item["dns_ptr"] for item in found["dns_ptr"]}
    public = found.get("public_net") or {}
    ipv4, ipv6 = public.get("ipv4") or {}, public.get("ipv6") or {}
    single = {ipaddress.ip_address(ipv4["ip"]): ipv4["dns_ptr"]} if ipv4.get("dns_ptr") else {}
    listed = ipv6.get("dns_ptr") or []
    many = listed if isinstance(listed, list) else [{"ip": ipv6["ip"], "dns_ptr": listed}]
    return single | {ipaddress.ip_address(item["ip"]): item["dns_ptr"] for item in many}


def _faults(inputs: Properties) -> list[tuple[str, str]]:
    if len({owner.input for owner in OWNERS} & inputs.keys()) == 1:
        return []
    wanted = "[server_id,primary_ip_id,floating_ip_id,load_balancer_id]"
    reason = f"Exactly one of these attributes must be configured: {wanted}"
    return [("", f"Missing Attribute Configuration. {reason}")]


TYPE: Final = ResourceType(
    token="hcloud:index/rdns:Rdns",  # noqa: S106 - a type's token
    family=Family.FRAMEWORK,
    fields={
        **{owner.input: Field(shape=Shape.NUMBER, replaces=True) for owner in OWNERS},
        "ipAddress": Field(shape=Shape.TEXT, required=True, replaces=True),
        "dnsPtr": Field(shape=Shape.TEXT, required=True),
    },
    operations=Rdns(),
    faults=_faults,
    named=False,
)

"""Attach a server to private networks and take it off them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried

if TYPE_CHECKING:
    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties

INLINE: Final = "hcloud/inlineAttachServerToNetwork: attach server to network: "
BUSY: Final = frozenset({"conflict", "locked", "service_error"})


def attach_network(api: Api, server_id: int, network: Properties, *, where: str = "") -> None:
    """Attach a server to one network or subnet and wait; attached already is well.

    Args:
        api: The API.
        server_id: The server's id.
        network: `networkId` or `subnetId` (`<network id>-<range>`), `ip` and `aliasIps`.
        where: What an error's text begins with.
    """
    body: dict[str, Any] = {"network": network_id(network)}
    if network.get("ip"):
        body["ip"] = network["ip"]
    if network.get("aliasIps"):
        body["alias_ips"] = network["aliasIps"]
    if network.get("subnetId"):
        body["ip_range"] = network["subnetId"].partition("-")[2]
    path = f"/servers/{server_id}/actions/attach_to_network"
    again = BUSY | {"no_subnet_available"}
    try:
        answer = retried(RETRIES, lambda: api.post(path, body), lambda failure: failure.code in again)
        api.wait(answer.get("action"))
    except ApiError as failure:
        if failure.code == "server_already_attached":
            return
        raise ApiError(where + failure.message, failure.code, failure.status) from None


def detach_network(api: Api, server_id: int, network: int) -> None:
    """Take a server off a network and wait; a network that is gone is well."""
    path = f"/servers/{server_id}/actions/detach_from_network"
    try:
        answer = retried(RETRIES, lambda: api.post(path, {"network": network}), lambda failure: failure.code in BUSY)
    except ApiError as failure:
        if failure.code == "not_found":
            return
        raise
    api.wait(answer.get("action"))


def network_id(network: Properties) -> int:
    """Return the id of the network that a block means."""
    subnet_id: str = network.get("subnetId") or ""
    found = int(subnet_id.partition("-")[0]) if subnet_id else int(network.get("networkId") or 0)
    if not found:
        raise ApiError("either subnet_id or network_id must be set")
    return found


def update_networks(api: Api, server: dict[str, Any], blocks: list[Properties]) -> None:
    """Make a server's networks those of the blocks: detach, re-attach where the address differs, attach."""
    wanted = {network_id(block): block for block in blocks}
    for attached in server["private_net"]:
        block = wanted.pop(attached["network"], None)
        if block is None:
            detach_network(api, server["id"], attached["network"])
        elif (block.get("ip") or attached["ip"]) != attached["ip"]:
            detach_network(api, server["id"], attached["network"])
            attach_network(api, server["id"], block, where=INLINE)
        elif sorted(block.get("aliasIps") or []) != sorted(attached["alias_ips"]):
            body = {"network": attached["network"], "alias_ips": block.get("aliasIps") or []}
            api.act(f"/servers/{server['id']}/actions/change_alias_ips", body)
    for block in wanted.values():
        attach_network(api, server["id"], block, where=INLINE)

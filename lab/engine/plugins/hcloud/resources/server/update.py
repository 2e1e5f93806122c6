"""Change a server in place, one thing after the other, in the original's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.engine.plugins.hcloud.api import ApiError
from lab.engine.plugins.hcloud.order import request_order
from lab.engine.plugins.hcloud.resources.server.create import ssh_key_ids
from lab.engine.plugins.hcloud.resources.server.networks import update_networks
from lab.engine.plugins.hcloud.resources.server.public_net import update_public_net
from lab.engine.plugins.hcloud.resources.server.switches import set_iso, set_rescue
from lab.engine.plugins.hcloud.schema import Change, Field, Shape

if TYPE_CHECKING:
    from lab.engine.plugins.hcloud.api import Api


def update_server(api: Api, server: dict[str, Any], change: Change) -> None:
    """Send what the change asks for.

    A changed type powers the server off and nothing powers it on again: so does the original.

    Args:
        api: The API.
        server: The server as it was before.
        change: From what to what.
    """
    path, new = f"/servers/{server['id']}", change.new
    if "name" in change.names:
        api.put(path, {"name": new["name"]})
    if "labels" in change.names:
        api.put(path, {"labels": new["labels"] or {}})
    if "serverType" in change.names:
        if server["status"] == "running":
            api.act(f"{path}/actions/poweroff")
        body = {"server_type": new["serverType"], "upgrade_disk": not new["keepDisk"]}
        api.act(f"{path}/actions/change_type", body)
    if "backups" in change.names:
        _set_backups(api, server, wanted=bool(new["backups"]))
    if "iso" in change.names:
        set_iso(api, server, new["iso"] or "")
    if "rescue" in change.names:
        set_rescue(api, server, new["rescue"] or "", ssh_key_ids(api, new["sshKeys"] or []))
    if "networks" in change.names:
        update_networks(api, server, new["networks"] or [])
    if "firewallIds" in change.names:
        _set_firewalls(api, server, new["firewallIds"] or [])
    if "publicNets" in change.names:
        update_public_net(api, server, change.old.get("publicNets") or [], new["publicNets"] or [])
    if "placementGroupId" in change.names:
        _set_placement_group(api, server, new["placementGroupId"] or 0)
    if {"deleteProtection", "rebuildProtection"} & change.names:
        protection = {"delete": new["deleteProtection"], "rebuild": new["rebuildProtection"]}
        api.act(f"{path}/actions/change_protection", protection)


def _set_backups(api: Api, server: dict[str, Any], *, wanted: bool) -> None:
    path = f"/servers/{server['id']}/actions"
    if server["backup_window"] and not wanted:
        api.act(f"{path}/disable_backup")
    if not server["backup_window"] and wanted:
        api.act(f"{path}/enable_backup")


def _set_firewalls(api: Api, server: dict[str, Any], wanted: list[int]) -> None:
    """Take the server off firewalls that are not wanted, then apply those that are missing."""
    resource = [{"type": "server", "server": {"id": server["id"]}}]
    applied = [item["id"] for item in server["public_net"]["firewalls"]]
    for firewall_id in applied:
        if firewall_id not in wanted:
            path = f"/firewalls/{firewall_id}/actions/remove_from_resources"
            api.act(path, {"remove_from": resource})
    for firewall_id in request_order(Field(shape=Shape.SET, element=Shape.NUMBER), wanted):
        if firewall_id not in applied:
            api.act(f"/firewalls/{firewall_id}/actions/apply_to_resources", {"apply_to": resource})


def _set_placement_group(api: Api, server: dict[str, Any], wanted: int) -> None:
    path = f"/servers/{server['id']}/actions"
    if server.get("placement_group") is not None:
        if server["status"] != "off":
            raise ApiError(
                "removing a running server from a placement group is currently not supported in the provider. "
                "You can shutdown the server yourself, apply the changes again and then start the server "
                "manually as a workaround"
            )
        api.act(f"{path}/remove_from_placement_group")
    if wanted:
        if api.find(f"/placement_groups/{wanted}") is None:
            raise ApiError(f"placement group not found: {wanted}")
        api.act(f"{path}/add_to_placement_group", {"placement_group": wanted})

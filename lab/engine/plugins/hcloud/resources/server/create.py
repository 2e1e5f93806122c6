"""Make a server: look-ups by name, the POST, and the steps that only an existing server takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried
from lab.engine.plugins.hcloud.order import request_order
from lab.engine.plugins.hcloud.resources.server.networks import INLINE, attach_network
from lab.engine.plugins.hcloud.resources.server.switches import set_iso, set_rescue
from lab.engine.plugins.hcloud.schema import Born, Field, Shape

if TYPE_CHECKING:
    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties


def create_server(api: Api, wanted: Properties, given: Properties, born: Born) -> str:
    """Make a server and return its id.

    Args:
        api: The API.
        wanted: The plan.
        given: Inputs: user data stands there, the plan holds its hash only.
        born: Called once the server exists.
    """
    body = _body(api, wanted, given)
    answer = api.post("/servers", body)
    server = answer["server"]
    resource_id = str(server["id"])
    born(resource_id)
    api.wait(answer.get("action"))
    for action in answer.get("next_actions") or []:
        api.wait(action)
    for network in wanted.get("networks") or []:
        attach_network(api, server["id"], network, where=INLINE)
    if body.get("start_after_create") is False:
        retried(RETRIES, lambda: api.act(f"/servers/{resource_id}/actions/poweron"), lambda _: True)
    if wanted["backups"] and not server.get("backup_window"):
        api.act(f"/servers/{resource_id}/actions/enable_backup")
    if wanted.get("iso"):
        set_iso(api, server, wanted["iso"])
    if wanted.get("rescue"):
        set_rescue(api, server, wanted["rescue"], body.get("ssh_keys", []))
    if wanted["deleteProtection"] or wanted["rebuildProtection"]:
        protection = {"delete": wanted["deleteProtection"], "rebuild": wanted["rebuildProtection"]}
        api.act(f"/servers/{resource_id}/actions/change_protection", protection)
    return resource_id


def ssh_key_ids(api: Api, names: list[str]) -> list[int]:
    """Return the ids of SSH keys given by id or name."""
    return [_named(api, "ssh_keys", name, f"SSH key not found: {name}")["id"] for name in names]


def _body(api: Api, wanted: Properties, given: Properties) -> dict[str, Any]:
    type_name = wanted["serverType"]
    server_type = _named(api, "server_types", type_name, f"server type {type_name} not found")
    body: dict[str, Any] = {
        "name": wanted["name"],
        "server_type": type_name,
        "image": _image_id(api, wanted.get("image") or "", server_type["architecture"]),
    }
    if wanted.get("sshKeys"):
        body["ssh_keys"] = ssh_key_ids(api, wanted["sshKeys"])
    if wanted.get("location"):
        body["location"] = wanted["location"]
    if given.get("userData"):
        body["user_data"] = given["userData"]
    if wanted.get("labels"):
        body["labels"] = wanted["labels"]
    if wanted.get("firewallIds"):
        ids = request_order(Field(shape=Shape.SET, element=Shape.NUMBER), wanted["firewallIds"])
        body["firewalls"] = [{"firewall": firewall_id} for firewall_id in ids]
    if wanted.get("placementGroupId"):
        group = api.find(f"/placement_groups/{wanted['placementGroupId']}")
        if group is None:
            raise ApiError(f"placement group not found: {wanted['placementGroupId']}")
        body["placement_group"] = group["placement_group"]["id"]
    if wanted.get("publicNets"):
        body["public_net"] = _public_net(wanted["publicNets"])
        offline = not (body["public_net"]["enable_ipv4"] or body["public_net"]["enable_ipv6"])
        if offline and wanted.get("networks"):
            body["start_after_create"] = False  # nothing to boot with until a network is attached
    return body


def _public_net(blocks: list[Properties]) -> dict[str, Any]:
    body: dict[str, Any] = {"enable_ipv4": False, "enable_ipv6": False}
    for block in blocks:
        for side in ("ipv4", "ipv6"):
            body[f"enable_{side}"] = bool(block[f"{side}Enabled"] or block.get(side))
            if block.get(side):
                body[side] = block[side]
    return body


def _named(api: Api, collection: str, name: str, missing: str) -> dict[str, Any]:
    """Return an object by id, if the name is a number that is known, else by name."""
    if name.isdecimal():
        answer = api.find(f"/{collection}/{name}")
        if answer is not None:
            found: dict[str, Any] = answer[collection.removesuffix("s")]
            return found
    listed: list[dict[str, Any]] = api.get(f"/{collection}", name=name)[collection]
    if not listed:
        raise ApiError(missing)
    return listed[0]


def _image_id(api: Api, name: str, architecture: str) -> int:
    if name.isdecimal():
        answer = api.find(f"/images/{name}")
        if answer is not None:
            by_id: int = answer["image"]["id"]
            return by_id
    query = {"architecture": architecture, "include_deprecated": "true", "name": name}
    listed = api.get("/images", **query)["images"]
    if not listed:
        raise ApiError(f"image {name} for architecture {architecture} not found")
    by_name: int = listed[0]["id"]
    return by_name

"""Server: a machine in one of Hetzner's locations."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried
from lab.engine.plugins.hcloud.resources.server.create import create_server
from lab.engine.plugins.hcloud.resources.server.outputs import server_outputs
from lab.engine.plugins.hcloud.resources.server.update import update_server
from lab.engine.plugins.hcloud.schema import (
    LABELS,
    NAME,
    PROTECTION,
    Born,
    Change,
    Family,
    Field,
    ResourceType,
    Shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties

REMOVED: Final = "Removed Attribute. The datacenter attribute was removed, you must use the location attribute instead"


class Server:
    """Servers at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """Look up what it is made of, POST it, wait, do what the POST can't, GET it."""
        resource_id = create_server(api, wanted, given, born)
        server = api.get(f"/servers/{resource_id}")["server"]
        return resource_id, server_outputs(server, wanted)

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it, by its id and then, like the original, by its id as a name."""
        server = find_server(api, resource_id)
        return None if server is None else server_outputs(server, state)

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """GET it, change one thing after the other, GET it."""
        server = find_server(api, resource_id)
        if server is None:
            return None
        begun()
        update_server(api, server, change)
        server = find_server(api, resource_id)
        return None if server is None else server_outputs(server, change.new)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """Shut it down if wanted, for five polls at most, then DELETE it and wait."""
        path = f"/servers/{resource_id}"
        if state.get("shutdownBeforeDeletion"):
            api.act(f"{path}/actions/shutdown")
            try:
                retried(RETRIES, lambda: _see_off(api, path), lambda failure: failure.code == "still_running")
            except ApiError as failure:
                if failure.code not in {"still_running", "not_found"}:
                    raise
        api.wait(api.delete(path).get("action"))


def find_server(api: Api, resource_id: str) -> dict[str, Any] | None:
    """Return a server as the API shows it, or None if neither the id nor a name like it is known."""
    answer = api.find(f"/servers/{resource_id}")
    if answer is not None:
        server: dict[str, Any] = answer["server"]
        return server
    found = api.get("/servers", name=resource_id)["servers"]
    return found[0] if found else None


def _see_off(api: Api, path: str) -> None:
    if api.get(path)["server"]["status"] != "off":
        raise ApiError("server has not shut down yet", "still_running")


def user_data_hash(text: str) -> str:
    """Return what the state holds of user data: a SHA-1 in base64, never the text."""
    return base64.b64encode(hashlib.sha1(text.encode(), usedforsecurity=False).digest()).decode()


def _with_alias_ips(inputs: Properties) -> Properties:
    """Give every inline network its alias addresses; without them each update would show a difference."""
    networks = inputs.get("networks")
    if not isinstance(networks, list):
        return inputs
    filled = [{"aliasIps": [], **item} if isinstance(item, dict) else item for item in networks]
    return {**inputs, "networks": filled}


def _text(*, replaces: bool = False, computed: bool = False, required: bool = False) -> Field:
    return Field(shape=Shape.TEXT, replaces=replaces, computed=computed, required=required)


def _output(shape: Shape) -> Field:
    return Field(shape=shape, settable=False, computed=True)


TYPE: Final = ResourceType(
    token="hcloud:index/server:Server",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "name": NAME,
        "serverType": _text(required=True),
        "image": Field(
            shape=Shape.TEXT,
            computed=True,
            replaces=True,
            fault=lambda value: None if value else '"image" must have more than 0 characters',
        ),
        "location": _text(replaces=True, computed=True),
        "datacenter": Field(shape=Shape.TEXT, fault=lambda _: REMOVED),
        "userData": Field(shape=Shape.TEXT, replaces=True, stored=user_data_hash),
        "sshKeys": Field(
            shape=Shape.LIST,
            element=Shape.TEXT,
            replaces=True,
            fault=lambda value: None if value else "Invalid ssh key passed. It needs at least 1 character",
        ),
        "keepDisk": PROTECTION,
        "allowDeprecatedImages": Field(shape=Shape.SWITCH),
        "backups": PROTECTION,
        "iso": _text(),
        "rescue": _text(),
        "labels": LABELS,
        "publicNets": Field(
            shape=Shape.SET,
            members={
                "ipv4Enabled": Field(shape=Shape.SWITCH, default=True),
                "ipv6Enabled": Field(shape=Shape.SWITCH, default=True),
                "ipv4": Field(shape=Shape.NUMBER, computed=True),
                "ipv6": Field(shape=Shape.NUMBER, computed=True),
            },
        ),
        "networks": Field(
            shape=Shape.SET,
            members={
                "networkId": Field(shape=Shape.NUMBER, computed=True),
                "subnetId": _text(computed=True),
                "ip": _text(computed=True),
                "aliasIps": Field(shape=Shape.SET, element=Shape.TEXT, computed=True),
                "macAddress": _output(Shape.TEXT),
            },
        ),
        "ignoreRemoteFirewallIds": PROTECTION,
        "firewallIds": Field(shape=Shape.SET, element=Shape.NUMBER, computed=True),
        "placementGroupId": Field(shape=Shape.NUMBER),
        "deleteProtection": PROTECTION,
        "rebuildProtection": PROTECTION,
        "shutdownBeforeDeletion": PROTECTION,
        "backupWindow": _output(Shape.TEXT),
        "ipv4Address": _output(Shape.TEXT),
        "ipv6Address": _output(Shape.TEXT),
        "ipv6Network": _output(Shape.TEXT),
        "status": _output(Shape.TEXT),
        "primaryDiskSize": _output(Shape.NUMBER),
    },
    operations=Server(),
    adjust=_with_alias_ips,
)

"""ServerNetwork: a server in a private network; its id is `<server id>-<network id>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import ApiError
from lab.engine.plugins.hcloud.resources.server.networks import attach_network, detach_network, network_id
from lab.engine.plugins.hcloud.schema import Born, Change, Family, Field, ResourceType, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties


class ServerNetwork:
    """Attachments of servers to networks at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST the attachment, wait, GET the server."""
        del given, born
        network = network_id(wanted)
        attach_network(api, wanted["serverId"], wanted)
        resource_id = f"{wanted['serverId']}-{network}"
        found = self.read(api, resource_id, wanted)
        if found is None:
            raise ApiError(f"attachment of server ({wanted['serverId']}) to network ({network}) vanished")
        return resource_id, found

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET the server and find the network there."""
        del state
        server_id, _, network = resource_id.partition("-")
        answer = api.find(f"/servers/{server_id}")
        if answer is None:
            return None
        for attached in answer["server"]["private_net"]:
            if attached["network"] == int(network):
                return _outputs(int(server_id), attached)
        return None

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """POST other alias addresses, GET the server."""
        del begun
        server_id, _, network = resource_id.partition("-")
        if "aliasIps" in change.names:
            body = {"network": int(network), "alias_ips": change.new["aliasIps"] or []}
            api.act(f"/servers/{server_id}/actions/change_alias_ips", body)
        found = self.read(api, resource_id, change.old)
        if found is None:
            raise ApiError(f"attachment of server ({server_id}) to network ({network}) vanished")
        return found

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """Detach, with patience while something is busy; what is gone already is well."""
        del state
        server_id, _, network = resource_id.partition("-")
        detach_network(api, int(server_id), int(network))


def _outputs(server_id: int, attached: dict[str, Any]) -> Properties:
    return {
        "serverId": server_id,
        "networkId": attached["network"],
        "ip": attached["ip"],
        "aliasIps": sorted(attached["alias_ips"]),
        "macAddress": attached["mac_address"],
    }


def _faults(inputs: Properties) -> list[tuple[str, str]]:
    if len({"networkId", "subnetId"} & inputs.keys()) == 1:
        return []
    wanted = "Exactly one of these attributes must be configured: [network_id,subnet_id]"
    return [("", f"Missing Attribute Configuration. {wanted}")]


TYPE: Final = ResourceType(
    token="hcloud:index/serverNetwork:ServerNetwork",  # noqa: S106 - a type's token
    family=Family.FRAMEWORK,
    fields={
        "serverId": Field(shape=Shape.NUMBER, required=True, replaces=True),
        "networkId": Field(shape=Shape.NUMBER, computed=True, replaces=True, keeps=True),
        "subnetId": Field(shape=Shape.TEXT, replaces=True),
        "ip": Field(shape=Shape.TEXT, computed=True, replaces=True, keeps=True),
        "aliasIps": Field(shape=Shape.SET, element=Shape.TEXT, computed=True, default=[]),
        "macAddress": Field(shape=Shape.TEXT, settable=False, computed=True, keeps=True),
    },
    operations=ServerNetwork(),
    faults=_faults,
    named=False,
)

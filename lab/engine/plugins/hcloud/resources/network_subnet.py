"""NetworkSubnet: a part of a network in one zone; its id is `<network id>-<range>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried
from lab.engine.plugins.hcloud.schema import Born, Change, Family, Field, ResourceType, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties

KINDS: Final = ("cloud", "server", "vswitch")


class NetworkSubnet:
    """Subnets at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it, with patience while the network is busy, wait, GET the network."""
        del given
        body = {
            "type": wanted["type"],
            "ip_range": wanted["ipRange"],
            "network_zone": wanted["networkZone"],
            **({"vswitch_id": wanted["vswitchId"]} if wanted["type"] == "vswitch" else {}),
        }
        path = f"/networks/{wanted['networkId']}/actions/add_subnet"
        busy = {"conflict", "vswitch_id_already_used"}
        answer = retried(RETRIES, lambda: api.post(path, body), lambda failure: failure.code in busy)
        resource_id = f"{wanted['networkId']}-{wanted['ipRange']}"
        born(resource_id)
        api.wait(answer.get("action"))
        found = self.read(api, resource_id, wanted)
        if found is None:
            raise ApiError(f"subnet {resource_id} is not in its network after it was added")
        return resource_id, found

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET its network and find it there."""
        del state
        network_id, _, ip_range = resource_id.partition("-")
        answer = api.find(f"/networks/{network_id}")
        if answer is None:
            return None
        for subnet in answer["network"]["subnets"]:
            if subnet["ip_range"] == ip_range:
                return _outputs(int(network_id), subnet)
        return None

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """Look only: nothing of a subnet changes in place."""
        begun()
        return self.read(api, resource_id, change.old)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """GET its network and POST the removal, with much patience; what is gone already is well.

        A subnet that still has servers after all tries is taken for one whose network will go as a whole.
        """
        network_id, _, ip_range = resource_id.partition("-")

        def remove() -> dict[str, Any] | None:
            if self.read(api, resource_id, state) is None:
                return None
            return api.post(f"/networks/{network_id}/actions/delete_subnet", {"ip_range": ip_range})

        try:
            answer = retried(
                10 * RETRIES,
                remove,
                lambda failure: failure.code in {"conflict", "locked"} or _still_used(failure),
            )
        except ApiError as failure:
            if failure.code == "not_found" or _still_used(failure):
                return
            raise
        if answer is not None:
            api.wait(answer.get("action"))


def _still_used(failure: ApiError) -> bool:
    words = ("servers are attached", "network has attached resources")
    return failure.code == "service_error" and any(text in failure.message for text in words)


def _outputs(network_id: int, subnet: dict[str, Any]) -> Properties:
    outputs: Properties = {
        "networkId": network_id,
        "type": subnet["type"],
        "networkZone": subnet["network_zone"],
        "ipRange": subnet["ip_range"],
        "gateway": subnet["gateway"],
    }
    return {**outputs, "vswitchId": subnet["vswitch_id"]} if subnet["type"] == "vswitch" else outputs


def _fixed(shape: Shape, *, required: bool = True) -> Field:
    return Field(shape=shape, required=required, replaces=True)


TYPE: Final = ResourceType(
    token="hcloud:index/networkSubnet:NetworkSubnet",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "networkId": _fixed(Shape.NUMBER),
        "type": Field(
            shape=Shape.TEXT,
            required=True,
            replaces=True,
            fault=lambda value: None if value in KINDS else f"expected type to be one of {KINDS}, got {value}",
        ),
        "networkZone": _fixed(Shape.TEXT),
        "ipRange": _fixed(Shape.TEXT),
        "vswitchId": _fixed(Shape.NUMBER, required=False),
        "gateway": Field(shape=Shape.TEXT, settable=False, computed=True),
    },
    operations=NetworkSubnet(),
    named=False,
)

"""Network: a private address range of one account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import ApiError
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


class Network:
    """Networks at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it, protect it if wanted, GET it."""
        del given
        body: dict[str, Any] = {
            "name": wanted["name"],
            "ip_range": wanted["ipRange"],
            "expose_routes_to_vswitch": wanted["exposeRoutesToVswitch"],
        }
        if wanted["labels"]:
            body["labels"] = wanted["labels"]
        resource_id = str(api.post("/networks", body)["network"]["id"])
        born(resource_id)
        if wanted["deleteProtection"]:
            api.act(f"/networks/{resource_id}/actions/change_protection", {"delete": True})
        return resource_id, _outputs(api.get(f"/networks/{resource_id}")["network"])

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it, by its id and then, like the original, by its id as a name."""
        del state
        answer = api.find(f"/networks/{resource_id}")
        if answer is not None:
            return _outputs(answer["network"])
        found = api.get("/networks", name=resource_id)["networks"]
        return _outputs(found[0]) if found else None

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """GET it, PUT name, labels and switch one by one, protect, GET it."""
        path, new = f"/networks/{resource_id}", change.new
        if self.read(api, resource_id, change.old) is None:
            return None
        begun()
        if "name" in change.names:
            api.put(path, {"name": new["name"]})
        if "labels" in change.names:
            api.put(path, {"labels": new["labels"] or {}})
        if "exposeRoutesToVswitch" in change.names:
            api.put(path, {"expose_routes_to_vswitch": new["exposeRoutesToVswitch"]})
        if "deleteProtection" in change.names:
            api.act(f"{path}/actions/change_protection", {"delete": new["deleteProtection"]})
        return self.read(api, resource_id, change.old)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """DELETE it; gone already is well."""
        del state
        try:
            api.delete(f"/networks/{resource_id}")
        except ApiError as failure:
            if failure.code != "not_found":
                raise


def _outputs(network: dict[str, Any]) -> Properties:
    return {
        "name": network["name"],
        "ipRange": network["ip_range"],
        "labels": network["labels"],
        "deleteProtection": network["protection"]["delete"],
        "exposeRoutesToVswitch": network["expose_routes_to_vswitch"],
    }


TYPE: Final = ResourceType(
    token="hcloud:index/network:Network",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "name": NAME,
        "ipRange": Field(shape=Shape.TEXT, required=True, replaces=True),
        "labels": LABELS,
        "deleteProtection": PROTECTION,
        "exposeRoutesToVswitch": PROTECTION,
    },
    operations=Network(),
)

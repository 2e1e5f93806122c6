"""PlacementGroup: servers that must not share a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.schema import LABELS, NAME, Born, Change, Family, Field, ResourceType, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties


class PlacementGroup:
    """Placement groups at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it, wait, GET it."""
        del given
        body = {"name": wanted["name"], "type": wanted["type"]}
        if wanted["labels"]:
            body["labels"] = wanted["labels"]
        answer = api.post("/placement_groups", body)
        resource_id = str(answer["placement_group"]["id"])
        born(resource_id)
        api.wait(answer.get("action"))
        return resource_id, _outputs(api.get(f"/placement_groups/{resource_id}")["placement_group"])

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it."""
        del state
        answer = api.find(f"/placement_groups/{resource_id}")
        return None if answer is None else _outputs(answer["placement_group"])

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """GET it, PUT name, PUT labels, GET it; a changed type is not sent, as in the original."""
        path = f"/placement_groups/{resource_id}"
        if api.find(path) is None:
            return None
        begun()
        if "name" in change.names:
            api.put(path, {"name": change.new["name"]})
        if "labels" in change.names:
            api.put(path, {"labels": change.new["labels"] or {}})
        return self.read(api, resource_id, change.old)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """DELETE it."""
        del state
        api.delete(f"/placement_groups/{resource_id}")


def _outputs(group: dict[str, Any]) -> Properties:
    return {
        "name": group["name"],
        "labels": group["labels"],
        "type": group["type"],
        "servers": sorted(group["servers"]),
    }


TYPE: Final = ResourceType(
    token="hcloud:index/placementGroup:PlacementGroup",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "name": NAME,
        "type": Field(
            shape=Shape.TEXT,
            required=True,
            fault=lambda value: None if value == "spread" else f"{value} is not a valid placement group type",
        ),
        "labels": LABELS,
        "servers": Field(shape=Shape.SET, element=Shape.NUMBER, settable=False, computed=True),
    },
    operations=PlacementGroup(),
)

"""FirewallAttachment: what a firewall is applied to; its id is the firewall's, so there is one per firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import ApiError
from lab.engine.plugins.hcloud.schema import Born, Change, Family, Field, ResourceType, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties


class FirewallAttachment:
    """Applications of firewalls at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST what it is applied to, wait, GET the firewall; applied already is well."""
        del given, born
        resource_id = str(wanted["firewallId"])
        try:
            path = f"/firewalls/{resource_id}/actions/apply_to_resources"
            api.act(path, {"apply_to": _resources(wanted)})
        except ApiError as failure:
            if failure.code != "firewall_already_applied":
                raise
        found = self.read(api, resource_id, wanted)
        if found is None:
            raise ApiError(f"firewall {resource_id} vanished after it was applied")
        return resource_id, found

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET the firewall; everything that it is applied to counts, whoever applied it."""
        answer = api.find(f"/firewalls/{resource_id}")
        if answer is None:
            return None
        applied = _applied(answer["firewall"])
        servers = set(state.get("serverIds") or []) | set(applied["serverIds"])
        selectors = set(state.get("labelSelectors") or []) | set(applied["labelSelectors"])
        return {
            "firewallId": int(resource_id),
            "serverIds": sorted(servers),
            "labelSelectors": sorted(selectors),
        }

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """GET the firewall, remove and apply, wait for both, GET it; empty lists are sent too."""
        path = f"/firewalls/{resource_id}"
        answer = api.find(path)
        if answer is None:
            return None
        begun()
        there, wanted = _resources(_applied(answer["firewall"])), _resources(change.new)
        less = [item for item in there if item not in wanted]
        more = [item for item in wanted if item not in there]
        removed = api.post(f"{path}/actions/remove_from_resources", {"remove_from": less})
        applied = api.post(f"{path}/actions/apply_to_resources", {"apply_to": more})
        api.wait(*removed["actions"], *applied["actions"])
        return self.read(api, resource_id, change.new)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """POST the removal of what the state names and wait."""
        path = f"/firewalls/{resource_id}/actions/remove_from_resources"
        api.act(path, {"remove_from": _resources(state)})


def _resources(state: Properties) -> list[dict[str, Any]]:
    servers = [{"type": "server", "server": {"id": item}} for item in sorted(state.get("serverIds") or [])]
    selectors = [
        {"type": "label_selector", "label_selector": {"selector": item}}
        for item in sorted(state.get("labelSelectors") or [])
    ]
    return [*servers, *selectors]


def _applied(firewall: dict[str, Any]) -> dict[str, list[Any]]:
    applied = firewall["applied_to"]
    return {
        "serverIds": [item["server"]["id"] for item in applied if item["type"] == "server"],
        "labelSelectors": [item["label_selector"]["selector"] for item in applied if item["type"] == "label_selector"],
    }


def _faults(inputs: Properties) -> list[tuple[str, str]]:
    if inputs.get("serverIds") or inputs.get("labelSelectors"):
        return []
    return [("", "no resources referenced: give serverIds or labelSelectors")]


TYPE: Final = ResourceType(
    token="hcloud:index/firewallAttachment:FirewallAttachment",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "firewallId": Field(shape=Shape.NUMBER, required=True, replaces=True),
        "serverIds": Field(shape=Shape.SET, element=Shape.NUMBER),
        "labelSelectors": Field(shape=Shape.SET, element=Shape.TEXT),
    },
    operations=FirewallAttachment(),
    faults=_faults,
    named=False,
)

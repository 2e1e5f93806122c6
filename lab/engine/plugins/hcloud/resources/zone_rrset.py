"""ZoneRrset: the records of one name and type in a zone; its id is `<name>/<type>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import ApiError
from lab.engine.plugins.hcloud.schema import (
    FRAMEWORK_LABELS,
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


class ZoneRrset:
    """Record sets at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it, protect it if the program says anything of it, wait for both, GET it."""
        del born
        zone = f"/zones/{wanted['zone']}"
        body = {
            "name": wanted["name"],
            "type": wanted["type"],
            "labels": wanted["labels"],
            "records": _record_bodies(given["records"]),
            **({"ttl": wanted["ttl"]} if wanted["ttl"] is not None else {}),
        }
        answer = api.post(f"{zone}/rrsets", body)
        path = f"{zone}/rrsets/{answer['rrset']['id']}"
        actions = [answer.get("action")]
        if given.get("changeProtection") is not None:
            protection = {"change": given["changeProtection"]}
            actions.append(api.post(f"{path}/actions/change_protection", protection).get("action"))
        api.wait(*actions)
        rrset = api.get(path)["rrset"]
        return rrset["id"], _outputs(rrset)

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it."""
        answer = api.find(f"/zones/{state['zone']}/rrsets/{resource_id}")
        return None if answer is None else _outputs(answer["rrset"])

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """Lift the protection, POST ttl and records, wait for both, PUT the labels, protect."""
        del begun
        path, new = f"/zones/{change.old['zone']}/rrsets/{resource_id}", change.new
        protect = new["changeProtection"] if "changeProtection" in change.names else None
        if protect is False:
            api.act(f"{path}/actions/change_protection", {"change": False})
        actions = []
        if "ttl" in change.names:
            actions.append(api.post(f"{path}/actions/change_ttl", {"ttl": new["ttl"]}).get("action"))
        if "records" in change.names:
            records = {"records": _record_bodies(change.given["records"])}
            actions.append(api.post(f"{path}/actions/set_records", records).get("action"))
        api.wait(*actions)
        body = {"labels": new["labels"]} if "labels" in change.names else {}
        rrset = api.put(path, body)["rrset"]
        if protect is True:
            api.act(f"{path}/actions/change_protection", {"change": True})
            return {**_outputs(rrset), "changeProtection": True}
        return _outputs(rrset)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """DELETE it and wait; gone already is well. The API's own SOA record stays."""
        if state.get("type") == "SOA":
            return
        try:
            answer = api.delete(f"/zones/{state['zone']}/rrsets/{resource_id}")
        except ApiError as failure:
            if failure.code == "not_found":
                return
            raise
        api.wait(answer.get("action"))


def _record_bodies(records: list[Properties]) -> list[dict[str, Any]]:
    """Return records as the API takes them, in the program's order; an empty comment is left out."""
    return [
        {"value": item["value"], **({"comment": item["comment"]} if item.get("comment") else {})} for item in records
    ]


def _outputs(rrset: dict[str, Any]) -> Properties:
    outputs: Properties = {
        "name": rrset["name"],
        "type": rrset["type"],
        "ttl": rrset["ttl"],
        "labels": rrset["labels"],
        "changeProtection": rrset["protection"]["change"],
        "records": _record_bodies(rrset["records"]),
    }
    return outputs


def _fixed() -> Field:
    return Field(shape=Shape.TEXT, required=True, replaces=True)


TYPE: Final = ResourceType(
    token="hcloud:index/zoneRrset:ZoneRrset",  # noqa: S106 - a type's token
    family=Family.FRAMEWORK,
    fields={
        "zone": _fixed(),
        "name": _fixed(),
        "type": _fixed(),
        "ttl": Field(shape=Shape.NUMBER),
        "labels": FRAMEWORK_LABELS,
        "changeProtection": Field(shape=Shape.SWITCH, computed=True),
        "records": Field(
            shape=Shape.SET,
            required=True,
            members={
                "value": Field(shape=Shape.TEXT, required=True),
                "comment": Field(shape=Shape.TEXT),
            },
        ),
    },
    operations=ZoneRrset(),
)

"""Zone: a DNS zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import ApiError
from lab.engine.plugins.hcloud.schema import (
    FRAMEWORK_LABELS,
    NAME,
    Born,
    Change,
    Family,
    Field,
    ResourceType,
    Shape,
    wire_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties

MODES: Final = ("primary", "secondary")


class Zone:
    """Zones at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it, protect it if the program says anything of it, wait for both, GET it."""
        del born
        body = {name: wanted[name] for name in ("name", "mode", "ttl", "labels")}
        if given.get("primaryNameservers"):
            body["primary_nameservers"] = _nameserver_bodies(given["primaryNameservers"])
        answer = api.post("/zones", body)
        path = f"/zones/{answer['zone']['id']}"
        actions = [answer.get("action")]
        if given.get("deleteProtection") is not None:
            protection = {"delete": given["deleteProtection"]}
            actions.append(api.post(f"{path}/actions/change_protection", protection).get("action"))
        api.wait(*actions)
        zone = api.get(path)["zone"]
        return str(zone["id"]), _outputs(zone)

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it."""
        del state
        answer = api.find(f"/zones/{resource_id}")
        return None if answer is None else _outputs(answer["zone"])

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """POST ttl, name servers and protection, wait for all, and last PUT the labels, even if that is none."""
        del begun
        path, new = f"/zones/{resource_id}", change.new
        actions = []
        if "ttl" in change.names:
            actions.append(api.post(f"{path}/actions/change_ttl", {"ttl": new["ttl"]}).get("action"))
        if "primaryNameservers" in change.names and new["primaryNameservers"] is not None:
            servers = {"primary_nameservers": _nameserver_bodies(new["primaryNameservers"])}
            actions.append(api.post(f"{path}/actions/change_primary_nameservers", servers).get("action"))
        if "deleteProtection" in change.names and new["deleteProtection"] is not None:
            protection = {"delete": new["deleteProtection"]}
            actions.append(api.post(f"{path}/actions/change_protection", protection).get("action"))
        api.wait(*actions)
        body = {"labels": new["labels"]} if "labels" in change.names else {}
        return _outputs(api.put(path, body)["zone"])

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """DELETE it and wait; gone already is well."""
        del state
        try:
            answer = api.delete(f"/zones/{resource_id}")
        except ApiError as failure:
            if failure.code == "not_found":
                return
            raise
        api.wait(answer.get("action"))


def _nameserver_bodies(servers: list[Properties]) -> list[dict[str, Any]]:
    return [{wire_name(key): value for key, value in {"port": 53, **item}.items()} for item in servers]


def _outputs(zone: dict[str, Any]) -> Properties:
    servers = [
        {"address": item["address"], "port": item.get("port") or 53} for item in zone.get("primary_nameservers") or []
    ]
    return {
        "name": zone["name"],
        "mode": zone["mode"],
        "ttl": zone["ttl"],
        "labels": zone["labels"],
        "deleteProtection": zone["protection"]["delete"],
        "primaryNameservers": servers,
        "authoritativeNameservers": {"assigneds": zone["authoritative_nameservers"]["assigned"]},
        "registrar": zone["registrar"],
    }


TYPE: Final = ResourceType(
    token="hcloud:index/zone:Zone",  # noqa: S106 - a type's token
    family=Family.FRAMEWORK,
    fields={
        "name": Field(shape=NAME.shape, required=True, replaces=True),
        "mode": Field(
            shape=Shape.TEXT,
            required=True,
            replaces=True,
            fault=lambda value: None if value in MODES else f"{value} is not a valid mode, allowed: {MODES}",
        ),
        "ttl": Field(shape=Shape.NUMBER, default=3600, computed=True),
        "labels": FRAMEWORK_LABELS,
        "deleteProtection": Field(shape=Shape.SWITCH, computed=True),
        "primaryNameservers": Field(shape=Shape.LIST, computed=True),
        "authoritativeNameservers": Field(shape=Shape.MAP, settable=False, computed=True),
        "registrar": Field(shape=Shape.TEXT, settable=False, computed=True),
    },
    operations=Zone(),
)

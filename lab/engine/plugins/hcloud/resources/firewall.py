"""Firewall: rules that Hetzner's network holds against packets, before they reach a server."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried
from lab.engine.plugins.hcloud.order import request_order, state_order
from lab.engine.plugins.hcloud.schema import NAME, Born, Change, Family, Field, ResourceType, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties

DIRECTIONS: Final = ("in", "out")
PROTOCOLS: Final = ("icmp", "tcp", "udp", "esp", "gre")


class Firewall:
    """Firewalls at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it with its rules, wait, GET it; until the actions are through it is not known to exist."""
        del given
        body: dict[str, Any] = {"name": wanted["name"]}
        if wanted["labels"]:
            body["labels"] = wanted["labels"]
        if wanted["rules"]:
            body["rules"] = rule_bodies(wanted["rules"])
        if wanted["applyTos"]:
            body["apply_to"] = resource_bodies(wanted["applyTos"])
        answer = api.post("/firewalls", body)
        api.wait(*answer["actions"])
        resource_id = str(answer["firewall"]["id"])
        born(resource_id)
        return resource_id, _outputs(api.get(f"/firewalls/{resource_id}")["firewall"])

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it."""
        del state
        answer = api.find(f"/firewalls/{resource_id}")
        return None if answer is None else _outputs(answer["firewall"])

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """GET it, PUT the name, set the rules, PUT the labels, apply and remove, GET it.

        Rules that are all taken away are not sent: the original can't tell an empty set from none. A firewall that
        is gone, where the original crashes, is told as gone.
        """
        path = f"/firewalls/{resource_id}"
        if api.find(path) is None:
            return None
        begun()
        new = change.new
        if "name" in change.names:
            api.put(path, {"name": new["name"]})
        if "rules" in change.names and new["rules"]:
            api.act(f"{path}/actions/set_rules", {"rules": rule_bodies(new["rules"])})
        if "labels" in change.names:
            api.put(path, {"labels": new["labels"] or {}})
        if "applyTos" in change.names:
            self._apply(api, path, change.old.get("applyTos") or [], new["applyTos"] or [])
        answer = api.find(path)
        return None if answer is None else _outputs(answer["firewall"])

    def _apply(self, api: Api, path: str, old: list[Properties], new: list[Properties]) -> None:
        removed = resource_bodies([item for item in old if item not in new])
        added = resource_bodies([item for item in new if item not in old])
        if removed:
            try:
                api.act(f"{path}/actions/remove_from_resources", {"remove_from": removed})
            except ApiError as failure:
                if failure.code != "firewall_resource_not_found":
                    raise
        if added:
            api.act(f"{path}/actions/apply_to_resources", {"apply_to": added})

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """GET it, take it off what it is applied to, DELETE it, with patience while it is in use.

        A firewall that is gone, where the original crashes, is deleted.
        """
        del state
        path = f"/firewalls/{resource_id}"
        answer = api.find(path)
        if answer is None:
            return
        applied = [_resource_body(item) for item in answer["firewall"]["applied_to"]]
        if applied:
            try:
                api.act(f"{path}/actions/remove_from_resources", {"remove_from": applied})
            except ApiError as failure:
                if failure.code not in {"firewall_resource_not_found", "not_found"}:
                    raise

        def remove() -> None:
            try:
                api.delete(path)
            except ApiError as failure:
                if failure.code != "not_found":
                    raise

        retried(2 * RETRIES, remove, lambda failure: failure.code in {"conflict", "resource_in_use"})


def rule_bodies(rules: list[Properties]) -> list[dict[str, Any]]:
    """Return rules as the API takes them, in the original's order; empty members are left out."""
    return [_rule_body(rule) for rule in request_order(RULES, rules)]


def _rule_body(rule: Properties) -> dict[str, Any]:
    assert RULES.members is not None
    body: dict[str, Any] = {"direction": rule["direction"]}
    for name, wire in (("sourceIps", "source_ips"), ("destinationIps", "destination_ips")):
        if rule.get(name):
            body[wire] = request_order(RULES.members[name], rule[name])
    body["protocol"] = rule["protocol"]
    return body | {name: rule[name] for name in ("port", "description") if rule.get(name)}


def resource_bodies(items: list[Properties]) -> list[dict[str, Any]]:
    """Return what a firewall is applied to as the API takes it."""
    return [
        {"type": "label_selector", "label_selector": {"selector": item["labelSelector"]}}
        if item.get("labelSelector")
        else {"type": "server", "server": {"id": item["server"]}}
        for item in request_order(APPLY_TOS, items)
    ]


def _resource_body(applied: dict[str, Any]) -> dict[str, Any]:
    kind = applied["type"]
    return {"type": kind, kind: {key: applied[kind][key] for key in ("id", "selector") if key in applied[kind]}}


def _outputs(firewall: dict[str, Any]) -> Properties:
    assert RULES.members is not None
    rules = [
        {
            "direction": rule["direction"],
            "protocol": rule["protocol"],
            "port": rule.get("port") or "",
            "description": rule.get("description") or "",
            "sourceIps": state_order(RULES.members["sourceIps"], rule.get("source_ips") or []),
            "destinationIps": state_order(RULES.members["destinationIps"], rule.get("destination_ips") or []),
        }
        for rule in firewall["rules"]
    ]
    applied = [
        {"labelSelector": item["label_selector"]["selector"], "server": 0}
        if item["type"] == "label_selector"
        else {"labelSelector": "", "server": item["server"]["id"]}
        for item in firewall["applied_to"]
    ]
    return {
        "name": firewall["name"],
        "labels": firewall["labels"],
        "rules": state_order(RULES, rules),
        "applyTos": state_order(APPLY_TOS, applied),
    }


def normal_network(text: str) -> str:
    """Return an address or network in the API's form: with a prefix length, in lower case, IPv6 shortened."""
    try:
        return str(ipaddress.ip_interface(text))
    except ValueError:
        return text


def _network_fault(text: str) -> str | None:
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        return f"invalid CIDR address: {text}"
    if interface.ip != interface.network.network_address:
        return f"{text} is not the start of the cidr block {interface.network}"
    return None


NETWORKS: Final = Field(shape=Shape.SET, element=Shape.TEXT, stored=normal_network, fault=_network_fault)
RULES: Final = Field(
    shape=Shape.SET,
    members={
        "direction": Field(
            shape=Shape.TEXT,
            required=True,
            fault=lambda value: None if value in DIRECTIONS else f"{value} is not a valid direction",
        ),
        "protocol": Field(
            shape=Shape.TEXT,
            required=True,
            fault=lambda value: None if value in PROTOCOLS else f"{value} is not a valid protocol",
        ),
        "port": Field(shape=Shape.TEXT),
        "description": Field(shape=Shape.TEXT),
        "sourceIps": NETWORKS,
        "destinationIps": NETWORKS,
    },
)
APPLY_TOS: Final = Field(
    shape=Shape.SET,
    computed=True,
    members={
        "labelSelector": Field(shape=Shape.TEXT, computed=True),
        "server": Field(shape=Shape.NUMBER, computed=True),
    },
)
TYPE: Final = ResourceType(
    token="hcloud:index/firewall:Firewall",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "name": NAME,
        "labels": Field(shape=Shape.MAP, computed=True),
        "rules": RULES,
        "applyTos": APPLY_TOS,
    },
    operations=Firewall(),
)

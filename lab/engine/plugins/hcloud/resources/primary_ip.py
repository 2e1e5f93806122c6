"""PrimaryIp: an address that exists by itself and can outlive a server."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried
from lab.engine.plugins.hcloud.schema import (
    FRAMEWORK_LABELS,
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


class PrimaryIp:
    """Primary addresses at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it, protect it if wanted, GET it; a failure in between leaves an orphan, as in the original."""
        del born
        body = {
            "name": wanted["name"],
            "type": wanted["type"],
            "labels": wanted["labels"],
            "auto_delete": wanted["autoDelete"],
        }
        if given.get("location") is not None:
            body["location"] = given["location"]
        elif given.get("assigneeId") is not None:
            body |= {"assignee_type": wanted["assigneeType"], "assignee_id": wanted["assigneeId"]}
        answer = api.post("/primary_ips", body)
        path = f"/primary_ips/{answer['primary_ip']['id']}"
        api.wait(answer.get("action"))
        if wanted["deleteProtection"]:
            api.act(f"{path}/actions/change_protection", {"delete": True})
        address = api.get(path)["primary_ip"]
        return str(address["id"]), _outputs(address)

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it."""
        del state
        answer = api.find(f"/primary_ips/{resource_id}")
        return None if answer is None else _outputs(answer["primary_ip"])

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """Protect, move, and last PUT what differs, even if that is nothing."""
        del begun
        path = f"/primary_ips/{resource_id}"
        old, new = change.old, change.new
        if "deleteProtection" in change.names:
            api.act(f"{path}/actions/change_protection", {"delete": new["deleteProtection"]})
        if any(new[name] is not None and name in change.names for name in ("assigneeId", "assigneeType")):
            if old.get("assigneeId"):
                api.act(f"{path}/actions/unassign")
            if new["assigneeId"]:
                assignee = {"assignee_id": new["assigneeId"], "assignee_type": new["assigneeType"]}
                api.act(f"{path}/actions/assign", assignee)
        names = {"name": "name", "labels": "labels", "autoDelete": "auto_delete"}
        body = {wire: new[name] for name, wire in names.items() if name in change.names}
        return _outputs(api.put(path, body)["primary_ip"])

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """Take it off the server that the state names, then DELETE it, with patience.

        Every error but `protected` is tried again: an address whose server is just going is still assigned.
        """
        if state.get("assigneeId"):
            if state.get("assigneeType") == "server":
                self._detach(api, resource_id, state["assigneeId"])
            else:
                api.act(f"/primary_ips/{resource_id}/actions/unassign")

        def remove() -> None:
            try:
                api.delete(f"/primary_ips/{resource_id}")
            except ApiError as failure:
                if failure.code != "not_found":
                    raise

        retried(2 * RETRIES, remove, lambda failure: failure.code != "protected")

    def _detach(self, api: Api, resource_id: str, server_id: int) -> None:
        """Power the server off, unassign, power it on, if it still has the address; refusals don't matter."""
        try:
            server = api.get(f"/servers/{server_id}")["server"]
        except ApiError:
            return
        public = server["public_net"]
        if int(resource_id) not in {(public.get(side) or {}).get("id") for side in ("ipv4", "ipv6")}:
            return
        for path in (
            f"/servers/{server_id}/actions/poweroff",
            f"/primary_ips/{resource_id}/actions/unassign",
            f"/servers/{server_id}/actions/poweron",
        ):
            try:
                answer = api.post(path)
            except ApiError:
                continue
            api.wait(answer.get("action"))


def _outputs(address: dict[str, Any]) -> Properties:
    outputs: Properties = {
        "name": address["name"],
        "type": address["type"],
        "location": address["location"]["name"],
        "assigneeId": address["assignee_id"] or 0,
        "assigneeType": address["assignee_type"],
        "autoDelete": address["auto_delete"],
        "deleteProtection": address["protection"]["delete"],
        "labels": address["labels"],
        "ipAddress": address["ip"],
    }
    if address["type"] == "ipv6":
        network = ipaddress.IPv6Network(address["ip"])
        outputs |= {"ipAddress": str(network.network_address), "ipNetwork": str(network)}
    return outputs


def _faults(inputs: Properties) -> list[tuple[str, str]]:
    found = []
    if len({"location", "assigneeId"} & inputs.keys()) != 1:
        wanted = "Exactly one of these attributes must be configured: [location,assignee_id]"
        found.append(("", f"Missing Attribute Configuration. {wanted}"))
    if "assigneeId" in inputs and "assigneeType" not in inputs:
        wanted = "These attributes must be configured together: [assignee_id,assignee_type]"
        found.append(("assigneeId", f"Invalid Attribute Combination. {wanted}"))
    return found


TYPE: Final = ResourceType(
    token="hcloud:index/primaryIp:PrimaryIp",  # noqa: S106 - a type's token
    family=Family.FRAMEWORK,
    fields={
        "name": NAME,
        "type": Field(shape=Shape.TEXT, required=True, replaces=True),
        "location": Field(shape=Shape.TEXT, computed=True, replaces=True, keeps=True),
        "datacenter": Field(shape=Shape.TEXT, fault=lambda _: REMOVED),
        "assigneeId": Field(shape=Shape.NUMBER, computed=True),
        "assigneeType": Field(shape=Shape.TEXT, computed=True),
        "autoDelete": Field(shape=Shape.SWITCH, default=False, computed=True),
        "deleteProtection": PROTECTION,
        "labels": FRAMEWORK_LABELS,
        "ipAddress": Field(shape=Shape.TEXT, settable=False, computed=True, keeps=True),
        "ipNetwork": Field(shape=Shape.TEXT, settable=False, computed=True, keeps=True),
    },
    operations=PrimaryIp(),
    faults=_faults,
)

"""Volume: block storage that outlives the server that it is attached to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried
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


class Volume:
    """Volumes at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it, wait for it and for what follows, protect it if wanted, GET it."""
        del given
        body: dict[str, Any] = {"name": wanted["name"], "size": wanted["size"]}
        names = {
            "serverId": "server",
            "location": "location",
            "labels": "labels",
            "automount": "automount",
            "format": "format",
        }
        body |= {wire: wanted[name] for name, wire in names.items() if wanted.get(name)}
        answer = api.post("/volumes", body)
        resource_id = str(answer["volume"]["id"])
        born(resource_id)
        api.wait(answer.get("action"))
        for action in answer.get("next_actions") or []:
            api.wait(action)
        path = f"/volumes/{resource_id}"
        if wanted["deleteProtection"]:
            api.act(f"{path}/actions/change_protection", {"delete": True})
        return resource_id, _outputs(api.get(path)["volume"])

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it; a server that it is no longer on stays in the state, as in the original."""
        del state
        answer = api.find(f"/volumes/{resource_id}")
        return None if answer is None else _outputs(answer["volume"])

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """GET it, rename, move, grow, relabel, protect, GET it."""
        path, new = f"/volumes/{resource_id}", change.new
        answer = api.find(path)
        if answer is None:
            return None
        begun()
        if "name" in change.names:
            api.put(path, {"name": new["name"]})
        if "serverId" in change.names:
            if answer["volume"]["server"] is not None:
                detach(api, path)
            if new["serverId"]:
                body = attachment(new["serverId"], automount=new["automount"])
                retried(RETRIES, lambda: api.act(f"{path}/actions/attach", body), lambda _: True)
        if "size" in change.names:
            api.act(f"{path}/actions/resize", {"size": new["size"]})
        if "labels" in change.names:
            api.put(path, {"labels": new["labels"] or {}})
        if "deleteProtection" in change.names:
            api.act(f"{path}/actions/change_protection", {"delete": new["deleteProtection"]})
        return self.read(api, resource_id, change.old)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """GET it, detach it if it is attached, DELETE it, with patience; gone already is well."""
        del state
        path = f"/volumes/{resource_id}"
        answer = api.find(path)
        if answer is None:
            return
        if answer["volume"]["server"] is not None:
            detach(api, path)

        def remove() -> None:
            try:
                api.delete(path)
            except ApiError as failure:
                if failure.code != "not_found":
                    raise

        retried(RETRIES, remove, lambda _: True)


def detach(api: Api, path: str) -> None:
    """Take a volume off its server, with patience; a volume that is gone is well."""

    def once() -> None:
        try:
            answer = api.post(f"{path}/actions/detach")
        except ApiError as failure:
            if failure.code == "not_found":
                return
            raise
        api.wait(answer.get("action"))

    retried(RETRIES, once, lambda _: True)


def attachment(server_id: int, *, automount: bool | None) -> dict[str, Any]:
    """Return the body that attaches a volume to a server."""
    return {"server": server_id, **({"automount": True} if automount else {})}


def _outputs(volume: dict[str, Any]) -> Properties:
    outputs: Properties = {
        "name": volume["name"],
        "size": volume["size"],
        "location": volume["location"]["name"],
        "labels": volume["labels"],
        "linuxDevice": volume["linux_device"],
        "deleteProtection": volume["protection"]["delete"],
    }
    return outputs if volume["server"] is None else {**outputs, "serverId": volume["server"]}


TYPE: Final = ResourceType(
    token="hcloud:index/volume:Volume",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "name": NAME,
        "size": Field(shape=Shape.NUMBER, required=True),
        "location": Field(shape=Shape.TEXT, computed=True, replaces=True),
        "serverId": Field(shape=Shape.NUMBER, computed=True),
        "labels": LABELS,
        "automount": Field(shape=Shape.SWITCH),
        "format": Field(shape=Shape.TEXT),
        "deleteProtection": PROTECTION,
        "linuxDevice": Field(shape=Shape.TEXT, settable=False, computed=True),
    },
    operations=Volume(),
)

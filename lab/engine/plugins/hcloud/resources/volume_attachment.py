"""VolumeAttachment: a volume on a server; its id is the volume's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried
from lab.engine.plugins.hcloud.resources.volume import attachment
from lab.engine.plugins.hcloud.schema import Born, Change, Family, Field, ResourceType, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties


class VolumeAttachment:
    """Attachments of volumes at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST the attachment, with patience while something is locked, wait, look."""
        del given
        resource_id = str(wanted["volumeId"])
        body = attachment(wanted["serverId"], automount=wanted.get("automount"))
        path = f"/volumes/{resource_id}/actions/attach"
        answer = retried(RETRIES, lambda: api.post(path, body), lambda failure: failure.code == "locked")
        born(resource_id)
        api.wait(answer.get("action"))
        found = self.read(api, resource_id, wanted)
        if found is None:
            raise ApiError(f"volume {resource_id} is on no server after it was attached")
        return resource_id, found

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET the volume, then the server that the state names; gone if either is, or they have parted."""
        answer = api.find(f"/volumes/{resource_id}")
        if answer is None or answer["volume"]["server"] is None:
            return None
        server_id = answer["volume"]["server"]
        if api.find(f"/servers/{state.get('serverId') or server_id}") is None:
            return None
        return {"volumeId": answer["volume"]["id"], "serverId": server_id}

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """Look only: nothing of an attachment changes in place."""
        begun()
        return self.read(api, resource_id, change.new)

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """GET the volume and detach it, if it is attached; a volume that can't be read is left alone."""
        del state
        try:
            volume = api.get(f"/volumes/{resource_id}")["volume"]
        except ApiError:
            return
        if volume["server"] is not None:
            path = f"/volumes/{resource_id}/actions/detach"
            answer = retried(RETRIES, lambda: api.post(path), lambda failure: failure.code == "locked")
            api.wait(answer.get("action"))


TYPE: Final = ResourceType(
    token="hcloud:index/volumeAttachment:VolumeAttachment",  # noqa: S106 - a type's token
    family=Family.SDK,
    fields={
        "volumeId": Field(shape=Shape.NUMBER, required=True, replaces=True),
        "serverId": Field(shape=Shape.NUMBER, required=True, replaces=True),
        "automount": Field(shape=Shape.SWITCH, computed=True),
    },
    operations=VolumeAttachment(),
    named=False,
)

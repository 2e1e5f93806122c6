"""SshKey: a public key that new servers may be given."""

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
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties


class SshKey:
    """SSH keys at the API."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """POST it; the answer is the whole key."""
        del given, born
        body = {"name": wanted["name"], "public_key": wanted["publicKey"], "labels": wanted["labels"]}
        key = api.post("/ssh_keys", body)["ssh_key"]
        return str(key["id"]), _outputs(key)

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """GET it."""
        del state
        answer = api.find(f"/ssh_keys/{resource_id}")
        return None if answer is None else _outputs(answer["ssh_key"])

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """PUT what differs, alone."""
        del begun
        body = {name: change.new[name] for name in ("name", "labels") if name in change.names}
        return _outputs(api.put(f"/ssh_keys/{resource_id}", body)["ssh_key"])

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """DELETE it; gone already is well."""
        del state
        try:
            api.delete(f"/ssh_keys/{resource_id}")
        except ApiError as failure:
            if failure.code != "not_found":
                raise


def _outputs(key: dict[str, Any]) -> Properties:
    return {
        "name": key["name"],
        "publicKey": key["public_key"],
        "fingerprint": key["fingerprint"],
        "labels": key["labels"],
    }


TYPE: Final = ResourceType(
    token="hcloud:index/sshKey:SshKey",  # noqa: S106 - a type's token
    family=Family.FRAMEWORK,
    fields={
        "name": NAME,
        "publicKey": Field(shape=Shape.TEXT, required=True, replaces=True),
        "labels": FRAMEWORK_LABELS,
        "fingerprint": Field(shape=Shape.TEXT, settable=False, computed=True, keeps=True),
    },
    operations=SshKey(),
)

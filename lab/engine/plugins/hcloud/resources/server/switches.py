"""Set an ISO image or the rescue system of a server, and restart it for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried

if TYPE_CHECKING:
    from lab.engine.plugins.hcloud.api import Api


def set_iso(api: Api, server: dict[str, Any], name: str) -> None:
    """Detach the ISO that is there, attach the named one ("" for none), reset."""
    path = f"/servers/{server['id']}/actions"
    if server.get("iso") is not None:
        api.act(f"{path}/detach_iso")
    if name:
        found = api.get("/isos", name=name)["isos"]
        if not found:
            raise ApiError(f"ISO not found: {name}")
        api.act(f"{path}/attach_iso", {"iso": found[0]["id"]})
    if name or server.get("iso") is not None:
        api.act(f"{path}/reset")


def set_rescue(api: Api, server: dict[str, Any], rescue: str, ssh_keys: list[int]) -> None:
    """Disable the rescue system that is on, enable the wanted one ("" for none), reset."""
    path = f"/servers/{server['id']}/actions"
    if server.get("rescue_enabled"):
        api.act(f"{path}/disable_rescue")
    if rescue:
        body = {"type": rescue, **({"ssh_keys": ssh_keys} if ssh_keys else {})}
        retried(RETRIES, lambda: api.act(f"{path}/enable_rescue", body), lambda _: True)
    if rescue or server.get("rescue_enabled"):
        retried(2 * RETRIES, lambda: api.act(f"{path}/reset"), lambda _: True)

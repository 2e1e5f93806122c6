"""Give a server other public addresses: power off, unassign, assign, power on."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties

Side: TypeAlias = Literal["ipv4", "ipv6"]
SIDES: tuple[Side, ...] = ("ipv4", "ipv6")


def update_public_net(api: Api, server: dict[str, Any], old: list[Properties], new: list[Properties]) -> None:
    """Make a server's public addresses those of the new block.

    An address that the API made by itself is deleted when it goes. Leaving the block out later replaces a given
    address by a random one.

    Args:
        api: The API.
        server: The server as it was before.
        old: The block of before, if there was one.
        new: The block that is wanted, if there is one.
    """
    removed = [block for block in old if block not in new]
    added = [block for block in new if block not in old]
    before = removed[-1] if removed else {}
    api.act(f"/servers/{server['id']}/actions/poweroff")
    if not added:
        for side in SIDES:
            _release(api, server, side, before.get(side) or 0)
    for block in added:
        for side in SIDES:
            _change_side(api, server, side, before, block)
    _power_on(api, server)


def _release(api: Api, server: dict[str, Any], side: Side, given: int) -> None:
    """Swap an address that was given for a random one."""
    current = _current(server, side)
    if not current or not given:
        return
    if current != given:
        raise ApiError(f"Assigned {side} changed between plan and apply, please check and generate a new plan")
    api.act(f"/primary_ips/{current}/actions/unassign")
    _assign_random(api, server, side)


def _change_side(api: Api, server: dict[str, Any], side: Side, before: Properties, after: Properties) -> None:
    enabled, given = after[f"{side}Enabled"], after.get(side) or 0
    was_enabled, was_given = before.get(f"{side}Enabled", True), before.get(side) or 0
    current = _current(server, side)
    if enabled and given:
        if current:
            api.act(f"/primary_ips/{current}/actions/unassign")
            if not was_given:
                _or_power_on(api, server, lambda: api.delete(f"/primary_ips/{current}"))
        assignee = {"assignee_id": server["id"], "assignee_type": "server"}
        _or_power_on(api, server, lambda: api.act(f"/primary_ips/{given}/actions/assign", assignee))
    elif enabled:
        if was_enabled and was_given:
            _or_power_on(api, server, lambda: api.act(f"/primary_ips/{was_given}/actions/unassign"))
        if bool(was_enabled) == bool(was_given):
            _or_power_on(api, server, lambda: _assign_random(api, server, side))
    elif given:
        _power_on(api, server)
        raise ApiError(f"this operation is not allowed: {side}_enabled = false | {side} = {given}")
    elif current:
        _or_power_on(api, server, lambda: api.act(f"/primary_ips/{current}/actions/unassign"))
        if not was_given:
            _or_power_on(api, server, lambda: api.delete(f"/primary_ips/{current}"))


def _current(server: dict[str, Any], side: Side) -> int:
    address = server["public_net"].get(side)
    return 0 if address is None else int(address["id"])


def _assign_random(api: Api, server: dict[str, Any], side: Side) -> None:
    body = {
        "name": f"primary_ip-{1000000 + secrets.randbelow(9000000)}",
        "type": side,
        "assignee_type": "server",
        "assignee_id": server["id"],
        "auto_delete": True,
    }
    api.wait(api.post("/primary_ips", body).get("action"))


def _power_on(api: Api, server: dict[str, Any]) -> None:
    retried(RETRIES, lambda: api.act(f"/servers/{server['id']}/actions/poweron"), lambda _: True)


def _or_power_on(api: Api, server: dict[str, Any], step: Callable[[], object]) -> None:
    """Do a step; if it fails the server is powered on all the same before the failure is told."""
    try:
        step()
    except ApiError:
        _power_on(api, server)
        raise

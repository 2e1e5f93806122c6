"""What can be done to a server, and what it does to the wish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lab.wish import Wish
    from tests.cloud.driver import Client


@pytest.fixture
def number(a: Client) -> int:
    """Return a running server."""
    return a.server()


def wish(a: Client) -> Wish:
    """Return the only wish."""
    (only,) = a.cloud.wishes()
    return only


def act(a: Client, number: int, verb: str, body: Any = None) -> str:
    """Do something to a server, wait for it, and return Hetzner's word for it."""
    command = str(a.post(f"/servers/{number}/actions/{verb}", body)["action"]["command"])
    a.finish()
    return command


@pytest.mark.parametrize(
    ("verb", "command", "during", "after"),
    [
        ("poweron", "start_server", "starting", ("running", 1)),
        ("poweroff", "stop_server", "stopping", ("off", 1)),
        ("shutdown", "shutdown_server", "stopping", ("off", 1)),
        ("reboot", "reboot_server", "running", ("running", 2)),
        ("reset", "reset_server", "running", ("running", 2)),
    ],
)
def test_power_is_as_wished(a: Client, verb: str, command: str, during: str, after: tuple[str, int]) -> None:
    """A boot is counted only where the machine starts anew."""
    number = a.server()
    action = a.post(f"/servers/{number}/actions/{verb}")["action"]
    assert (action["command"], action["resources"]) == (command, [{"id": number, "type": "server"}])
    assert a.get(f"/servers/{number}")["server"]["status"] == during
    assert (wish(a).running, wish(a).boot) == (after[0] == "running", after[1])
    a.finish()
    assert a.get(f"/servers/{number}")["server"]["status"] == after[0]


def test_a_stopped_server_boots_only_when_started(a: Client, number: int) -> None:
    """Reboot and reset of a stopped server start nothing; poweron counts a boot."""
    act(a, number, "poweroff")
    act(a, number, "reboot")
    act(a, number, "reset")
    assert (wish(a).running, wish(a).boot) == (False, 1)
    act(a, number, "poweron")
    assert (wish(a).running, wish(a).boot) == (True, 2)


def test_the_type_of_a_stopped_server_changes(a: Client, number: int) -> None:
    """It stays off; the disk grows only if asked, and then the way back is closed."""
    smaller, larger = {"server_type": "cx23", "upgrade_disk": False}, {"server_type": "cx33", "upgrade_disk": False}
    path = f"/servers/{number}/actions/change_type"
    assert a.refused("POST", path, larger) == (422, "server_not_stopped")
    act(a, number, "poweroff")
    assert act(a, number, "change_type", larger) == "change_server_type"
    shown = a.get(f"/servers/{number}")["server"]
    assert (shown["server_type"]["name"], shown["primary_disk_size"], shown["status"]) == ("cx33", 40, "off")
    act(a, number, "change_type", smaller)
    act(a, number, "change_type", {**larger, "upgrade_disk": True})
    assert a.get(f"/servers/{number}")["server"]["primary_disk_size"] == 80
    assert a.refused("POST", path, smaller) == (422, "invalid_server_type")


def test_a_type_must_fit_the_server(a: Client, number: int) -> None:
    """Unknown, another architecture, not sold there, sold out: four refusals, no change."""
    act(a, number, "poweroff")
    path = f"/servers/{number}/actions/change_type"

    def code(server_type: str) -> tuple[int, str]:
        return a.refused("POST", path, {"server_type": server_type, "upgrade_disk": False})

    assert code("cx99") == (422, "invalid_server_type")
    assert code("cax21") == (422, "invalid_server_type")
    assert code("cpx21") == (422, "invalid_input")
    a.cloud.settings.no_capacity = {("cx33", "*")}
    assert code("cx33") == (412, "resource_unavailable")
    assert a.wrong_fields("POST", path, {"server_type": "cx33"}) == ["upgrade_disk"]
    assert a.get(f"/servers/{number}")["server"]["server_type"]["name"] == "cx23"


def test_a_rebuild_is_a_new_disk(a: Client, number: int) -> None:
    """Same id and addresses, new image; user data stay unless new ones come; a stopped server starts."""
    before = wish(a)
    act(a, number, "poweroff")
    assert act(a, number, "rebuild", {"image": "debian-13"}) == "rebuild_server"
    after = wish(a)
    assert (after.image, after.rebuild, after.boot, after.running) == ("debian-13", 1, 2, True)
    assert (after.server_id, after.ipv4, after.user_data) == (number, before.ipv4, before.user_data)
    act(a, number, "rebuild", {"image": 114690387, "user_data": "#!/bin/sh\n"})
    assert (wish(a).image, wish(a).rebuild, wish(a).user_data) == ("debian-12", 2, "#!/bin/sh\n")


def test_a_rebuild_that_is_refused_changes_nothing(a: Client, number: int) -> None:
    """Unknown image, another architecture, user data too long, protection."""
    before = wish(a)
    path = f"/servers/{number}/actions/rebuild"
    assert a.wrong_fields("POST", path, {"image": "debian-1"}) == ["image"]
    assert a.wrong_fields("POST", path, {"image": 114690389}) == ["image"]
    assert a.wrong_fields("POST", path, {"image": "debian-12", "user_data": "x" * 32769}) == ["user_data"]
    act(a, number, "change_protection", {"delete": True, "rebuild": True})
    assert a.refused("POST", path, {"image": "debian-12"}) == (423, "protected")
    assert wish(a) == before


def test_a_protected_server_stays(a: Client, number: int) -> None:
    """Both locks go together, as the reference says; lifted, it goes."""
    path = f"/servers/{number}/actions/change_protection"
    assert a.wrong_fields("POST", path, {"delete": True}) == ["delete"]
    act(a, number, "change_protection", {"delete": True, "rebuild": True})
    assert a.get(f"/servers/{number}")["server"]["protection"] == {"delete": True, "rebuild": True}
    assert a.refused("DELETE", f"/servers/{number}") == (423, "protected")
    act(a, number, "change_protection", {"delete": False, "rebuild": False})
    assert a.call("DELETE", f"/servers/{number}").status == 200


def test_backups_are_switched(a: Client, number: int) -> None:
    """A window says that they are on; the wish does not care."""
    before = wish(a)
    assert act(a, number, "enable_backup") == "enable_backup"
    assert a.get(f"/servers/{number}")["server"]["backup_window"] == "22-02"
    assert act(a, number, "disable_backup") == "disable_backup"
    assert a.get(f"/servers/{number}")["server"]["backup_window"] is None
    assert wish(a) == before


def test_a_password_is_reset_on_a_running_server(a: Client, number: int) -> None:
    """It comes in the answer, once."""
    assert a.post(f"/servers/{number}/actions/reset_password")["root_password"] == "made-up"
    act(a, number, "poweroff")
    assert a.refused("POST", f"/servers/{number}/actions/reset_password") == (422, "server_not_running")


def test_a_stopped_server_joins_a_placement_group(a: Client, number: int) -> None:
    """A running one does not; a full or missing group is refused; leaving needs no stop."""
    group = a.post("/placement_groups", {"name": "pg", "type": "spread"})["placement_group"]["id"]
    join, path = {"placement_group": group}, f"/servers/{number}/actions/add_to_placement_group"
    assert a.refused("POST", path, join) == (422, "server_not_stopped")
    act(a, number, "poweroff")
    assert a.refused("POST", path, {"placement_group": 9999}) == (404, "not_found")
    act(a, number, "add_to_placement_group", join)
    assert a.get(f"/placement_groups/{group}")["placement_group"]["servers"] == [number]
    assert a.refused("POST", path, join) == (412, "placement_error")
    assert a.refused("DELETE", f"/placement_groups/{group}") == (422, "resource_in_use")
    act(a, number, "poweron")
    act(a, number, "remove_from_placement_group")
    assert a.call("DELETE", f"/placement_groups/{group}").status == 204


def test_a_placement_group_holds_ten(a: Client) -> None:
    """The eleventh is refused, and nothing of it is made."""
    group = a.post("/placement_groups", {"name": "pg", "type": "spread"})["placement_group"]["id"]
    for index in range(10):
        a.server(f"n{index}", placement_group=group)
    body = {"name": "n10", "server_type": "cx23", "image": "debian-12", "location": "fsn1", "placement_group": group}
    assert a.refused("POST", "/servers", body) == (412, "placement_error")
    assert len(a.cloud.wishes()) == 10


def test_a_missing_server_can_be_done_nothing_to(a: Client) -> None:
    """404 for each verb."""
    for verb in ("poweron", "poweroff", "reboot", "rebuild", "change_type", "change_protection"):
        assert a.refused("POST", f"/servers/9999/actions/{verb}") == (404, "not_found")


def test_the_rescue_system_is_for_one_boot(a: Client) -> None:
    """From the next boot on the server is down in the world, and from the one after it is back."""
    number, key = a.server(), a.key()
    path = f"/servers/{number}/actions"
    body = {"type": "linux64", "ssh_keys": [key]}
    answer = a.post(f"{path}/enable_rescue", body)
    assert (answer["action"]["command"], answer["root_password"]) == ("enable_rescue", "made-up")
    a.finish()
    assert a.get(f"/servers/{number}")["server"]["rescue_enabled"] is True
    assert a.refused("POST", f"{path}/enable_rescue", body) == (409, "conflict")
    assert a.cloud.wishes()[0].running is True
    for up in (False, True):
        a.post(f"{path}/reset")
        a.finish()
        assert a.cloud.wishes()[0].running is up
        assert a.get(f"/servers/{number}")["server"]["rescue_enabled"] is False


def test_the_rescue_system_can_be_called_off(a: Client) -> None:
    """Before a boot, and once; a key or a system that does not exist is refused."""
    number = a.server()
    path = f"/servers/{number}/actions"
    assert a.refused("POST", f"{path}/enable_rescue", {"ssh_keys": [9999]}) == (404, "not_found")
    assert a.wrong_fields("POST", f"{path}/enable_rescue", {"type": "freebsd64"}) == ["type"]
    assert a.refused("POST", f"{path}/disable_rescue") == (409, "conflict")
    a.post(f"{path}/enable_rescue")
    a.finish()
    a.post(f"{path}/disable_rescue")
    a.finish()
    a.post(f"{path}/reset")
    assert a.cloud.wishes()[0].running is True

"""Actions: how long they are seen to take, how they are found, and how they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cloud.driver import Client, Clock


def started(a: Client) -> int:
    """Start an action and return its id."""
    return int(a.post(f"/primary_ips/{a.address()}/actions/change_protection", {"delete": True})["action"]["id"])


@pytest.mark.parametrize("polls", [1, 2, 5])
def test_an_action_takes_as_many_looks_as_the_lab_says(a: Client, polls: int) -> None:
    """`running` until the last of them, then `success` for good."""
    a.cloud.settings.action_polls = polls
    number = started(a)
    seen = [a.get(f"/actions/{number}")["action"] for _ in range(polls + 1)]
    assert [action["status"] for action in seen] == ["running"] * (polls - 1) + ["success"] * 2
    assert [action["progress"] for action in seen] == [0] * (polls - 1) + [100] * 2
    assert [action["finished"] is None for action in seen] == [True] * (polls - 1) + [False] * 2


def test_an_action_may_be_over_at_once(a: Client) -> None:
    """No look at all: a client that trusts the answer need not poll."""
    a.cloud.settings.action_polls = 0
    answer = a.post(f"/primary_ips/{a.address()}/actions/change_protection", {"delete": True})
    assert answer["action"]["status"] == "success"


def test_an_action_ends_without_being_looked_at(a: Client, clock: Clock) -> None:
    """Time alone frees what it keeps locked; a second before that it does not."""
    a.cloud.settings.action_polls = 1000
    number = a.post("/servers", {"name": "x", "server_type": "cx23", "image": "debian-12"})["server"]["id"]
    clock.move(4)
    assert a.refused("DELETE", f"/servers/{number}") == (423, "locked")
    clock.move(1)
    assert a.get(f"/servers/{number}")["server"]["status"] == "running"
    assert a.call("DELETE", f"/servers/{number}").status == 200


def test_an_action_is_shown_whole(a: Client, clock: Clock) -> None:
    """Start and end in RFC 3339."""
    number = started(a)
    clock.move(2)
    assert a.get(f"/actions/{number}")["action"] == {
        "id": number,
        "command": "change_protection",
        "status": "success",
        "progress": 100,
        "started": "1970-01-01T00:00:00Z",
        "finished": "1970-01-01T00:00:02Z",
        "resources": [{"id": a.get("/primary_ips")["primary_ips"][0]["id"], "type": "primary_ip"}],
        "error": None,
    }


def test_a_command_can_be_made_to_fail(a: Client) -> None:
    """The action ends in `error` with a code; other commands go on."""
    a.cloud.settings.action_faults = {"create_server": ("action_failed", "no disk")}
    answer = a.post("/servers", {"name": "x", "server_type": "cx23", "image": "debian-12"})
    assert (answer["action"]["status"], answer["action"]["error"]) == ("running", None)
    first, second = answer["action"]["id"], answer["next_actions"][0]["id"]
    ended = {action["id"]: action for action in a.get(f"/actions?id={first}&id={second}")["actions"]}
    assert (ended[first]["status"], ended[first]["error"]) == (
        "error",
        {"code": "action_failed", "message": "no disk"},
    )
    assert (ended[second]["status"], ended[second]["error"]) == ("success", None)


def test_several_actions_are_asked_for_by_id(a: Client) -> None:
    """All that were asked for come, in the order of `sort`; unknown ones don't."""
    a.cloud.settings.action_polls = 2
    a.server()
    found = a.get("/actions?id=2&id=1&id=99&page=1&sort=status&sort=id")["actions"]
    assert [action["id"] for action in found] == [1, 2]
    assert [a["id"] for a in a.get("/actions?id=1&id=2&sort=id:desc")["actions"]] == [2, 1]
    assert a.wrong_fields("GET", "/actions?id=1&sort=progress", None) == ["sort"]


def test_the_list_of_all_actions_is_gone(a: Client) -> None:
    """Hetzner switched it off; a client that still asks learns why."""
    started(a)
    assert a.refused("GET", "/actions") == (410, "deprecated_api_endpoint")


def test_actions_are_found_at_their_objects(a: Client) -> None:
    """By kind, by object and one by one; never at another's."""
    one, two = a.server("one"), a.server("two")
    a.off(one)
    assert [x["command"] for x in a.get(f"/servers/{one}/actions")["actions"]] == [
        "create_server",
        "start_server",
        "stop_server",
    ]
    assert len(a.get("/servers/actions")["actions"]) == 5
    stop = a.get(f"/servers/{one}/actions")["actions"][2]["id"]
    assert a.get(f"/servers/{one}/actions/{stop}")["action"]["id"] == stop
    assert a.get(f"/servers/actions/{stop}")["action"]["id"] == stop
    assert a.refused("GET", f"/servers/{two}/actions/{stop}") == (404, "not_found")
    assert a.refused("GET", f"/firewalls/actions/{stop}") == (404, "not_found")
    assert a.get("/servers/actions?status=running")["actions"] == []


def test_an_action_may_never_end(a: Client, clock: Clock) -> None:
    """Neither looks nor time end it, and its server stays locked; other commands go on."""
    a.cloud.settings.endless_actions = {"stop_server"}
    number = a.server()
    action = a.post(f"/servers/{number}/actions/poweroff")["action"]["id"]
    a.cloud.settings.endless_actions = set()
    for _ in range(3):
        clock.move(3600)
        assert a.get(f"/actions/{action}")["action"]["status"] == "running"
    assert a.get(f"/servers/{number}")["server"]["status"] == "stopping"
    assert a.refused("DELETE", f"/servers/{number}") == (423, "locked")
    other = a.server("other")
    a.off(other)
    assert a.call("DELETE", f"/servers/{other}").status == 200

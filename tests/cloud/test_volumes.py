"""Volumes: disks that outlive servers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cloud.driver import Client, server_body


def volume(a: Client, name: str = "data", **more: Any) -> int:
    """Make a volume and return its id."""
    return int(a.post("/volumes", {"name": name, "size": 10, "location": "fsn1", **more})["volume"]["id"])


def test_a_volume_is_shown_as_hetzner_does(a: Client) -> None:
    """Its device is named after its id."""
    answer = a.post("/volumes", {"name": "data", "size": 10, "location": "fsn1", "format": "ext4"})
    number = answer["volume"]["id"]
    assert (answer["action"]["command"], answer["next_actions"]) == ("create_volume", [])
    shown = a.get(f"/volumes/{number}")["volume"]
    assert shown.pop("location")["name"] == "fsn1"
    assert shown == {
        "id": number,
        "name": "data",
        "created": "1970-01-01T00:00:00Z",
        "size": 10,
        "server": None,
        "linux_device": f"/dev/disk/by-id/scsi-0HC_Volume_{number}",
        "format": "ext4",
        "protection": {"delete": False},
        "labels": {},
        "status": "available",
    }


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"size": 9}, ["size"]),
        ({"size": 10241}, ["size"]),
        ({"size": "10"}, ["size"]),
        ({"format": "btrfs"}, ["format"]),
        ({"location": None}, ["location"]),
        ({"location": "moon"}, ["location"]),
        ({"server": 1}, ["location"]),
        ({"labels": {"-": ""}}, ["labels"]),
    ],
)
def test_a_wrong_input_names_its_field(a: Client, change: dict[str, Any], fields: list[str]) -> None:
    """And nothing is made."""
    assert a.wrong_fields("POST", "/volumes", {"name": "data", "size": 10, "location": "fsn1", **change}) == fields
    assert a.get("/volumes")["volumes"] == []
    volume(a, size=10240)


def test_a_volume_is_on_one_server_of_its_location(a: Client) -> None:
    """Attach, refuse a second server, detach, refuse a server elsewhere."""
    one, two, far = a.server("one"), a.server("two"), a.server("far", location="hel1")
    number = volume(a)
    path = f"/volumes/{number}/actions"
    assert a.refused("POST", f"{path}/detach") == (422, "volume_not_attached")
    a.post(f"{path}/attach", {"server": one})
    assert a.get(f"/servers/{one}")["server"]["volumes"] == [number]
    assert a.refused("POST", f"{path}/attach", {"server": two}) == (422, "volume_already_attached")
    assert a.refused("DELETE", f"/volumes/{number}") == (422, "volume_already_attached")
    a.post(f"{path}/detach")
    assert a.wrong_fields("POST", f"{path}/attach", {"server": far}) == ["volume"]
    assert a.refused("POST", f"{path}/attach", {"server": 9999}) == (404, "not_found")
    assert a.call("DELETE", f"/volumes/{number}").status == 204


def test_a_volume_comes_with_a_server_and_outlives_it(a: Client) -> None:
    """At the server's birth, at its own, and after the server's end."""
    number = volume(a)
    answer = a.post("/servers", server_body(volumes=[number]))
    assert [action["command"] for action in answer["next_actions"]] == ["start_server", "attach_volume"]
    a.finish()
    server = answer["server"]["id"]
    late = a.post("/volumes", {"name": "late", "size": 10, "server": server})
    assert [action["command"] for action in late["next_actions"]] == ["attach_volume"]
    assert a.get(f"/servers/{server}")["server"]["volumes"] == [number, late["volume"]["id"]]
    assert a.refused("POST", "/servers", server_body("x", volumes=[number])) == (422, "volume_already_attached")
    a.call("DELETE", f"/servers/{server}")
    assert [(v["id"], v["server"]) for v in a.get("/volumes")["volumes"]] == [
        (number, None),
        (late["volume"]["id"], None),
    ]


def test_a_volume_only_grows(a: Client) -> None:
    """The same size or less is refused."""
    number = volume(a)
    path = f"/volumes/{number}/actions/resize"
    a.post(path, {"size": 20})
    assert a.get(f"/volumes/{number}")["volume"]["size"] == 20
    for size in (20, 10, 10241):
        assert a.wrong_fields("POST", path, {"size": size}) == ["size"]


def test_a_protected_volume_stays(a: Client) -> None:
    """Until the lock is lifted."""
    number = volume(a)
    a.post(f"/volumes/{number}/actions/change_protection", {"delete": True})
    assert a.refused("DELETE", f"/volumes/{number}") == (423, "protected")
    a.post(f"/volumes/{number}/actions/change_protection", {"delete": False})
    assert a.call("DELETE", f"/volumes/{number}").status == 204


def test_a_volume_is_renamed(a: Client) -> None:
    """Names are unique among volumes."""
    number = volume(a)
    volume(a, "other")
    assert a.refused("PUT", f"/volumes/{number}", {"name": "other"}) == (409, "uniqueness_error")
    assert a.put(f"/volumes/{number}", {"name": "new", "labels": {"x": "y"}})["volume"]["labels"] == {"x": "y"}


def test_a_server_takes_sixteen_volumes(a: Client) -> None:
    """The seventeenth is refused."""
    server = a.server()
    for index in range(16):
        a.post("/volumes", {"name": f"v{index}", "size": 10, "server": server})
    body = {"name": "v16", "size": 10, "server": server}
    assert a.refused("POST", "/volumes", body) == (403, "resource_limit_exceeded")

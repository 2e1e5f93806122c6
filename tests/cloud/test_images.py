"""Images: Hetzner's own, and those that a project makes of its servers' disks."""

from __future__ import annotations

from typing import Any

import pytest

from lab.cloud.images import BACKUP_SLOTS
from lab.wish import ImageWish, VolumeWish
from tests.cloud.driver import Client, server_body


def snapshot(a: Client, server: int, **more: Any) -> int:
    """Make an image of a server and return its id."""
    number = int(a.post(f"/servers/{server}/actions/create_image", more)["image"]["id"])
    a.finish()
    return number


def test_a_snapshot_is_shown_as_hetzner_does(a: Client) -> None:
    """It has no name, says which server it was, and is found beside the system's images."""
    server = a.server()
    answer = a.post(f"/servers/{server}/actions/create_image", {"description": "before", "labels": {"x": "y"}})
    number = answer["image"]["id"]
    assert answer["action"]["command"] == "create_image"
    assert answer["action"]["resources"] == [{"id": server, "type": "server"}, {"id": number, "type": "image"}]
    a.finish()
    assert a.get(f"/images/{number}")["image"] == {
        "id": number,
        "type": "snapshot",
        "status": "available",
        "name": None,
        "description": "before",
        "image_size": 0.5,
        "disk_size": 40,
        "created": "1970-01-01T00:00:00Z",
        "created_from": {"id": server, "name": "edge"},
        "bound_to": None,
        "os_flavor": "debian",
        "os_version": "12",
        "rapid_deploy": False,
        "protection": {"delete": False},
        "deprecated": None,
        "deprecation": None,
        "deleted": None,
        "labels": {"x": "y"},
        "architecture": "x86",
    }


def test_images_are_chosen_by_what_they_are(a: Client, b: Client) -> None:
    """By type, label, architecture, name and server; another project's are not there."""
    server = a.server()
    a.post(f"/servers/{server}/actions/enable_backup")
    a.finish()
    one, two = snapshot(a, server, labels={"x": "y"}), snapshot(a, server, type="backup")

    def ids(query: str) -> list[int]:
        return [image["id"] for image in a.get(f"/images?{query}")["images"]]

    assert ids("type=snapshot") == [one]
    assert ids("type=snapshot&type=backup&sort=id:desc") == [two, one]
    assert ids("label_selector=x") == [one]
    assert ids(f"bound_to={server}") == [two]
    assert {image["type"] for image in a.get("/images?name=debian-12")["images"]} == {"system"}
    assert ids("type=snapshot&architecture=arm") == []
    assert b.get("/images?type=snapshot")["images"] == []
    assert b.refused("GET", f"/images/{one}") == (404, "not_found")
    assert b.wrong_fields("POST", "/servers", server_body(image=one)) == ["image"]


def test_a_server_is_made_and_rebuilt_from_a_snapshot(a: Client) -> None:
    """By id, as a number or as text; the wish says whose disk it is, and a system image takes that back."""
    one = a.server()
    image = snapshot(a, one)
    two = a.server("two", image=str(image))
    assert a.get(f"/servers/{two}")["server"]["image"]["id"] == image
    a.post(f"/servers/{one}/actions/rebuild", {"image": image})
    assert [(wish.image, wish.own_image) for wish in a.cloud.wishes()] == [("debian-12", image)] * 2
    a.finish()
    a.post(f"/servers/{one}/actions/rebuild", {"image": "debian-12"})
    assert a.cloud.wishes()[0].own_image is None


def test_a_snapshot_fits_its_architecture_and_a_disk_that_is_large_enough(a: Client) -> None:
    """An image of a large disk is refused for a small one, and for the other architecture."""
    large = snapshot(a, a.server("large", server_type="cx33"))
    assert a.wrong_fields("POST", "/servers", server_body(image=large)) == ["image"]
    assert a.wrong_fields("POST", "/servers", server_body(image=large, server_type="cax21")) == ["image"]
    assert a.get("/servers")["servers"][1:] == []
    a.server("fits", server_type="cx33", image=large)


def test_a_deleted_snapshot_is_remembered_by_its_servers_only(a: Client) -> None:
    """No new server is made of it, the old one still says what it was made from, and nothing is left in the end."""
    image = snapshot(a, a.server())
    server = a.server("two", image=image)
    a.post(f"/images/{image}/actions/change_protection", {"delete": True})
    assert a.refused("DELETE", f"/images/{image}") == (423, "protected")
    a.post(f"/images/{image}/actions/change_protection", {"delete": False})
    assert a.call("DELETE", f"/images/{image}").status == 204
    assert a.refused("GET", f"/images/{image}") == (404, "not_found")
    assert a.wrong_fields("POST", "/servers", server_body("x", image=image)) == ["image"]
    shown = a.get(f"/servers/{server}")["server"]["image"]
    assert (shown["id"], shown["deleted"]) == (image, "1970-01-01T00:00:00Z")
    assert a.cloud.stores().images == ()
    a.call("DELETE", f"/servers/{server}")
    assert a.cloud.projects["a"].tables.images == {}


def test_a_system_image_is_nobodys_to_change(a: Client) -> None:
    """Neither updated nor deleted."""
    system = a.get("/images?name=debian-12")["images"][0]["id"]
    for method, path, body in (
        ("DELETE", f"/images/{system}", None),
        ("PUT", f"/images/{system}", {"description": "mine"}),
        ("POST", f"/images/{system}/actions/change_protection", {"delete": True}),
    ):
        assert a.refused(method, path, body) == (403, "forbidden")


def test_backups_need_the_option_and_go_with_their_server(a: Client) -> None:
    """A backup turned into a snapshot stays; the option's end takes backups at once."""
    server = a.server()
    path = f"/servers/{server}/actions"
    assert a.wrong_fields("POST", f"{path}/create_image", {"type": "backup"}) == ["type"]
    a.post(f"{path}/enable_backup")
    a.finish()
    kept, gone = snapshot(a, server, type="backup"), snapshot(a, server, type="backup")
    assert a.get(f"/images/{gone}")["image"]["bound_to"] == server
    assert a.wrong_fields("POST", f"/images/{gone}/actions/change_protection", {"delete": True}) == ["type"]
    turned = a.put(f"/images/{kept}", {"type": "snapshot", "description": "kept", "labels": {"x": "y"}})["image"]
    assert (turned["type"], turned["bound_to"], turned["description"]) == ("snapshot", None, "kept")
    assert a.wrong_fields("PUT", f"/images/{kept}", {"type": "backup"}) == ["type"]
    a.post(f"{path}/disable_backup")
    a.finish()
    assert [image["id"] for image in a.get("/images?type=snapshot&type=backup")["images"]] == [kept]
    a.post(f"{path}/enable_backup")
    a.finish()
    snapshot(a, server, type="backup")
    a.call("DELETE", f"/servers/{server}")
    assert [image["id"] for image in a.get("/images?type=snapshot&type=backup")["images"]] == [kept]


def test_there_are_seven_slots_for_backups(a: Client) -> None:
    """One more lets go of the oldest; snapshots are not counted."""
    server = a.server()
    a.post(f"/servers/{server}/actions/enable_backup")
    a.finish()
    snapshot(a, server)
    backups = [snapshot(a, server, type="backup") for _ in range(BACKUP_SLOTS + 1)]
    assert [image["id"] for image in a.get("/images?type=backup")["images"]] == backups[1:]


@pytest.mark.parametrize(("change", "field"), [({"type": "system"}, "type"), ({"labels": {"-": ""}}, "labels")])
def test_a_wrong_input_names_its_field(a: Client, change: dict[str, Any], field: str) -> None:
    """And no image is made."""
    server = a.server()
    assert a.wrong_fields("POST", f"/servers/{server}/actions/create_image", change) == [field]
    assert a.get("/images?type=snapshot")["images"] == []


def test_the_actions_of_disks_wait_for_the_world(a: Client, clock: Any) -> None:
    """Where there is one: an image is `creating` and its server locked until it is reported, a volume until it is so."""
    a.cloud.settings.disks_reported = True
    server = a.server()
    volume = a.post("/volumes", {"name": "data", "size": 10, "server": server, "format": "ext4", "automount": True})
    made = a.post(f"/servers/{server}/actions/create_image")
    image, attach = made["image"]["id"], volume["next_actions"][0]["id"]
    assert a.cloud.stores().images == (ImageWish(image_id=image, server_id=server),)
    assert a.cloud.stores().volumes == (
        VolumeWish(volume_id=volume["volume"]["id"], size_gb=10, format="ext4", server_id=server, automount=True),
    )
    clock.move(3600)
    a.finish()
    assert a.get(f"/images/{image}")["image"]["status"] == "creating"
    assert a.refused("POST", f"/servers/{server}/actions/poweroff") == (423, "locked")
    assert a.refused("DELETE", f"/images/{image}") == (423, "locked")
    assert a.wrong_fields("POST", "/servers", server_body("x", image=image)) == ["image"]
    a.cloud.report_volumes({volume["volume"]["id"]: (None, 10)})
    assert a.get(f"/actions/{attach}")["action"]["status"] == "running"
    a.cloud.report_volumes({volume["volume"]["id"]: (server, 10)})
    assert a.get(f"/actions/{attach}")["action"]["status"] == "success"
    a.cloud.report_image(image, 0.25)
    assert a.get(f"/actions/{made['action']['id']}")["action"]["status"] == "success"
    assert a.get(f"/images/{image}")["image"]["image_size"] == 0.25
    a.post(f"/servers/{server}/actions/poweroff")


def test_an_image_that_can_not_be_made_is_an_action_that_fails(a: Client) -> None:
    """And is no more."""
    a.cloud.settings.disks_reported = True
    made = a.post(f"/servers/{a.server()}/actions/create_image")
    a.cloud.report_image(made["image"]["id"], None)
    action = a.get(f"/actions/{made['action']['id']}")["action"]
    assert (action["status"], action["error"]["code"]) == ("error", "action_failed")
    assert a.refused("GET", f"/images/{made['image']['id']}") == (404, "not_found")


def test_an_image_that_is_there_can_not_fail_any_more(a: Client) -> None:
    """A late word of the world changes nothing, neither of it nor of a server that was made from it."""
    image = snapshot(a, a.server())
    server = a.server("two", image=image)
    a.cloud.report_image(image, None)
    assert a.get(f"/images/{image}")["image"]["status"] == "available"
    assert a.get(f"/servers/{server}")["server"]["image"]["id"] == image


def test_the_world_hears_of_a_volume_without_a_server(a: Client) -> None:
    """A change of the stores alone is a change, and one of a name is none."""
    told: list[object] = []
    a.cloud.on_change = told.append
    volume = a.post("/volumes", {"name": "data", "size": 10, "location": "fsn1"})["volume"]["id"]
    assert len(told) == 1
    a.put(f"/volumes/{volume}", {"name": "other"})
    assert len(told) == 1
    assert a.wrong_fields("POST", "/volumes", {"name": "x", "size": 10, "location": "fsn1", "automount": True}) == [
        "automount"
    ]

"""Servers: how they are made, shown, renamed and deleted."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network
from typing import Any

import pytest

from lab.wish import Wish
from tests.cloud.driver import KEY_1, Client, server_body


def test_a_new_server_is_under_way_until_it_is_looked_at(a: Client) -> None:
    """Two actions follow each other; its status follows them."""
    answer = a.post("/servers", server_body())
    number = answer["server"]["id"]
    assert answer["server"]["status"] == "initializing"
    assert (answer["action"]["command"], answer["action"]["status"]) == ("create_server", "running")
    assert [action["command"] for action in answer["next_actions"]] == ["start_server"]
    a.get(f"/actions/{answer['action']['id']}")
    assert a.get(f"/servers/{number}")["server"]["status"] == "starting"
    a.get(f"/actions/{answer['next_actions'][0]['id']}")
    assert a.get(f"/servers/{number}")["server"]["status"] == "running"


def test_a_server_is_shown_with_what_the_provider_reads(a: Client) -> None:
    """Every field of the reference that a client of the lab may read."""
    group = a.post("/placement_groups", {"name": "pg", "type": "spread"})["placement_group"]["id"]
    number = a.server(labels={"env": "one"}, placement_group=group)
    shown = a.get(f"/servers/{number}")["server"]
    assert shown["server_type"]["name"] == "cx23"
    assert shown["server_type"]["architecture"] == "x86"
    assert (shown["image"]["name"], shown["image"]["architecture"]) == ("debian-12", "x86")
    assert (shown["location"]["name"], shown["location"]["country"]) == ("fsn1", "DE")
    assert shown["placement_group"]["servers"] == [number]
    assert shown["protection"] == {"delete": False, "rebuild": False}
    assert shown["labels"] == {"env": "one"}
    assert shown["primary_disk_size"] == 40
    assert shown["private_net"] == shown["volumes"] == []
    assert shown["backup_window"] is shown["iso"] is None
    assert set(shown["public_net"]) == {"ipv4", "ipv6", "floating_ips", "firewalls"}
    assert shown["public_net"]["ipv6"]["ip"] == "2001:db8:1::/64"
    assert shown["public_net"]["ipv4"]["dns_ptr"] == "static.10.113.0.203.clients.example.net"


def test_a_server_becomes_a_wish(a: Client) -> None:
    """Everything that a machine needs to know, and nothing of the other servers."""
    a.server("other", location="hel1", server_type="cax11")
    number = a.server("edge", image="debian-13", user_data="#!/bin/sh\n", ssh_keys=[a.key()])
    assert a.cloud.wishes()[1] == Wish(
        server_id=number,
        name="edge",
        image="debian-13",
        location="fsn1",
        country="DE",
        mac=f"96:00:00:00:{number >> 8:02x}:{number & 255:02x}",
        ipv4=IPv4Address("203.0.113.10"),
        ipv6=IPv6Network("2001:db8:2::/64"),
        user_data="#!/bin/sh\n",
        public_keys=(KEY_1,),
        running=True,
        boot=1,
        rebuild=0,
        firewall=None,
    )
    assert (a.cloud.wishes()[0].country, str(a.cloud.wishes()[0].ipv4)) == ("FI", "198.51.100.10")


def test_servers_differ_in_every_address(a: Client) -> None:
    """Hardware, IPv4 and IPv6 addresses are each server's own."""
    for index in range(5):
        a.server(f"edge-{index}")
    wishes = a.cloud.wishes()
    assert len({wish.mac for wish in wishes}) == len({wish.ipv4 for wish in wishes}) == 5
    assert len({wish.ipv6 for wish in wishes}) == 5


def test_a_root_password_is_for_servers_without_keys(a: Client) -> None:
    """Hetzner sends one only then."""
    assert a.post("/servers", server_body("one"))["root_password"] == "made-up"
    assert a.post("/servers", server_body("two", ssh_keys=[a.key()]))["root_password"] is None


def test_a_server_can_be_born_switched_off(a: Client) -> None:
    """It has never booted, and no action starts it."""
    answer = a.post("/servers", server_body(start_after_create=False))
    assert answer["next_actions"] == []
    a.finish()
    assert a.get(f"/servers/{answer['server']['id']}")["server"]["status"] == "off"
    wish = a.cloud.wishes()[0]
    assert (wish.running, wish.boot) == (False, 0)


def test_null_is_as_good_as_absent(a: Client) -> None:
    """Clients send null for what they leave out."""
    number = a.server(placement_group=None, ssh_keys=None, labels=None, user_data=None, public_net=None)
    assert a.get(f"/servers/{number}")["server"]["placement_group"] is None


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "a_b"}, ["name"]),
        ({"name": "-a"}, ["name"]),
        ({"name": "a-"}, ["name"]),
        ({"name": "a..b"}, ["name"]),
        ({"name": "a" * 64}, ["name"]),
        ({"name": "a\n"}, ["name"]),
        ({"server_type": "cx99"}, ["server_type"]),
        ({"image": "debian-1"}, ["image"]),
        ({"image": 114690389}, ["image"]),
        ({"location": "moon"}, ["location"]),
        ({"location": "ash"}, ["location"]),
        ({"server_type": "cax11", "location": "sin"}, ["location"]),
        ({"labels": {"-": "x"}}, ["labels"]),
        ({"user_data": "x" * 32769}, ["user_data"]),
        ({"user_data": "ä" * 16385}, ["user_data"]),
        ({"ssh_keys": "key"}, ["ssh_keys"]),
        ({"public_net": {"ipv4": "203.0.113.10"}}, ["public_net.ipv4"]),
        ({"start_after_create": 1}, ["start_after_create"]),
    ],
)
def test_a_wrong_input_names_its_field_and_makes_nothing(a: Client, change: dict[str, Any], fields: list[str]) -> None:
    """Neither a server nor an address nor a wish is left behind."""
    assert a.wrong_fields("POST", "/servers", {**server_body(), **change}) == fields
    assert a.cloud.objects()["a"] == {}
    assert a.cloud.wishes() == ()


@pytest.mark.parametrize(
    "change",
    [
        {"name": "a" * 63},
        {"name": "a.b-c.1"},
        {"name": "0"},
        {"server_type": 104},
        {"image": 114690387},
        {"server_type": "cax11", "image": "debian-13"},
        {"location": None},
        {"location": 3},
        {"user_data": "x" * 32768},
    ],
)
def test_the_last_good_input_is_taken(a: Client, change: dict[str, Any]) -> None:
    """Ids and names, defaults, and the last value inside each limit."""
    a.post("/servers", {**server_body(), **change})


def test_a_refusal_never_repeats_user_data(a: Client) -> None:
    """A message may end in a log."""
    for secret in ("hunter2" * 5000, ["hunter2"]):
        reply = a.call("POST", "/servers", server_body(user_data=secret))
        assert reply.status == 422
        assert "hunter2" not in str(reply)


def test_user_data_is_in_no_answer(a: Client) -> None:
    """Neither creation nor reading shows it."""
    answer = a.post("/servers", server_body(user_data="hunter2"))
    number = answer["server"]["id"]
    assert "hunter2" not in str([answer, a.get("/servers"), a.get(f"/servers/{number}"), a.get("/servers/actions")])
    assert a.cloud.wishes()[0].user_data == "hunter2"


def test_names_are_unique_in_a_project(a: Client, b: Client) -> None:
    """For renaming too; a freed name is free."""
    one, two = a.server("one"), a.server("two")
    reply = a.call("POST", "/servers", server_body("one"))
    assert reply.body == {
        "error": {
            "code": "uniqueness_error",
            "message": "server name is already used",
            "details": {"fields": [{"name": "name"}]},
        }
    }
    assert a.refused("PUT", f"/servers/{two}", {"name": "one"}) == (409, "uniqueness_error")
    a.call("DELETE", f"/servers/{one}")
    a.put(f"/servers/{two}", {"name": "one"})
    b.server("one")


def test_a_server_is_renamed_and_labelled(a: Client) -> None:
    """Each without the other; labels are replaced, not merged; the wish has the new name."""
    number = a.server(labels={"env": "one", "role": "edge"})
    assert a.put(f"/servers/{number}", {"labels": {"env": "two"}})["server"]["labels"] == {"env": "two"}
    shown = a.put(f"/servers/{number}", {"name": "new"})["server"]
    assert (shown["name"], shown["labels"]) == ("new", {"env": "two"})
    assert a.wrong_fields("PUT", f"/servers/{number}", {"name": "a_b", "labels": {}}) == ["name"]
    assert (a.cloud.wishes()[0].name, a.get("/servers?name=new")["servers"][0]["labels"]) == ("new", {"env": "two"})


def test_a_server_that_is_deleted_leaves_nothing(a: Client) -> None:
    """404 from then on, and its actions can still be read."""
    number = a.server()
    reply = a.call("DELETE", f"/servers/{number}")
    assert reply.body is not None
    assert reply.body["action"]["command"] == "delete_server"
    assert a.get(f"/actions/{reply.body['action']['id']}")["action"]["status"] == "success"
    assert a.refused("GET", f"/servers/{number}") == (404, "not_found")
    assert a.get(f"/servers?name={number}")["servers"] == []
    assert a.cloud.objects()["a"] == {}
    assert a.cloud.wishes() == ()


def test_a_busy_server_is_locked(a: Client) -> None:
    """423 until its action is over, be it that somebody looks or that time passes."""
    number = a.post("/servers", server_body())["server"]["id"]
    assert a.refused("DELETE", f"/servers/{number}") == (423, "locked")
    assert a.refused("POST", f"/servers/{number}/actions/poweroff") == (423, "locked")
    a.put(f"/servers/{number}", {"labels": {"env": "one"}})
    a.finish()
    a.post(f"/servers/{number}/actions/poweroff")
    assert a.refused("POST", f"/servers/{number}/actions/poweron") == (423, "locked")


def test_a_type_that_is_sold_out_is_412(a: Client) -> None:
    """By type and location, with wildcards; other locations go on."""
    a.cloud.settings.no_capacity = {("cx23", "fsn1")}
    assert a.refused("POST", "/servers", server_body()) == (412, "resource_unavailable")
    a.server("far", location="nbg1")
    a.server("big", server_type="cx33")
    a.cloud.settings.no_capacity = {("*", "nbg1")}
    assert a.refused("POST", "/servers", server_body("x", location="nbg1")) == (412, "resource_unavailable")
    a.server("back")


def test_where_a_type_is_sold_out_can_be_asked_beforehand(a: Client) -> None:
    """Each type says of each place whether it can be had there now; the places that it has stay the same."""

    def to_be_had() -> dict[str, bool]:
        (kind,) = (one for one in a.get("/server_types")["server_types"] if one["name"] == "cx23")
        return {place["name"]: place["available"] for place in kind["locations"]}

    before = to_be_had()
    assert set(before.values()) == {True}
    a.cloud.settings.no_capacity = {("cx23", "fsn1"), ("cx33", "nbg1")}
    assert to_be_had() == {**before, "fsn1": False}


def test_a_server_may_never_boot(a: Client) -> None:
    """It runs by the API and not in the world, until it is restarted when that is over; others are untouched."""
    other = a.server("other")
    a.cloud.settings.no_boot = True
    number = a.server()
    a.cloud.settings.no_boot = False

    def wished() -> dict[int, bool]:
        return {wish.server_id: wish.running for wish in a.cloud.wishes()}

    assert a.get(f"/servers/{number}")["server"]["status"] == "running"
    assert wished() == {other: True, number: False}
    a.post(f"/servers/{number}/actions/poweron")
    a.finish()
    assert wished()[number] is False
    a.post(f"/servers/{number}/actions/reset")
    a.finish()
    assert wished() == {other: True, number: True}
    a.cloud.settings.no_boot = True
    a.post(f"/servers/{number}/actions/rebuild", {"image": "debian-13"})
    a.finish()
    assert wished() == {other: True, number: False}

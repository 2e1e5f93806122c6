"""DNS zones: how they are named, found, kept and given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cloud.driver import Client


def zone(a: Client, name: str = "example.com", **more: Any) -> int:
    """Make a zone and return its id."""
    return int(a.post("/zones", {"name": name, "mode": "primary", **more})["zone"]["id"])


def test_a_zone_is_shown_as_hetzner_does(a: Client) -> None:
    """By id and by name, and in the list; without a lifetime it has an hour."""
    number = zone(a, labels={"env": "one"})
    shown = a.get(f"/zones/{number}")["zone"]
    assert shown == {
        "id": number,
        "name": "example.com",
        "created": "1970-01-01T00:00:00Z",
        "mode": "primary",
        "ttl": 3600,
        "labels": {"env": "one"},
        "protection": {"delete": False},
        "primary_nameservers": [],
        "authoritative_nameservers": {
            "assigned": ["hydrogen.ns.hetzner.com.", "oxygen.ns.hetzner.com.", "helium.ns.hetzner.de."],
            "delegated": [],
            "delegation_last_check": "1970-01-01T00:00:00Z",
            "delegation_status": "unknown",
        },
        "registrar": "other",
        "status": "ok",
        "record_count": 0,
    }
    assert a.get("/zones/example.com")["zone"] == shown
    for query in ("name=example.com", "mode=primary", "label_selector=env=one"):
        assert a.get(f"/zones?{query}")["zones"] == [shown]
    for query in ("name=example.net", "mode=secondary", "label_selector=env=two"):
        assert a.get(f"/zones?{query}")["zones"] == []


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": "example"}, ["name"]),
        ({"name": "Example.com"}, ["name"]),
        ({"name": "example.com."}, ["name"]),
        ({"name": "-a.example"}, ["name"]),
        ({"name": "a" * 64 + ".example"}, ["name"]),
        ({"mode": "other"}, ["mode"]),
        ({"ttl": 59}, ["ttl"]),
        ({"ttl": 2147483648}, ["ttl"]),
        ({"labels": {"-": ""}}, ["labels"]),
    ],
)
def test_a_wrong_input_names_its_field(a: Client, change: dict[str, Any], fields: list[str]) -> None:
    """And nothing is made."""
    assert a.wrong_fields("POST", "/zones", {"name": "example.com", "mode": "primary", **change}) == fields
    assert a.get("/zones")["zones"] == []
    zone(a, "a" * 63 + ".example", ttl=60)


@pytest.mark.parametrize("change", [{"mode": "secondary"}, {"zonefile": ""}, {"rrsets": [{}]}])
def test_zones_from_elsewhere_are_not_modelled(a: Client, change: dict[str, Any]) -> None:
    """It is said so, and nothing is made."""
    body = {"name": "example.com", "mode": "primary", **change}
    assert a.refused("POST", "/zones", body) == (501, "not_implemented")
    assert a.get("/zones")["zones"] == []


def test_a_zone_is_one_projects_and_there_once(a: Client, b: Client) -> None:
    """Its name is taken in its project; another project does not see it."""
    number = zone(a)
    body = {"name": "example.com", "mode": "primary"}
    assert a.refused("POST", "/zones", body) == (409, "uniqueness_error")
    for path in (f"/zones/{number}", "/zones/example.com", "/zones/example.com/rrsets", "/zones/example.com/actions"):
        assert b.refused("GET", path) == (404, "not_found")


def test_a_zone_is_changed_by_id_and_by_name(a: Client) -> None:
    """Labels by PUT, which leaves out what it does not name; the lifetime and the lock by actions."""
    number = zone(a, labels={"env": "one"})
    assert a.put("/zones/example.com", {})["zone"]["labels"] == {"env": "one"}
    assert a.put(f"/zones/{number}", {"labels": {"env": "two"}, "name": "other.example"})["zone"]["labels"] == {
        "env": "two"
    }
    assert a.wrong_fields("PUT", "/zones/example.com", {"labels": {"-": ""}}) == ["labels"]
    assert a.post("/zones/example.com/actions/change_ttl", {"ttl": 60})["action"]["command"] == "change_ttl"
    for wrong in ({"ttl": 59}, {"ttl": None}, {}):
        assert a.wrong_fields("POST", "/zones/example.com/actions/change_ttl", wrong) == ["ttl"]
    shown = a.get(f"/zones/{number}")["zone"]
    assert (shown["name"], shown["ttl"]) == ("example.com", 60)
    commands = [action["command"] for action in a.get("/zones/example.com/actions")["actions"]]
    assert commands == ["create_zone", "change_ttl"]
    assert a.get(f"/zones/{number}/actions") == a.get("/zones/example.com/actions")


def test_a_protected_zone_stays(a: Client) -> None:
    """Until the lock is lifted; then it goes with all its records, by an action."""
    zone(a)
    a.post("/zones/example.com/rrsets", {"name": "www", "type": "A", "records": [{"value": "203.0.113.1"}]})
    a.post("/zones/example.com/actions/change_protection", {"delete": True})
    assert a.get("/zones/example.com")["zone"]["protection"] == {"delete": True}
    assert a.refused("DELETE", "/zones/example.com") == (423, "protected")
    a.post("/zones/example.com/actions/change_protection", {"delete": False})
    reply = a.call("DELETE", "/zones/example.com")
    assert reply.body is not None
    assert (reply.status, reply.body["action"]["command"]) == (201, "delete_zone")
    assert a.refused("GET", "/zones/example.com") == (404, "not_found")
    zone(a)
    assert a.get("/zones/example.com/rrsets")["rrsets"] == []

"""Floating IPs: addresses that move between servers that run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cloud.driver import Client


def floating(a: Client, **more: Any) -> int:
    """Make a floating IP and return its id."""
    body = {"type": "ipv4", "home_location": "fsn1", **more}
    return int(a.post("/floating_ips", body)["floating_ip"]["id"])


def server_of(a: Client, number: int) -> int | None:
    """Return the server that an address is assigned to."""
    found: int | None = a.get(f"/floating_ips/{number}")["floating_ip"]["server"]
    return found


def test_a_floating_ip_is_shown_as_hetzner_does(a: Client) -> None:
    """It has a home, a name even if none was given, and an address that nobody else has."""
    number = floating(a, description="edge", labels={"x": "y"})
    shown = a.get(f"/floating_ips/{number}")["floating_ip"]
    assert shown.pop("home_location")["name"] == "fsn1"
    assert shown == {
        "id": number,
        "name": f"floating-ip-{number}",
        "description": "edge",
        "ip": "203.0.113.10",
        "type": "ipv4",
        "server": None,
        "dns_ptr": [],
        "blocked": False,
        "protection": {"delete": False},
        "labels": {"x": "y"},
        "created": "1970-01-01T00:00:00Z",
    }
    a.server()
    assert [ip["ip"] for ip in a.get("/primary_ips")["primary_ips"] if ip["type"] == "ipv4"] == ["203.0.113.11"]


def test_a_floating_ip_moves_between_running_servers_of_any_location(a: Client) -> None:
    """Straight from one to the other; each shows what it has."""
    one, two = a.server("one"), a.server("two", location="hel1")
    answer = a.post("/floating_ips", {"type": "ipv6", "server": one})
    number = answer["floating_ip"]["id"]
    assert answer["action"]["command"] == "assign_floating_ip"
    path = f"/floating_ips/{number}/actions"
    assert a.refused("POST", f"{path}/assign", {"server": one}) == (422, "floating_ip_assigned")
    a.post(f"{path}/assign", {"server": two})
    held = [a.get(f"/servers/{server}")["server"]["public_net"]["floating_ips"] for server in (one, two)]
    assert held == [[], [number]]
    assert a.refused("POST", f"{path}/assign", {"server": 9999}) == (404, "not_found")
    a.post(f"{path}/unassign")
    assert a.refused("POST", f"{path}/unassign") == (422, "floating_ip_not_assigned")
    assert server_of(a, number) is None


def test_a_floating_ip_outlives_its_server(a: Client) -> None:
    """And is deleted only when it is nobody's and not protected; its address is free then."""
    number, server = floating(a), a.server()
    a.post(f"/floating_ips/{number}/actions/assign", {"server": server})
    assert a.refused("DELETE", f"/floating_ips/{number}") == (422, "must_be_unassigned")
    a.call("DELETE", f"/servers/{server}")
    assert server_of(a, number) is None
    a.post(f"/floating_ips/{number}/actions/change_protection", {"delete": True})
    assert a.refused("DELETE", f"/floating_ips/{number}") == (423, "protected")
    a.post(f"/floating_ips/{number}/actions/change_protection", {"delete": False})
    assert a.call("DELETE", f"/floating_ips/{number}").status == 204
    assert a.refused("GET", f"/floating_ips/{number}") == (404, "not_found")
    assert any("203.0.113.10" in freed for freed in a.cloud.dump()["ledger"]["freed_ipv4"].values())


def test_a_floating_ip_is_renamed_and_has_a_name_in_reverse_dns(a: Client, b: Client) -> None:
    """Names are unique in a project; another one can't touch it."""
    number = floating(a, name="one")
    floating(a, name="two")
    assert a.refused("PUT", f"/floating_ips/{number}", {"name": "two"}) == (409, "uniqueness_error")
    assert a.put(f"/floating_ips/{number}", {"description": "new"})["floating_ip"]["description"] == "new"
    pointer = {"ip": "203.0.113.10", "dns_ptr": "www.example.com"}
    a.post(f"/floating_ips/{number}/actions/change_dns_ptr", pointer)
    assert a.get(f"/floating_ips/{number}")["floating_ip"]["dns_ptr"] == [pointer]
    assert b.refused("POST", f"/floating_ips/{number}/actions/change_dns_ptr", pointer) == (404, "not_found")
    assert b.get("/floating_ips")["floating_ips"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"home_location": None}, "home_location"),
        ({"server": 1}, "home_location"),
        ({"home_location": "moon"}, "location"),
        ({"type": "ipv5"}, "type"),
        ({"labels": {"-": ""}}, "labels"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_input_names_its_field(a: Client, change: dict[str, Any], field: str) -> None:
    """And no address is taken."""
    assert a.wrong_fields("POST", "/floating_ips", {"type": "ipv4", "home_location": "fsn1", **change}) == [field]
    assert a.get("/floating_ips")["floating_ips"] == []

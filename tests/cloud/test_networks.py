"""Networks: ranges, subnets, routes, and what keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cloud.driver import Client

SUBNET = {"type": "cloud", "ip_range": "10.0.1.0/24", "network_zone": "eu-central"}
ROUTE = {"destination": "192.168.0.0/24", "gateway": "10.0.1.9"}


def network(a: Client, name: str = "lan", ip_range: str = "10.0.0.0/16", **more: Any) -> int:
    """Make a network and return its id."""
    return int(a.post("/networks", {"name": name, "ip_range": ip_range, **more})["network"]["id"])


def test_a_network_is_shown_as_hetzner_does(a: Client) -> None:
    """Each subnet has the network's first address as its gateway."""
    number = network(a, subnets=[SUBNET], routes=[ROUTE], labels={"env": "one"}, expose_routes_to_vswitch=True)
    shown = a.get(f"/networks/{number}")["network"]
    assert shown == {
        "id": number,
        "name": "lan",
        "ip_range": "10.0.0.0/16",
        "subnets": [{**SUBNET, "gateway": "10.0.0.1"}],
        "routes": [ROUTE],
        "servers": [],
        "load_balancers": [],
        "protection": {"delete": False},
        "labels": {"env": "one"},
        "created": "1970-01-01T00:00:00Z",
        "expose_routes_to_vswitch": True,
    }
    assert a.get("/networks?label_selector=env=one")["networks"] == [shown]
    assert a.get("/networks?label_selector=env=two")["networks"] == []
    assert a.get("/networks?name=lan")["networks"] == [shown]


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"ip_range": "10.0.0.0"}, ["ip_range"]),
        ({"ip_range": "10.0.0.0/25"}, ["ip_range"]),
        ({"ip_range": "10.0.0.1/16"}, ["ip_range"]),
        ({"ip_range": "203.0.113.0/24"}, ["ip_range"]),
        ({"ip_range": "172.16.0.0/11"}, ["ip_range"]),
        ({"ip_range": "2001:db8::/64"}, ["ip_range"]),
        ({"labels": {"-": ""}}, ["labels"]),
        ({"subnets": [{**SUBNET, "type": "other"}]}, ["subnets.0.type"]),
        ({"subnets": [{**SUBNET, "network_zone": "moon"}]}, ["network_zone"]),
        ({"subnets": [SUBNET, SUBNET]}, ["ip_range"]),
        ({"routes": [{**ROUTE, "gateway": "10.1.0.1"}]}, ["gateway"]),
    ],
)
def test_a_wrong_input_names_its_field(a: Client, change: dict[str, Any], fields: list[str]) -> None:
    """And nothing is made; the smallest network is a /24, and a bare address is a /32."""
    assert a.wrong_fields("POST", "/networks", {"name": "lan", "ip_range": "10.0.0.0/16", **change}) == fields
    assert a.get("/networks")["networks"] == []
    network(a, ip_range="10.0.0.0/24")


def test_subnets_come_and_go(a: Client) -> None:
    """Inside the range, beside each other, at least a /30; without a range, the first free /24."""
    number = network(a)
    path = f"/networks/{number}/actions"
    assert a.post(f"{path}/add_subnet", SUBNET)["action"]["command"] == "add_subnet"
    for wrong in ("10.0.1.128/25", "10.0.0.0/16", "10.1.0.0/24", "10.0.2.0/31", "10.0.2.1/24"):
        assert a.wrong_fields("POST", f"{path}/add_subnet", {**SUBNET, "ip_range": wrong}) == ["ip_range"]
    a.post(f"{path}/add_subnet", {**SUBNET, "ip_range": "10.0.2.0/30"})
    for _ in range(2):
        a.post(f"{path}/add_subnet", {**SUBNET, "ip_range": None})
    ranges = [subnet["ip_range"] for subnet in a.get(f"/networks/{number}")["network"]["subnets"]]
    assert ranges == ["10.0.1.0/24", "10.0.2.0/30", "10.0.0.0/24", "10.0.3.0/24"]
    a.post(f"{path}/delete_subnet", {"ip_range": "10.0.2.0/30"})
    assert a.refused("POST", f"{path}/delete_subnet", {"ip_range": "10.0.2.0/30"}) == (404, "not_found")
    assert len(a.get(f"/networks/{number}")["network"]["subnets"]) == 3


def test_a_network_holds_fifty_subnets(a: Client) -> None:
    """The next is refused."""
    number = network(a, subnets=[{**SUBNET, "ip_range": None}] * 50)
    body = {**SUBNET, "ip_range": "10.0.200.0/24"}
    refused = a.refused("POST", f"/networks/{number}/actions/add_subnet", body)
    assert refused == (403, "resource_limit_exceeded")


def test_a_small_network_runs_out_of_subnets(a: Client) -> None:
    """One /24 fills it."""
    number = network(a, ip_range="10.0.0.0/24", subnets=[{**SUBNET, "ip_range": None}])
    body = {**SUBNET, "ip_range": None}
    assert a.wrong_fields("POST", f"/networks/{number}/actions/add_subnet", body) == ["ip_range"]


def test_a_vswitch_is_not_modelled(a: Client) -> None:
    """It is said so."""
    number = network(a)
    body = {**SUBNET, "type": "vswitch", "vswitch_id": 7}
    assert a.refused("POST", f"/networks/{number}/actions/add_subnet", body) == (501, "not_implemented")


def test_routes_come_and_go(a: Client) -> None:
    """A default route goes beside subnets; others may not cover them, nor point at the gateway."""
    number = network(a, subnets=[SUBNET])
    path = f"/networks/{number}/actions"
    assert a.post(f"{path}/add_route", {**ROUTE, "destination": "0.0.0.0/0"})["action"]["command"] == "add_route"
    a.post(f"{path}/add_route", ROUTE)
    for wrong in (
        {"destination": "192.168.0.0/24"},
        {"destination": "10.0.1.0/25"},
        {"destination": "172.31.0.0/16"},
        {"destination": "nowhere"},
    ):
        assert a.wrong_fields("POST", f"{path}/add_route", {**ROUTE, **wrong}) == ["destination"]
    for gateway in ("10.0.0.1", "10.1.0.1", "nobody"):
        body = {"destination": "192.168.7.0/24", "gateway": gateway}
        assert a.wrong_fields("POST", f"{path}/add_route", body) == ["gateway"]
    other = {**ROUTE, "gateway": "10.0.1.8"}
    assert a.refused("POST", f"{path}/delete_route", other) == (404, "not_found")
    assert a.post(f"{path}/delete_route", ROUTE)["action"]["command"] == "delete_route"
    assert [r["destination"] for r in a.get(f"/networks/{number}")["network"]["routes"]] == ["0.0.0.0/0"]


def test_a_network_holds_a_hundred_routes(a: Client) -> None:
    """The next is refused."""
    routes = [{"destination": f"192.168.{index}.0/24", "gateway": "10.0.1.9"} for index in range(101)]
    number = network(a, routes=routes[:100])
    refused = a.refused("POST", f"/networks/{number}/actions/add_route", routes[100])
    assert refused == (403, "resource_limit_exceeded")


def test_a_network_only_grows(a: Client) -> None:
    """From the same first address; its subnets stay."""
    number = network(a, ip_range="10.0.0.0/20", subnets=[SUBNET])
    path = f"/networks/{number}/actions/change_ip_range"
    assert a.post(path, {"ip_range": "10.0.0.0/16"})["action"]["command"] == "change_ip_range"
    for wrong in ("10.0.0.0/20", "10.1.0.0/16", "192.168.0.0/16"):
        assert a.wrong_fields("POST", path, {"ip_range": wrong}) == ["ip_range"]
    shown = a.get(f"/networks/{number}")["network"]
    assert (shown["ip_range"], shown["subnets"][0]["ip_range"]) == ("10.0.0.0/16", "10.0.1.0/24")
    late = network(a, "late", "10.16.0.0/16")
    assert a.wrong_fields("POST", f"/networks/{late}/actions/change_ip_range", {"ip_range": "10.0.0.0/8"}) == [
        "ip_range"
    ]


def test_a_network_is_renamed(a: Client) -> None:
    """Names are unique among networks; a field that is left out stays."""
    number, _ = network(a, labels={"env": "one"}), network(a, "other")
    assert a.refused("PUT", f"/networks/{number}", {"name": "other"}) == (409, "uniqueness_error")
    assert a.refused("POST", "/networks", {"name": "lan", "ip_range": "10.0.0.0/16"}) == (409, "uniqueness_error")
    shown = a.put(f"/networks/{number}", {"name": "new", "expose_routes_to_vswitch": True})["network"]
    assert (shown["name"], shown["labels"], shown["expose_routes_to_vswitch"]) == ("new", {"env": "one"}, True)
    assert a.put(f"/networks/{number}", {"labels": {}})["network"]["expose_routes_to_vswitch"] is True


def test_a_protected_network_stays(a: Client) -> None:
    """Until the lock is lifted."""
    number = network(a)
    path = f"/networks/{number}/actions/change_protection"
    a.post(path, {"delete": True})
    assert a.get(f"/networks/{number}")["network"]["protection"] == {"delete": True}
    assert a.refused("DELETE", f"/networks/{number}") == (423, "protected")
    a.post(path, {"delete": False})
    assert a.call("DELETE", f"/networks/{number}").status == 204
    assert a.refused("GET", f"/networks/{number}") == (404, "not_found")
    assert a.cloud.objects()["a"] == {}


def test_actions_of_a_network_are_found_there(a: Client, b: Client) -> None:
    """By the network; another project sees neither."""
    number = network(a)
    a.post(f"/networks/{number}/actions/add_subnet", SUBNET)
    a.post(f"/networks/{number}/actions/change_protection", {"delete": False})
    commands = [action["command"] for action in a.get(f"/networks/{number}/actions")["actions"]]
    assert commands == ["add_subnet", "change_protection"]
    assert b.refused("GET", f"/networks/{number}") == (404, "not_found")
    assert b.refused("POST", f"/networks/{number}/actions/add_subnet", SUBNET) == (404, "not_found")

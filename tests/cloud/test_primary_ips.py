"""Primary IPs: where they come from, whom they belong to, and when they go."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from tests.cloud.driver import Client, server_body


def ip_of(a: Client, number: int) -> str:
    """Return an address's text."""
    return str(a.get(f"/primary_ips/{number}")["primary_ip"]["ip"])


def only(**public_net: Any) -> dict[str, Any]:
    """Return the public net of a server without IPv6 unless said otherwise."""
    return {"public_net": {"enable_ipv4": True, "enable_ipv6": False, **public_net}}


def test_an_address_is_shown_as_hetzner_does(a: Client) -> None:
    """A fresh one belongs to nobody; the answer has no action."""
    body = {"name": "v6", "type": "ipv6", "location": "hel1", "labels": {"env": "one"}}
    answer = a.post("/primary_ips", body)
    assert answer["action"] is None
    shown = answer["primary_ip"]
    assert shown.pop("location")["country"] == "FI"
    assert shown == {
        "id": shown["id"],
        "name": "v6",
        "ip": "2001:db8:1::/64",
        "type": "ipv6",
        "labels": {"env": "one"},
        "auto_delete": False,
        "blocked": False,
        "created": "1970-01-01T00:00:00Z",
        "protection": {"delete": False},
        "assignee_id": None,
        "assignee_type": "unassigned",
        "dns_ptr": [],
    }


def test_countries_have_ranges_of_their_own(a: Client) -> None:
    """Two locations share a range only within one country, and all are documentation ranges."""
    documentation = (IPv4Network("203.0.113.0/24"), IPv4Network("198.51.100.0/24"))
    ranges: dict[IPv4Network, set[str]] = {}
    for place in a.cloud.catalogue.locations:
        ranges.setdefault(IPv4Network(place.ipv4), set()).add(place.country)
    assert all(len(countries) == 1 for countries in ranges.values())
    assert all(any(one.subnet_of(known) for known in documentation) for one in ranges)
    assert not any(one.overlaps(other) for one in ranges for other in ranges if one != other)


def test_a_range_is_used_up_and_then_refused(a: Client) -> None:
    """Each address comes once, none is the first or last of a /24, and another country still has some."""
    inside = IPv4Network("203.0.113.0/25")
    given = [IPv4Address(ip_of(a, a.address(f"n{index}"))) for index in range(117)]
    one_more = {"name": "one-more", "type": "ipv4", "location": "nbg1"}
    assert a.refused("POST", "/primary_ips", one_more) == (412, "resource_unavailable")
    assert len(set(given)) == len(given) == 117
    assert all(ip in inside and int(ip) & 0xFF not in (0, 127, 128, 255) for ip in given)
    a.address("elsewhere", location="hel1")


def test_a_freed_address_is_given_out_last(a: Client) -> None:
    """It waits until the rest of its range was used, then the longest free comes first."""
    numbers = [a.address(f"n{i}") for i in range(3)]
    freed = [ip_of(a, numbers[1]), ip_of(a, numbers[0])]
    for number in (numbers[1], numbers[0]):
        assert a.call("DELETE", f"/primary_ips/{number}").status == 204
    fresh = [ip_of(a, a.address(f"m{i}")) for i in range(117 - 3)]
    assert not set(freed) & set(fresh)
    assert [ip_of(a, a.address(f"again{i}")) for i in range(2)] == freed


def test_a_freed_ipv6_prefix_never_comes_back(a: Client) -> None:
    """There are enough of them."""
    first = a.address("v6", "ipv6")
    seen = ip_of(a, first)
    a.call("DELETE", f"/primary_ips/{first}")
    assert (seen, ip_of(a, a.address("v6", "ipv6"))) == ("2001:db8:1::/64", "2001:db8:2::/64")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "x", "type": "ipv4"}, ["location"]),
        ({"name": "x", "type": "ipv4", "location": "fsn1", "assignee_id": 1}, ["location"]),
        ({"name": "x", "type": "ipv4", "location": "moon"}, ["location"]),
        ({"name": "x", "type": "ipv5", "location": "fsn1"}, ["type"]),
        ({"name": "", "type": "ipv4", "location": "fsn1"}, ["name"]),
        ({"type": "ipv4", "location": "fsn1"}, ["name"]),
        ({"name": "x", "type": "ipv4", "location": "fsn1", "auto_delete": "yes"}, ["auto_delete"]),
        ({}, ["name", "type"]),
    ],
)
def test_a_wrong_input_names_its_fields(a: Client, body: dict[str, Any], fields: list[str]) -> None:
    """All of them at once, and nothing is made."""
    assert a.wrong_fields("POST", "/primary_ips", body) == fields
    assert a.get("/primary_ips")["primary_ips"] == []


def test_a_server_takes_the_addresses_it_is_given(a: Client) -> None:
    """They show the server, the server shows them, and the wish has both."""
    v4, v6 = a.address(), a.address("v6", "ipv6")
    number = a.server(public_net={"enable_ipv4": True, "enable_ipv6": True, "ipv4": v4, "ipv6": v6})
    net = a.get(f"/servers/{number}")["server"]["public_net"]
    assert (net["ipv4"]["id"], net["ipv4"]["ip"]) == (v4, ip_of(a, v4))
    assert (net["ipv6"]["id"], net["ipv6"]["ip"]) == (v6, ip_of(a, v6))
    for address in a.get("/primary_ips")["primary_ips"]:
        assert (address["assignee_id"], address["assignee_type"]) == (number, "server")
    wish = a.cloud.wishes()[0]
    assert (str(wish.ipv4), str(wish.ipv6)) == (ip_of(a, v4), ip_of(a, v6))


def test_a_given_address_must_fit(a: Client) -> None:
    """Wrong kind, wrong place, in use, unknown: each has its code, and no server is made."""
    v4, v6, far = a.address(), a.address("v6", "ipv6"), a.address("far", location="nbg1")
    taken = a.address("taken")
    a.server(**only(ipv4=taken))

    def code(**net: Any) -> tuple[int, str]:
        return a.refused("POST", "/servers", server_body("x", public_net=net))

    assert code(ipv4=v6) == (422, "primary_ip_version_mismatch")
    assert code(ipv6=v4) == (422, "primary_ip_version_mismatch")
    assert code(ipv4=far) == (422, "primary_ip_datacenter_mismatch")
    assert code(ipv4=taken) == (409, "primary_ip_assigned")
    assert code(ipv4=9999) == (404, "not_found")
    assert code(enable_ipv4=False, ipv4=v4) == (422, "invalid_input")
    assert code(enable_ipv4=False, enable_ipv6=False) == (422, "invalid_input")
    assert len(a.get("/servers")["servers"]) == 1
    a.server("x", **only(ipv4=v4))


def test_a_server_without_addresses_given_gets_new_ones(a: Client) -> None:
    """They go with it; given ones stay; only what was enabled is made."""
    keep = a.address()
    number = a.server(public_net={"enable_ipv4": True, "enable_ipv6": True, "ipv4": keep})
    alone = a.server("alone", public_net={"enable_ipv4": False, "enable_ipv6": True})
    assert a.get(f"/servers/{alone}")["server"]["public_net"]["ipv4"] is None
    made = [ip for ip in a.get("/primary_ips")["primary_ips"] if ip["id"] != keep]
    assert [(ip["type"], ip["auto_delete"], ip["assignee_id"]) for ip in made] == [
        ("ipv6", True, number),
        ("ipv6", True, alone),
    ]
    for server in (number, alone):
        assert a.call("DELETE", f"/servers/{server}").status == 200
    left = a.get("/primary_ips")["primary_ips"]
    assert [(ip["id"], ip["assignee_id"], ip["assignee_type"]) for ip in left] == [(keep, None, "unassigned")]


def test_an_address_in_use_or_under_protection_stays(a: Client) -> None:
    """`must_be_unassigned` and `protected` are two refusals; without either it goes."""
    v4 = a.address()
    number = a.server(**only(ipv4=v4))
    assert a.refused("DELETE", f"/primary_ips/{v4}") == (422, "must_be_unassigned")
    a.post(f"/primary_ips/{v4}/actions/change_protection", {"delete": True})
    a.call("DELETE", f"/servers/{number}")
    assert a.refused("DELETE", f"/primary_ips/{v4}") == (423, "protected")
    a.post(f"/primary_ips/{v4}/actions/change_protection", {"delete": False})
    assert a.call("DELETE", f"/primary_ips/{v4}").status == 204
    assert a.refused("DELETE", f"/primary_ips/{v4}") == (404, "not_found")


def test_addresses_move_between_stopped_servers_only(a: Client) -> None:
    """Neither a running server gives one away nor does one take it; one of each kind is the most."""
    v4 = a.address()
    one = a.server("one", public_net={"enable_ipv4": True, "enable_ipv6": True, "ipv4": v4})
    two = a.server("two", public_net={"enable_ipv4": False, "enable_ipv6": True})
    assign = {"assignee_id": two, "assignee_type": "server"}
    path = f"/primary_ips/{v4}/actions"
    assert a.refused("POST", f"{path}/unassign") == (422, "server_not_stopped")
    a.off(one)
    a.off(two)
    assert a.refused("POST", f"{path}/assign", assign) == (422, "primary_ip_already_assigned")
    action = a.post(f"{path}/unassign")["action"]
    assert (action["command"], action["resources"]) == (
        "unassign_primary_ip",
        [{"id": v4, "type": "primary_ip"}, {"id": one, "type": "server"}],
    )
    assert a.refused("POST", f"{path}/unassign") == (422, "primary_ip_not_assigned")
    a.post(f"{path}/assign", assign)
    assert [str(wish.ipv4) for wish in a.cloud.wishes()] == ["None", ip_of(a, v4)]
    spare = a.address("spare")
    assert a.refused("POST", f"/primary_ips/{spare}/actions/assign", assign) == (422, "server_has_ipv4")
    far = a.address("far", location="hel1")
    to_one = {"assignee_id": one, "assignee_type": "server"}
    assert a.refused("POST", f"/primary_ips/{far}/actions/assign", to_one) == (422, "primary_ip_datacenter_mismatch")


def test_an_address_can_be_made_for_a_server(a: Client) -> None:
    """It stands where the server stands, and the answer has the action."""
    number = a.server(location="hel1", public_net={"enable_ipv4": False, "enable_ipv6": True})
    body = {"name": "late", "type": "ipv4", "assignee_id": number, "assignee_type": "server"}
    assert a.refused("POST", "/primary_ips", body) == (422, "server_not_stopped")
    a.off(number)
    answer = a.post("/primary_ips", body)
    assert answer["primary_ip"]["location"]["name"] == "hel1"
    assert answer["action"]["command"] == "create_primary_ip"
    assert a.refused("POST", "/primary_ips", {**body, "name": "later"}) == (422, "server_has_ipv4")
    assert a.refused("POST", "/primary_ips", {**body, "name": "last", "assignee_id": 9}) == (404, "not_found")


def test_auto_delete_can_be_changed(a: Client) -> None:
    """An address that goes with its server goes; its labels and name change beside it."""
    v4 = a.address()
    a.put(f"/primary_ips/{v4}", {"auto_delete": True, "name": "new", "labels": {"x": "y"}})
    shown = a.put(f"/primary_ips/{v4}", {})["primary_ip"]
    assert (shown["auto_delete"], shown["name"], shown["labels"]) == (True, "new", {"x": "y"})
    number = a.server(**only(ipv4=v4))
    a.call("DELETE", f"/servers/{number}")
    assert a.refused("GET", f"/primary_ips/{v4}") == (404, "not_found")


def test_reverse_names_belong_to_the_address(a: Client) -> None:
    """A name is set on an IPv4 address or on a host of the /64, shown at the server, and reset by null."""
    v4, v6 = a.address(), a.address("v6", "ipv6")
    number = a.server(public_net={"enable_ipv4": True, "enable_ipv6": True, "ipv4": v4, "ipv6": v6})
    ip = ip_of(a, v4)
    a.post(f"/primary_ips/{v4}/actions/change_dns_ptr", {"ip": ip, "dns_ptr": "edge.example.com"})
    a.post(f"/servers/{number}/actions/change_dns_ptr", {"ip": "2001:db8:1::1", "dns_ptr": "edge6.example.com"})
    net = a.get(f"/servers/{number}")["server"]["public_net"]
    assert net["ipv4"]["dns_ptr"] == "edge.example.com"
    assert net["ipv6"]["dns_ptr"] == [{"ip": "2001:db8:1::1", "dns_ptr": "edge6.example.com"}]
    a.post(f"/primary_ips/{v4}/actions/change_dns_ptr", {"ip": ip, "dns_ptr": None})
    assert a.get(f"/primary_ips/{v4}")["primary_ip"]["dns_ptr"] == []
    outside = {"ip": "2001:db8:2::1", "dns_ptr": "x.example.com"}
    assert a.refused("POST", f"/primary_ips/{v6}/actions/change_dns_ptr", outside) == (404, "not_found")
    assert a.wrong_fields("POST", f"/primary_ips/{v6}/actions/change_dns_ptr", {"ip": ip}) == ["dns_ptr"]

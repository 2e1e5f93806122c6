"""Firewalls: which rules are taken, whom they are applied to, and what the world is asked."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest

from lab.wish import Rule
from tests.cloud.driver import Client, server_body

HTTPS = {"direction": "in", "protocol": "tcp", "port": "443", "source_ips": ["0.0.0.0/0", "::/0"]}


def to_server(number: int) -> dict[str, Any]:
    """Return the target that names a server."""
    return {"type": "server", "server": {"id": number}}


def to_labels(selector: str) -> dict[str, Any]:
    """Return the target that names labels."""
    return {"type": "label_selector", "label_selector": {"selector": selector}}


def test_a_firewall_is_shown_with_every_field(a: Client) -> None:
    """What a rule left out is null or empty; an icmp rule has no port."""
    ping = {"direction": "in", "protocol": "icmp", "source_ips": ["192.0.2.0/24"], "description": "ping"}
    answer = a.post("/firewalls", {"name": "fw", "rules": [HTTPS, ping], "labels": {"env": "one"}})
    assert [action["command"] for action in answer["actions"]] == ["set_firewall_rules"]
    assert answer["firewall"] == {
        "id": answer["firewall"]["id"],
        "name": "fw",
        "labels": {"env": "one"},
        "created": "1970-01-01T00:00:00Z",
        "rules": [
            {**HTTPS, "destination_ips": [], "description": None},
            {**ping, "port": None, "destination_ips": []},
        ],
        "applied_to": [],
    }
    assert a.post("/firewalls", {"name": "empty"})["firewall"]["rules"] == []


@pytest.mark.parametrize(
    "rule",
    [
        {"direction": "in", "protocol": "tcp", "port": "1", "source_ips": ["192.0.2.1/32"]},
        {"direction": "in", "protocol": "udp", "port": "51820-51830", "source_ips": ["2001:db8::/32"]},
        {"direction": "in", "protocol": "tcp", "port": "65535-65535", "source_ips": ["2001:db8::1/128"]},
        {"direction": "in", "protocol": "tcp", "port": "any", "source_ips": ["0.0.0.0/0"]},
        {"direction": "out", "protocol": "gre", "destination_ips": ["192.0.2.0/24"]},
        {"direction": "in", "protocol": "esp", "source_ips": ["192.0.2.0/24"] * 100, "description": "d" * 255},
    ],
)
def test_good_rules_are_taken(a: Client, rule: dict[str, Any]) -> None:
    """The last value inside each limit."""
    a.firewall("fw", rule)


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({**HTTPS, "port": None}, "port"),
        ({**HTTPS, "port": ""}, "port"),
        ({**HTTPS, "port": "0"}, "port"),
        ({**HTTPS, "port": "65536"}, "port"),
        ({**HTTPS, "port": "90-80"}, "port"),
        ({**HTTPS, "port": "80,443"}, "port"),
        ({**HTTPS, "port": 443}, "port"),
        ({**HTTPS, "protocol": "icmp"}, "port"),
        ({**HTTPS, "protocol": "sctp"}, "protocol"),
        ({**HTTPS, "direction": "both"}, "direction"),
        ({**HTTPS, "source_ips": ["192.0.2.1/24"]}, "source_ips"),
        ({**HTTPS, "source_ips": ["192.0.2.1"]}, "source_ips"),
        ({**HTTPS, "source_ips": ["192.0.2.0/255.255.255.0"]}, "source_ips"),
        ({**HTTPS, "source_ips": ["2001:db8::1/64"]}, "source_ips"),
        ({**HTTPS, "source_ips": ["example.com/24"]}, "source_ips"),
        ({**HTTPS, "source_ips": ["192.0.2.0/24"] * 101}, "source_ips"),
        ({**HTTPS, "destination_ips": ["192.0.2.1/24"]}, "destination_ips"),
        ({**HTTPS, "description": "d" * 256}, "description"),
    ],
)
def test_bad_rules_name_their_place(a: Client, rule: dict[str, Any], field: str) -> None:
    """One past each limit, at creation and later; the old rules stay."""
    body = {"name": "fw", "rules": [HTTPS, rule]}
    assert a.wrong_fields("POST", "/firewalls", body) == [f"rules.1.{field}"]
    number = a.firewall("fw", HTTPS)
    wrong = a.wrong_fields("POST", f"/firewalls/{number}/actions/set_rules", {"rules": [rule]})
    assert wrong == [f"rules.0.{field}"]
    assert len(a.get(f"/firewalls/{number}")["firewall"]["rules"]) == 1


def test_the_message_of_a_host_address_is_that_of_hetzner(a: Client) -> None:
    """It says which network was probably meant."""
    reply = a.call("POST", "/firewalls", {"name": "fw", "rules": [{**HTTPS, "source_ips": ["192.0.2.1/24"]}]})
    assert reply.body is not None
    messages = reply.body["error"]["details"]["fields"][0]["messages"]
    assert messages == ["192.0.2.1/24 is not the start of the cidr block 192.0.2.0/24"]


def test_a_firewall_has_fifty_rules_at_most(a: Client) -> None:
    """Fifty are taken, one more is not."""
    number = a.firewall("fw", *[HTTPS] * 50)
    path = f"/firewalls/{number}/actions/set_rules"
    assert a.wrong_fields("POST", path, {"rules": [HTTPS] * 51}) == ["rules"]
    a.post(path, {"rules": []})
    assert a.get(f"/firewalls/{number}")["firewall"]["rules"] == []


def test_a_firewall_at_birth_is_in_the_first_wish(a: Client) -> None:
    """A server is never wished without the firewall it was created with."""
    told: list[Any] = []
    a.cloud.on_change = told.append
    a.server(firewalls=[{"firewall": a.firewall("fw", HTTPS)}])
    assert told[0][0].firewall == (
        Rule(
            direction="in",
            protocol="tcp",
            ports=(443, 443),
            addresses=(ip_network("0.0.0.0/0"), ip_network("::/0")),
        ),
    )


def test_no_firewall_is_not_an_empty_firewall(a: Client) -> None:
    """None lets everything pass; a firewall without rules lets nothing in."""
    a.server("bare")
    a.server("shut", firewalls=[{"firewall": a.firewall("fw")}])
    assert [wish.firewall for wish in a.cloud.wishes()] == [None, ()]


def test_rules_of_all_applied_firewalls_add_up(a: Client) -> None:
    """Ports, ranges, all ports and both directions keep their meaning."""
    wireguard = {"direction": "in", "protocol": "udp", "port": "51820-51830", "source_ips": ["192.0.2.0/24"]}
    every = {"direction": "in", "protocol": "tcp", "port": "any", "source_ips": ["192.0.2.7/32"]}
    mail = {"direction": "out", "protocol": "tcp", "port": "25", "destination_ips": ["198.51.100.0/24"]}
    one, two = a.firewall("one", wireguard, every), a.firewall("two", mail)
    a.server(firewalls=[{"firewall": one}, {"firewall": two}])
    rules = a.cloud.wishes()[0].firewall
    assert rules is not None
    assert [(r.direction, r.protocol, r.ports, str(r.addresses[0])) for r in rules] == [
        ("in", "udp", (51820, 51830), "192.0.2.0/24"),
        ("in", "tcp", None, "192.0.2.7/32"),
        ("out", "tcp", (25, 25), "198.51.100.0/24"),
    ]


def test_a_firewall_is_applied_and_removed(a: Client) -> None:
    """Twice is refused either way; the server shows it while it is applied."""
    number, firewall = a.server(), a.firewall("fw", HTTPS)
    path = f"/firewalls/{firewall}/actions"
    applied = a.post(f"{path}/apply_to_resources", {"apply_to": [to_server(number)]})["actions"]
    assert [action["command"] for action in applied] == ["apply_firewall"]
    assert a.get(f"/servers/{number}")["server"]["public_net"]["firewalls"] == [{"id": firewall, "status": "applied"}]
    again = a.refused("POST", f"{path}/apply_to_resources", {"apply_to": [to_server(number)]})
    assert again == (422, "firewall_already_applied")
    a.post(f"{path}/remove_from_resources", {"remove_from": [to_server(number)]})
    again = a.refused("POST", f"{path}/remove_from_resources", {"remove_from": [to_server(number)]})
    assert again == (422, "firewall_already_removed")
    assert a.cloud.wishes()[0].firewall is None
    assert a.post(f"{path}/remove_from_resources", {"remove_from": []}) == {"actions": []}


def test_a_firewall_follows_labels(a: Client) -> None:
    """A server that gets the label gets the firewall, and loses it with the label."""
    firewall = a.firewall("fw", HTTPS, apply_to=[to_labels("role=edge")])
    number = a.server()
    assert a.cloud.wishes()[0].firewall is None
    a.put(f"/servers/{number}", {"labels": {"role": "edge"}})
    assert a.cloud.wishes()[0].firewall is not None
    assert a.get(f"/firewalls/{firewall}")["firewall"]["applied_to"] == [
        {**to_labels("role=edge"), "applied_to_resources": [to_server(number)]}
    ]
    a.put(f"/servers/{number}", {"labels": {"role": "core"}})
    assert a.cloud.wishes()[0].firewall is None


@pytest.mark.parametrize(
    ("target", "refusal"),
    [
        (to_server(9999), (422, "firewall_resource_not_found")),
        ({"type": "server"}, (422, "invalid_input")),
        ({"type": "label_selector"}, (422, "invalid_input")),
        (to_labels("a b"), (422, "invalid_input")),
        ({"type": "country"}, (422, "invalid_input")),
    ],
)
def test_a_target_must_exist(a: Client, target: dict[str, Any], refusal: tuple[int, str]) -> None:
    """A refused creation leaves no firewall."""
    assert a.refused("POST", "/firewalls", {"name": "fw", "apply_to": [target]}) == refusal
    assert a.get("/firewalls")["firewalls"] == []


def test_a_firewall_in_use_stays(a: Client) -> None:
    """By id or by label, even when the label chooses nobody; the server's end frees it."""
    number = a.server()
    by_id = a.firewall("by-id", apply_to=[to_server(number)])
    by_label = a.firewall("by-label", apply_to=[to_labels("nobody")])
    for firewall in (by_id, by_label):
        assert a.refused("DELETE", f"/firewalls/{firewall}") == (422, "resource_in_use")
    a.call("DELETE", f"/servers/{number}")
    assert a.get(f"/firewalls/{by_id}")["firewall"]["applied_to"] == []
    assert a.call("DELETE", f"/firewalls/{by_id}").status == 204
    a.post(f"/firewalls/{by_label}/actions/remove_from_resources", {"remove_from": [to_labels("nobody")]})
    assert a.call("DELETE", f"/firewalls/{by_label}").status == 204


def test_a_server_takes_five_firewalls_at_most(a: Client) -> None:
    """At birth and later; the sixth is refused."""
    firewalls = [a.firewall(f"fw{index}") for index in range(6)]
    references = [{"firewall": number} for number in firewalls]
    assert a.refused("POST", "/servers", server_body(firewalls=references)) == (403, "resource_limit_exceeded")
    number = a.server(firewalls=references[:5])
    late = {"apply_to": [to_server(number)]}
    path = f"/firewalls/{firewalls[5]}/actions/apply_to_resources"
    assert a.refused("POST", path, late) == (403, "resource_limit_exceeded")
    assert a.refused("POST", "/servers", server_body("x", firewalls=[{"firewall": 9999}])) == (404, "not_found")


def test_a_firewall_can_be_renamed(a: Client) -> None:
    """Names are unique; rules stay as they are."""
    one = a.firewall("one", HTTPS)
    a.firewall("two")
    assert a.refused("PUT", f"/firewalls/{one}", {"name": "two"}) == (409, "uniqueness_error")
    assert a.put(f"/firewalls/{one}", {"name": "three"})["firewall"]["rules"][0]["port"] == "443"

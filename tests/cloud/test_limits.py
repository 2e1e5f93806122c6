"""Limits that the reference names: the last that is taken, and the first that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lab.cloud.firewall_rules import EFFECTIVE_RULES_MAX
from lab.cloud.placement_groups import GROUPS_MAX
from lab.cloud.rrset_actions import RECORDS_MAX
from tests.cloud.driver import Client

if TYPE_CHECKING:
    from tests.cloud.serving import Lab


@pytest.mark.parametrize(
    ("path", "body", "longest"),
    [
        ("/firewalls", {"rules": []}, 128),
        ("/volumes", {"size": 10, "location": "fsn1"}, 64),
        ("/networks", {"ip_range": "10.0.0.0/16"}, 255),
    ],
)
def test_a_name_has_its_length(a: Client, path: str, body: dict[str, Any], longest: int) -> None:
    """By the kind of thing."""
    assert a.wrong_fields("POST", path, {**body, "name": "x" * (longest + 1)}) == ["name"]
    a.post(path, {**body, "name": "x" * longest})


@pytest.mark.parametrize("name", ["", "-a", "a-", ".", "a b", "a/b", "ä", "a\n"])
def test_a_volume_has_a_name_of_plain_characters(a: Client, name: str) -> None:
    """At birth and later."""
    assert a.wrong_fields("POST", "/volumes", {"name": name, "size": 10, "location": "fsn1"}) == ["name"]
    number = a.post("/volumes", {"name": "A-1_b.c", "size": 10, "location": "fsn1"})["volume"]["id"]
    assert a.wrong_fields("PUT", f"/volumes/{number}", {"name": name}) == ["name"]


def test_a_firewall_has_five_hundred_effective_rules(a: Client) -> None:
    """Each address of a rule is one."""

    def rules(addresses: int) -> list[dict[str, Any]]:
        few = [f"203.0.113.{host}/32" for host in range(100)]
        whole, rest = divmod(addresses, 100)
        sizes = [100] * whole + [rest] * bool(rest)
        return [{"direction": "in", "protocol": "icmp", "source_ips": few[:size]} for size in sizes]

    assert a.wrong_fields("POST", "/firewalls", {"name": "fw", "rules": rules(EFFECTIVE_RULES_MAX + 1)}) == ["rules"]
    a.firewall("fw", *rules(EFFECTIVE_RULES_MAX))


def test_a_project_has_fifty_placement_groups(a: Client, b: Client) -> None:
    """Another project has its own fifty."""
    for number in range(GROUPS_MAX):
        a.post("/placement_groups", {"name": f"g{number}", "type": "spread"})
    body = {"name": "more", "type": "spread"}
    assert a.refused("POST", "/placement_groups", body) == (403, "resource_limit_exceeded")
    b.post("/placement_groups", body)


def test_rrsets_come_a_hundred_a_page_and_records_fifty_a_request(a: Client) -> None:
    """Everything else comes fifty a page."""
    zone = a.post("/zones", {"name": "example.com", "mode": "primary"})["zone"]["id"]
    assert a.get(f"/zones/{zone}/rrsets?per_page=1000")["meta"]["pagination"]["per_page"] == 100
    assert a.get("/zones?per_page=1000")["meta"]["pagination"]["per_page"] == 50
    records = [{"value": f"203.0.113.{host}"} for host in range(RECORDS_MAX + 1)]
    path = f"/zones/{zone}/rrsets/www/A/actions/add_records"
    assert a.wrong_fields("POST", path, {"records": records}) == ["records"]
    a.post(path, {"records": records[:-1]})


@pytest.mark.lab
def test_a_list_says_where_its_pages_are(lab: Lab) -> None:
    """In a Link header, with what was asked for beside; an answer that is no list has none."""
    client = Client(lab.cloud)
    for number in range(5):
        client.post("/placement_groups", {"name": f"g{number}", "type": "spread"})
    answer = lab.send("GET", "/v1/placement_groups?per_page=2&page=2&sort=name")
    links = {rel: link["url"] for rel, link in answer.links.items() if rel}
    assert set(links) == {"prev", "next", "last"}
    assert links["next"] == f"{lab.url}/v1/placement_groups?per_page=2&sort=name&page=3"
    assert [
        group["name"] for group in lab.send("GET", links["last"].removeprefix(lab.url)).json()["placement_groups"]
    ] == ["g4"]
    assert "Link" not in lab.send("GET", "/v1/pricing").headers

"""RRsets: what a zone's records may be, and how they are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.test_zones import zone

if TYPE_CHECKING:
    from tests.cloud.driver import Client

RRSETS = "/zones/example.com/rrsets"
WWW = f"{RRSETS}/www/A"


def rrset(name: str = "www", kind: str = "A", *values: str, **more: Any) -> dict[str, Any]:
    """Return the body of a POST of an RRset."""
    return {"name": name, "type": kind, "records": [{"value": v} for v in values or ("203.0.113.1",)], **more}


def values_at(a: Client, path: str) -> list[str]:
    """Return the values of an RRset."""
    return [record["value"] for record in a.get(path)["rrset"]["records"]]


def test_an_rrset_is_shown_as_hetzner_does(a: Client) -> None:
    """By its name and type, in zones by name and by id; its zone counts the records."""
    number = zone(a)
    body = {"name": "www", "type": "A", "ttl": 60, "labels": {"env": "one"}}
    records = [{"value": "203.0.113.2", "comment": "new"}, {"value": "203.0.113.1"}]
    answer = a.post(RRSETS, {**body, "records": records})
    assert (answer["action"]["command"], answer["action"]["resources"]) == (
        "create_rrset",
        [{"id": number, "type": "zone"}],
    )
    shown = a.get(WWW)["rrset"]
    assert shown == {
        "id": "www/A",
        **body,
        "protection": {"change": False},
        "records": [{"value": "203.0.113.2", "comment": "new"}, {"value": "203.0.113.1", "comment": ""}],
        "zone": number,
    }
    assert answer["rrset"] == a.get(f"/zones/{number}/rrsets/www/A")["rrset"] == shown
    assert a.get("/zones/example.com")["zone"]["record_count"] == 2


def test_rrsets_are_listed_by_name_type_and_label(a: Client) -> None:
    """In the order asked for; two of one name and different types live side by side."""
    zone(a)
    a.post(RRSETS, rrset(labels={"env": "one"}))
    a.post(RRSETS, rrset("www", "AAAA", "2001:db8::1"))
    a.post(RRSETS, rrset("@", "TXT", '"v=spf1 -all"'))
    for query, found in (
        ("name=www", ["www/A", "www/AAAA"]),
        ("type=TXT&type=A", ["www/A", "@/TXT"]),
        ("label_selector=env", ["www/A"]),
        ("sort=id", ["@/TXT", "www/A", "www/AAAA"]),
        ("name=gone", []),
    ):
        assert [one["id"] for one in a.get(f"{RRSETS}?{query}")["rrsets"]] == found
    assert a.get(f"{RRSETS}?per_page=2&page=2")["meta"]["pagination"]["total_entries"] == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (rrset("WWW"), "name"),
        (rrset("www."), "name"),
        (rrset("a..b"), "name"),
        (rrset("a.*"), "name"),
        (rrset("www", "NAPTR"), "type"),
        (rrset(ttl=59), "ttl"),
        (rrset(labels={"-": ""}), "labels"),
        ({**rrset(), "records": []}, "records"),
        (rrset("www", "A", "203.0.113.1", "203.0.113.1"), "records"),
        (rrset("www", "A", "203.0.113.1", "203.0.113"), "records.1.value"),
        (rrset("www", "A", "2001:db8::1"), "records.0.value"),
        (rrset("www", "AAAA"), "records.0.value"),
        (rrset("www", "TXT", "bare"), "records.0.value"),
        (rrset("www", "TXT", '"' + "a" * 256 + '"'), "records.0.value"),
        (rrset("www", "MX", "mail.example.com."), "records.0.value"),
        (rrset("www", "MX", "65536 mail.example.com."), "records.0.value"),
        (rrset("www", "CNAME", "not a host"), "records.0.value"),
        (rrset("www", "CNAME", "one.example.", "two.example."), "records"),
        (rrset("@", "CNAME", "one.example."), "type"),
    ],
)
def test_a_wrong_rrset_names_its_field(a: Client, body: dict[str, Any], field: str) -> None:
    """And nothing is made."""
    zone(a)
    assert a.wrong_fields("POST", RRSETS, body) == [field]
    assert a.get(RRSETS)["rrsets"] == []


@pytest.mark.parametrize(
    "body",
    [
        rrset("*"),
        rrset("*.a"),
        rrset("_dmarc", "TXT", '"v=DMARC1; p=none"'),
        rrset("@", "TXT", '"' + "a" * 255 + '" "b"'),
        rrset("www", "CNAME", "edge.example.net."),
        rrset("@", "MX", "10 mail.example.com.", "65535 other"),
        rrset("@", "MX", "0 ."),
        rrset("@", "AAAA", "2001:db8::1"),
        rrset("@", "CAA", '0 issue "ca.example"'),
    ],
)
def test_a_right_rrset_is_taken(a: Client, body: dict[str, Any]) -> None:
    """Wildcards, service names, split texts, the null MX."""
    zone(a)
    a.post(RRSETS, body)
    path = f"{RRSETS}/{body['name']}/{body['type']}"
    assert values_at(a, path) == [record["value"] for record in body["records"]]


def test_a_cname_is_alone(a: Client) -> None:
    """Neither beside others, nor others beside it, nor twice."""
    zone(a)
    a.post(RRSETS, rrset())
    a.post(RRSETS, rrset("alias", "CNAME", "www"))
    assert a.wrong_fields("POST", RRSETS, rrset("www", "CNAME", "other")) == ["type"]
    assert a.wrong_fields("POST", RRSETS, rrset("alias", "A")) == ["type"]
    assert a.refused("POST", RRSETS, rrset("alias", "CNAME", "other")) == (409, "uniqueness_error")
    assert a.refused("POST", RRSETS, rrset()) == (409, "uniqueness_error")


def test_records_are_set_as_a_whole(a: Client) -> None:
    """In the order given; a refusal changes nothing."""
    zone(a)
    a.post(RRSETS, rrset())
    path = f"{WWW}/actions/set_records"
    body = {"records": [{"value": "203.0.113.9"}, {"value": "203.0.113.3"}]}
    assert a.post(path, body)["action"]["command"] == "set_rrset_records"
    for wrong in ([], [{"value": "x"}]):
        a.wrong_fields("POST", path, {"records": wrong})
    assert values_at(a, WWW) == ["203.0.113.9", "203.0.113.3"]
    assert a.refused("POST", f"{RRSETS}/gone/A/actions/set_records", body) == (404, "not_found")


def test_single_records_come_and_go(a: Client) -> None:
    """The first makes the RRset, the last takes it along; what is there is not added, what is not is not removed."""
    zone(a)
    one, two = {"records": [{"value": "203.0.113.1"}]}, {"records": [{"value": "203.0.113.2"}]}
    assert a.wrong_fields("POST", f"{RRSETS}/WWW/A/actions/add_records", one) == ["name"]
    assert a.post(f"{WWW}/actions/add_records", {**one, "ttl": 60})["action"]["command"] == "add_records"
    a.post(f"{WWW}/actions/add_records", two)
    assert (values_at(a, WWW), a.get(WWW)["rrset"]["ttl"]) == (["203.0.113.1", "203.0.113.2"], 60)
    assert a.wrong_fields("POST", f"{WWW}/actions/add_records", two) == ["records"]
    other_ttl = {"records": [{"value": "203.0.113.3"}], "ttl": 120}
    assert a.wrong_fields("POST", f"{WWW}/actions/add_records", other_ttl) == ["ttl"]
    assert a.post(f"{WWW}/actions/remove_records", one)["action"]["command"] == "remove_records"
    assert a.refused("POST", f"{WWW}/actions/remove_records", one) == (404, "not_found")
    assert values_at(a, WWW) == ["203.0.113.2"]
    a.post(f"{WWW}/actions/remove_records", two)
    assert a.refused("GET", WWW) == (404, "not_found")


def test_lifetime_and_labels_change(a: Client) -> None:
    """None is the zone's lifetime; labels are replaced, or left where they are not named."""
    zone(a)
    a.post(RRSETS, rrset(labels={"env": "one"}))
    path = f"{WWW}/actions/change_ttl"
    assert a.post(path, {"ttl": 60})["action"]["command"] == "change_rrset_ttl"
    assert a.put(WWW, {})["rrset"]["labels"] == {"env": "one"}
    for wrong in ({"ttl": 59}, {}):
        assert a.wrong_fields("POST", path, wrong) == ["ttl"]
    assert a.get(WWW)["rrset"]["ttl"] == 60
    a.post(path, {"ttl": None})
    shown = a.put(WWW, {"labels": {"env": "two"}})["rrset"]
    assert (shown["ttl"], shown["labels"]) == (None, {"env": "two"})


def test_a_protected_rrset_stays_as_it_is(a: Client) -> None:
    """Until the lock is lifted; its labels are free."""
    zone(a)
    a.post(RRSETS, rrset())
    a.post(f"{WWW}/actions/change_protection", {"change": True})
    assert a.get(WWW)["rrset"]["protection"] == {"change": True}
    body = {"records": [{"value": "203.0.113.2"}]}
    for method, path, sent in (
        ("DELETE", WWW, None),
        ("POST", f"{WWW}/actions/set_records", body),
        ("POST", f"{WWW}/actions/add_records", body),
        ("POST", f"{WWW}/actions/remove_records", {"records": [{"value": "203.0.113.1"}]}),
        ("POST", f"{WWW}/actions/change_ttl", {"ttl": 60}),
    ):
        assert a.refused(method, path, sent) == (423, "protected")
    a.put(WWW, {"labels": {"env": "one"}})
    assert values_at(a, WWW) == ["203.0.113.1"]
    a.post(f"{WWW}/actions/change_protection", {"change": False})
    reply = a.call("DELETE", WWW)
    assert reply.body is not None
    assert (reply.status, reply.body["action"]["command"]) == (201, "delete_rrset")
    assert a.refused("DELETE", WWW) == (404, "not_found")

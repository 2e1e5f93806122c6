"""Lists: pages, order and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cloud.driver import Client, Clock


def names(answer: Any, kind: str = "firewalls") -> list[str]:
    """Return the names in a list's answer."""
    return [item["name"] for item in answer[kind]]


@pytest.fixture
def seven(a: Client, clock: Clock) -> Client:
    """Return a client whose project has seven firewalls `f0` to `f6` in `env=odd|even`, four of them later."""
    for index in (3, 0, 6, 1, 5, 2, 4):
        if index == 1:
            clock.move(1)
        a.firewall(f"f{index}", labels={"env": "odd" if index % 2 else "even"})
    return a


def test_pages_tile_the_list(seven: Client) -> None:
    """Every object is on one page only, and the pages point at each other."""
    pages = [seven.get(f"/firewalls?per_page=3&page={number}&sort=name") for number in (1, 2, 3)]
    assert [names(page) for page in pages] == [["f0", "f1", "f2"], ["f3", "f4", "f5"], ["f6"]]
    assert [page["meta"]["pagination"] for page in pages] == [
        {"page": 1, "per_page": 3, "previous_page": None, "next_page": 2, "last_page": 3, "total_entries": 7},
        {"page": 2, "per_page": 3, "previous_page": 1, "next_page": 3, "last_page": 3, "total_entries": 7},
        {"page": 3, "per_page": 3, "previous_page": 2, "next_page": None, "last_page": 3, "total_entries": 7},
    ]


def test_a_full_last_page_has_no_next(seven: Client) -> None:
    """Seven in pages of seven are one page; a page beyond is empty."""
    assert seven.get("/firewalls?per_page=7")["meta"]["pagination"]["next_page"] is None
    beyond = seven.get("/firewalls?per_page=7&page=2")
    assert (names(beyond), beyond["meta"]["pagination"]["next_page"]) == ([], None)


def test_an_empty_list_is_one_page(a: Client) -> None:
    """`last_page` is 1, as clients divide by it."""
    assert a.get("/volumes")["meta"]["pagination"] == {
        "page": 1,
        "per_page": 25,
        "previous_page": None,
        "next_page": None,
        "last_page": 1,
        "total_entries": 0,
    }


def test_a_page_holds_fifty_at_most(a: Client) -> None:
    """More than the most is the most."""
    assert a.get("/volumes?per_page=51")["meta"]["pagination"]["per_page"] == 50
    assert a.get("/volumes?per_page=49")["meta"]["pagination"]["per_page"] == 49


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=-1", "per_page=0", "per_page=1.5", "page="])
def test_a_page_is_a_whole_number_from_one(a: Client, query: str) -> None:
    """Anything else names its parameter."""
    assert a.wrong_fields("GET", f"/servers?{query}", None) == [query.partition("=")[0]]


def test_lists_come_in_the_order_asked_for(seven: Client) -> None:
    """By default as made; by name either way; several fields weigh in their order."""
    assert names(seven.get("/firewalls")) == ["f3", "f0", "f6", "f1", "f5", "f2", "f4"]
    assert names(seven.get("/firewalls?sort=name")) == [f"f{n}" for n in range(7)]
    assert names(seven.get("/firewalls?sort=name:desc")) == [f"f{n}" for n in reversed(range(7))]
    assert names(seven.get("/firewalls?sort=created&sort=name")) == ["f0", "f3", "f6", "f1", "f2", "f4", "f5"]
    assert names(seven.get("/firewalls?sort=created:desc&sort=id")) == ["f1", "f5", "f2", "f4", "f3", "f0", "f6"]


@pytest.mark.parametrize("field", ["rules", "name:up", ""])
def test_an_unknown_order_is_refused(a: Client, field: str) -> None:
    """The refusal names `sort`."""
    assert a.wrong_fields("GET", f"/firewalls?sort={field}", None) == ["sort"]


def test_names_and_labels_choose(seven: Client) -> None:
    """A name chooses one or none; a selector chooses by labels; both must hold."""
    assert names(seven.get("/firewalls?name=f2")) == ["f2"]
    assert names(seven.get("/firewalls?name=f")) == []
    assert names(seven.get("/firewalls?label_selector=env==odd&sort=name")) == ["f1", "f3", "f5"]
    assert names(seven.get("/firewalls?label_selector=env==odd&name=f2")) == []
    assert names(seven.get("/firewalls?label_selector=&sort=name")) == [f"f{n}" for n in range(7)]
    assert seven.wrong_fields("GET", "/firewalls?label_selector=a b", None) == ["label_selector"]


def test_servers_can_be_chosen_by_status(a: Client) -> None:
    """Several values let either pass."""
    off, on = a.server("off"), a.server("on")
    a.off(off)
    assert [s["id"] for s in a.get("/servers?status=off")["servers"]] == [off]
    assert [s["id"] for s in a.get("/servers?status=off&status=running")["servers"]] == [off, on]
    assert a.get("/servers?status=migrating")["servers"] == []

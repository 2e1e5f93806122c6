"""State against account: each way in which they can disagree, and the ways that only look like one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.repair.stories import STACK, row, state, step, thing, things, whole, wishes
from tools.repair_compare import find_differences
from tools.repair_model import Difference, Found, State
from tools.repair_words import erased, is_mendable, table


def said(found: list[Found], known: State, asked: Any = None) -> list[tuple[str, str, str, int | None]]:
    """Return what is found, shortly."""
    return [(one.wrong, one.remedy, one.kind, one.id) for one in find_differences(STACK, found, known, asked)]


def test_a_whole_deployment_has_nothing_to_mend() -> None:
    """Each object is known, each resource is there."""
    assert said(things(), state(*whole())) == []


@pytest.mark.parametrize("position", range(5))
def test_an_object_that_the_state_does_not_know_is_an_orphan(position: int) -> None:
    """Of any kind; without the program's word it is to be removed."""
    rows = whole()
    lost = rows.pop(position)
    assert said(things(), state(*rows)) == [("orphan", "remove", things()[position].kind, int(lost["id"]))]


@pytest.mark.parametrize("labels", [{"stack": "other"}, {"host": ""}, {"stack": ""}, {"stack": "dev2"}])
def test_what_does_not_carry_both_labels_is_nobodys_business(labels: dict[str, Any]) -> None:
    """Other stacks' hosts, and what somebody made by hand, are left alone."""
    assert said([replace(thing("server", 10), **labels)], state()) == []


def test_an_id_counts_for_its_own_kind_only() -> None:
    """A known firewall 10 does not make a server 10 known."""
    assert said([thing("server", 10), thing("firewall", 10)], state(row("firewall", 10))) == [
        ("orphan", "remove", "server", 10)
    ]


@pytest.mark.parametrize("position", range(1, 5))
def test_a_resource_whose_object_is_gone_is_forgotten(position: int) -> None:
    """Only refresh heals: repair runs it. The server that used it is not called bare for it."""
    found = things()
    lost = found.pop(position)
    assert said(found, state(*whole())) == [("gone", "forget", lost.kind, lost.id)]


def test_a_server_without_power_is_powered_on() -> None:
    """Wherever it comes from: a refused change of its type, or somebody's hand."""
    found = [thing("server", 10, off=True), *things()[1:]]
    assert said(found, state(*whole())) == [("off", "power on", "server", 10)]


@pytest.mark.parametrize(
    ("traits", "missing"),
    [
        ({"firewallIds": []}, "firewall dev-press"),
        ({"publicNets": [{"ipv4Enabled": True, "ipv4": 30, "ipv6Enabled": False}]}, "primary_ip dev-press-ipv6"),
        (
            {"publicNets": [{}], "firewallIds": [21]},
            "firewall dev-press, primary_ip dev-press-ipv4, primary_ip dev-press-ipv6",
        ),
    ],
)
def test_a_half_made_server_that_passes_as_healthy_is_named_with_what_it_lacks(
    traits: dict[str, Any], missing: str
) -> None:
    """The state says that all is well; the account shows no firewall, or no address."""
    found = [thing("server", 10, traits=traits), *things()[1:]]
    (bare,) = find_differences(STACK, found, state(*whole()))
    assert (bare.wrong, bare.remedy, bare.id, bare.why) == ("bare", "attach", 10, missing)
    assert [f"{one.kind} {one.name}" for one in bare.missing] == missing.split(", ")


def test_a_server_with_more_than_it_was_made_with_is_well() -> None:
    """A firewall that somebody added is theirs."""
    found = [thing("server", 10, traits={"firewallIds": [20, 99]}), *things()[1:]]
    assert said(found, state(*whole())) == []


def test_one_server_can_be_dark_and_bare_and_unfinished() -> None:
    """Each is told."""
    found = [thing("server", 10, off=True, traits={"firewallIds": []}), *things()[1:]]
    assert said(found, state(row("server", 10, initErrors=["x"]), *whole()[1:])) == [
        ("off", "power on", "server", 10),
        ("bare", "attach", "server", 10),
        ("unfinished", "up", "server", 10),
    ]


def test_what_was_deleted_for_its_replacement_is_no_loss() -> None:
    """Its replacement failed: `up` makes it; there is nothing for repair to forget."""
    rows = [row("server", 10, pendingReplacement=True), *whole()[1:]]
    assert said(things()[1:], state(*rows)) == [("unfinished", "up", "server", 10)]


def test_what_is_only_read_is_not_looked_after() -> None:
    """Gone or dark, it is somebody else's; and it is no orphan either."""
    assert said([], state(row("server", 10, external=True))) == []
    assert said([thing("server", 10, off=True)], state(row("server", 10, external=True))) == []


def test_an_interrupted_operation_is_to_be_cleared() -> None:
    """What it was making shows beside it, as an orphan."""
    half = row("server", 10)
    del half["id"]
    known = state(*whole()[1:], pending=({"type": "creating", "resource": half},))
    assert said(things(), known) == [("orphan", "remove", "server", 10), ("interrupted", "clear", "server", None)]


def test_servers_come_last_and_wait_for_what_they_are_attached_to() -> None:
    """All of a host is orphaned: its parts are adopted, and so is the server, once their ids are in the state."""
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    asked = wishes(
        step("server", 10, firewallIds=[unknown], publicNets=[{"ipv4": unknown, "ipv6": unknown}]),
        *(step(one.kind, one.id) for one in things()[1:]),
    )
    found = find_differences(STACK, things(), state(), asked)
    assert [(one.kind, one.remedy, one.early) for one in found] == [
        ("firewall", "adopt", False),
        ("primary_ip", "adopt", False),
        ("primary_ip", "adopt", False),
        ("ssh_key", "adopt", False),
        ("server", "adopt", True),
    ]
    strange = [thing("server", 10, traits={"firewallIds": [77]}), *things()[1:]]
    assert find_differences(STACK, strange, state(), asked)[-1].remedy == "remove"


def test_a_server_does_not_wait_for_what_never_comes() -> None:
    """What it is attached to is known, and the program will have others in its place: there is nothing to wait for."""
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    asked = wishes(step("server", 10, publicNets=[{"ipv4": unknown, "ipv6": unknown}]))
    (lost,) = find_differences(STACK, things(), state(*whole()[1:]), asked)
    assert (lost.remedy, lost.why) == ("remove", "what the program asks for is not known yet: publicNets")


def test_what_is_erased_is_listed_with_what_goes_with_it() -> None:
    """A server's data and a published address; keys and firewalls are made again as they were."""
    lost = find_differences(STACK, things(), state())
    assert erased(lost) == [
        "  account vault: firewall dev-press (20)",
        "  account vault: primary_ip dev-press-ipv4 (30), the address is given back and somebody else gets it",
        "  account vault: primary_ip dev-press-ipv6 (31), the address is given back and somebody else gets it",
        "  account vault: ssh_key dev-press (40)",
        "  account vault: server dev-press (10), with all the data on it",
    ]
    adopted = find_differences(STACK, [thing("server", 10)], state(*whole()[1:]), wishes(step("server", 10)))
    assert erased(adopted) == []


def test_the_table_tells_account_resource_id_what_and_remedy() -> None:
    """One line each, aligned."""
    dark = find_differences(STACK, [thing("server", 10, off=True), *things()[1:]], state(*whole()))
    assert table(dark) == [
        "account  resource          id  found                   to mend",
        "vault    server dev-press  10  a server without power  power it on",
    ]


def test_only_what_repair_can_do_something_about_is_mendable() -> None:
    """What is unfinished is `up`'s."""
    one = Difference(wrong="unfinished", remedy="up", account="vault", kind="server", id=1, name="x")
    assert not is_mendable([one])
    assert is_mendable([one, replace(one, wrong="off", remedy="power on")])

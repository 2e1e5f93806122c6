"""Whether an orphan is what the program asks for, and the row that it becomes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.repair.stories import (
    AFTER,
    BEFORE,
    HIDDEN,
    KEY,
    NOW,
    OBJECTS,
    PARENT,
    PROVIDER,
    STACK,
    export,
    inputs_of,
    row,
    state,
    step,
    thing,
    things,
    whole,
    wishes,
)
from tools.repair_adoption import MARK, with_adopted
from tools.repair_compare import find_differences
from tools.repair_state import read_state
from tools.repair_wishes import UNKNOWN, WishError, faults_of, read_wishes, why_not


def reason(found: Any, wanted: dict[str, Any], *rows: dict[str, Any]) -> str:
    """Return why the server of the story, or another of its objects, can't be adopted."""
    (wish,) = wishes(wanted).values()
    return why_not(found, wish, state(*rows) if rows else state(*whole()[1:]))


@pytest.mark.parametrize(("kind", "number"), OBJECTS)
def test_what_the_program_asks_for_is_adopted(kind: str, number: int) -> None:
    """Same account, kind and name, nothing that would replace it."""
    assert reason(thing(kind, number), step(kind, number)) == ""


@pytest.mark.parametrize(
    ("kind", "number", "trait", "other", "why"),
    [
        ("server", 10, "image", "debian-13", "image: 'debian-13', the program asks for 'debian-12'"),
        ("server", 10, "location", "fsn1", "location: 'fsn1', the program asks for 'hel1'"),
        ("primary_ip", 30, "location", "fsn1", "location: 'fsn1', the program asks for 'hel1'"),
        ("primary_ip", 30, "type", "ipv6", "type: 'ipv6', the program asks for 'ipv4'"),
        ("ssh_key", 40, "publicKey", "ssh-ed25519 BBBB", "another publicKey"),
        ("server", 10, "firewallIds", [], "it was made without its firewall"),
        ("server", 10, "firewallIds", [21], "it was made without its firewall"),
        ("server", 10, "publicNets", [{"ipv4": 30}], "it was made without its addresses"),
        ("server", 10, "publicNets", [{"ipv4": 30, "ipv6": 99}], "it was made without its addresses"),
    ],
)
def test_what_would_be_replaced_or_is_half_made_is_removed_and_the_finding_says_why(
    kind: str, number: int, trait: str, other: Any, why: str
) -> None:
    """An adopted server without its firewall would stand open, and one without its addresses unreachable."""
    assert reason(thing(kind, number, traits={trait: other}), step(kind, number)) == why


@pytest.mark.parametrize(
    ("kind", "number", "trait", "other"),
    [("server", 10, "serverType", "cx33"), ("firewall", 20, "rules", []), ("primary_ip", 30, "autoDelete", True)],
)
def test_what_is_changed_in_place_does_not_stand_in_the_way(kind: str, number: int, trait: str, other: Any) -> None:
    """The row has what the account has, so that the next `up` sees the change."""
    found = thing(kind, number, traits={trait: other})
    assert reason(found, step(kind, number)) == ""
    rows = [one for one in whole() if one["id"] != str(number)]
    fresh = with_adopted(
        export(*rows), find_differences(STACK, [found], state(*rows), wishes(step(kind, number)))[:1], NOW
    )
    value = fresh["deployment"]["resources"][-1]["inputs"][trait]
    assert (json.loads(value["plaintext"]) if trait == "rules" else value) == other


def test_a_server_that_is_still_being_made_is_not_adopted() -> None:
    """Nobody knows yet what it will be."""
    assert reason(thing("server", 10, busy=True), step("server", 10)) == "it is half made"


def test_a_server_is_no_older_than_its_keys() -> None:
    """Born before today's keys it holds others, which nobody has any more: its tunnels would never come up."""
    assert reason(thing("server", 10, created=BEFORE), step("server", 10)) == "it is older than today's keys"
    assert reason(thing("server", 10, created=AFTER), step("server", 10)) == ""
    assert reason(thing("server", 10, created="2026-11-01T10:00:00Z"), step("server", 10)) == ""  # the API has seconds


def test_a_server_whose_keys_are_not_in_the_state_is_not_adopted() -> None:
    """The program would make new ones."""
    wanted = step("server", 10)
    wanted["newState"]["dependencies"] = [KEY.replace("press", "other")]
    assert reason(thing("server", 10), wanted) == "its keys are not in the state"


def test_nothing_is_adopted_into_a_state_that_has_no_place_for_it() -> None:
    """Its provider and its component come first: a row that names what is not there is no state."""
    why = "the state does not have its account's provider yet"
    for key in ("provider", "parent"):
        wanted = step("ssh_key", 40)
        wanted["newState"][key] = wanted["newState"][key].replace("press", "x").replace("1111", "2222")
        assert reason(thing("ssh_key", 40), wanted) == why


@pytest.mark.parametrize("mark", sorted(UNKNOWN))
def test_what_is_not_known_yet_is_equal_to_nothing(mark: str) -> None:
    """However the engine writes it."""
    assert reason(thing("primary_ip", 30), step("primary_ip", 30, location=mark)) == (
        "what the program asks for is not known yet: location"
    )


def test_what_the_program_does_not_ask_for_is_removed() -> None:
    """By another name, in another account, or not at all; and a step that makes nothing asks for nothing."""
    assert why_not(thing("server", 10), None, state()) == "the program does not ask for it"
    for op in ("same", "update", "delete", "refresh", "read"):
        assert wishes(step("server", 10, op=op)) == {}
    (key,) = wishes(step("server", 10, op="create-replacement"))
    assert key == ("vault", "server", "dev-press")


def test_the_row_is_what_pulumi_would_have_written() -> None:
    """Everything from the program but what a server never tells; everything from the account; no address."""
    rows = whole()[1:]
    found = find_differences(STACK, things(), state(*rows), wishes(step("server", 10)))
    fresh = with_adopted(export(*rows), found, NOW)
    assert fresh["deployment"]["resources"][:-1] == export(*rows)["deployment"]["resources"]
    made = fresh["deployment"]["resources"][-1]
    assert made == {
        **row("server", 10, dependencies=[KEY], propertyDependencies={"name": [KEY]}),
        "outputs": {
            "keepDisk": False,
            "shutdownBeforeDeletion": False,
            "ignoreRemoteFirewallIds": False,
            **inputs_of("server", 10),
            "id": "10",
        },
        "created": "2026-11-02T00:00:00.000000Z",
        "modified": "2026-11-02T00:00:00.000000Z",
    }
    assert (made["parent"], made["provider"]) == (PARENT, PROVIDER)
    assert find_differences(STACK, things(), read_state(fresh)) == ()


def test_a_firewall_is_adopted_with_its_rules_as_a_secret() -> None:
    """A hidden host's address stands among them: nowhere but inside the mark that `stack import` encrypts."""
    rows = [one for one in whole() if one["id"] != "20"]
    found = find_differences(STACK, things(), state(*rows), wishes(step("firewall", 20, rules="[secret]")))
    made = with_adopted(export(*rows), found, NOW)["deployment"]["resources"][-1]
    for side in ("inputs", "outputs"):
        secret = made[side].pop("rules")
        assert {key: secret[key] for key in MARK} == MARK
        assert HIDDEN in secret["plaintext"]
    assert HIDDEN not in json.dumps(made)


def test_a_replacement_that_was_lost_takes_the_place_of_the_old_row() -> None:
    """Deleted first, made again, answer lost: the state has the old row still, which no refresh drops."""
    rows = [row("server", 9, urn=row("server", 10)["urn"], pendingReplacement=True), *whole()[1:]]
    found = find_differences(STACK, things(), state(*rows), wishes(step("server", 10, op="create-replacement")))
    assert [(one.wrong, one.remedy, one.id) for one in found] == [("orphan", "adopt", 10), ("unfinished", "up", 9)]
    fresh = with_adopted(export(*rows), found[:1], NOW)
    assert find_differences(STACK, things(), read_state(fresh)) == ()


def test_a_row_that_came_meanwhile_is_not_doubled() -> None:
    """Somebody's `up` was quicker: its row stays."""
    found = find_differences(STACK, things(), state(*whole()[1:]), wishes(step("server", 10)))
    before = export(*whole())
    assert with_adopted(before, found, NOW) == before


def test_the_export_given_is_left_as_it_was() -> None:
    """What goes wrong afterwards changes nothing."""
    before = export(*whole()[1:])
    kept = copy.deepcopy(before)
    with_adopted(before, find_differences(STACK, things(), state(*whole()[1:]), wishes(step("server", 10))), NOW)
    assert before == kept


@pytest.mark.parametrize("text", ["", "{", "[]", "7"])
def test_what_is_no_preview_is_refused(text: str) -> None:
    """Told, and nothing is removed for it."""
    with pytest.raises(WishError, match=r"^preview: .*, allowed: what `pulumi preview --json` writes"):
        read_wishes(text)


@pytest.mark.parametrize(
    "steps", [None, [], [None], ["x"], [{}], [{"op": "create"}], [{"op": "create", "newState": {}}]]
)
def test_odd_steps_ask_for_nothing(steps: Any) -> None:
    """No traceback."""
    assert read_wishes(json.dumps({"steps": steps})) == {}


def test_a_failed_preview_is_told_by_its_errors() -> None:
    """Warnings and steps are left out; what is no JSON is told as it is."""
    said = {"diagnostics": [{"severity": "warning", "message": "w"}, {"severity": "error", "message": "error: why\n"}]}
    assert faults_of(json.dumps(said)) == "error: why"
    assert faults_of("plain words") == "plain words"
    assert faults_of("{}") == "{}"
    assert faults_of('{"diagnostics": []}') == "the preview failed"


def test_nothing_that_shows_itself_shows_a_hidden_address() -> None:
    """Objects and wishes stand in tracebacks and logs by their repr."""
    found = thing("firewall", 20)
    (wish,) = wishes(step("firewall", 20)).values()
    assert HIDDEN in json.dumps(found.traits["rules"])
    assert HIDDEN not in repr(found) + repr(wish)
    assert HIDDEN not in repr(find_differences(STACK, [found], state(), wishes(step("firewall", 20))))

"""Where a rotation stands and what comes next is read from the stack file and from what hosts were told."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from plan.standing import Standing, Told, told_to
from tests.stacks import changed, planned
from tools.rotation import (
    Keys,
    RotationError,
    check_reach,
    lagging,
    left_behind,
    next_step,
    step_back,
    tunnel_ends,
    was_pruning,
    write_keys,
)
from tools.rotation_history import find_copies
from tools.rotation_hosts import read_proof
from tools.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from plan import Plan

OPEN = {"shields__falkenstein__ssh": ["198.51.100.0/24"]}
ALONE, STAGED, SWITCHED, PRUNED = Keys((1,), 1), Keys((1, 2), 1), Keys((1, 2), 2), Keys((2,), 2)


def at(keys: Keys, **more: Any) -> Plan:
    """Return a deployment with these keys."""
    return planned(changed(generations=list(keys.generations), active=keys.active, **more))


def told(plan: Plan, **others: Told) -> Standing:
    """Return what hosts were told by a plan, but for those that were told otherwise."""
    return Standing(hosts={host.name: told_to(plan, host, "digest", "birth") for host in plan.hosts} | others)


def test_three_steps_lead_to_the_next_keys_and_each_but_the_last_can_be_taken_back() -> None:
    """Stage, switch, prune, and from there on again; a step back leads where the step began."""
    assert next_step(ALONE) == ("stage", STAGED)
    assert next_step(STAGED) == ("switch", SWITCHED)
    assert next_step(SWITCHED) == ("prune", PRUNED)
    assert next_step(PRUNED) == ("stage", Keys((2, 3), 2))
    assert step_back(SWITCHED) == STAGED
    assert step_back(STAGED) == ALONE
    with pytest.raises(
        RotationError, match=r"generations: \[2\], allowed: two that stand; the keys before it are gone"
    ):
        step_back(PRUNED)


BEFORE = """\
config:
  # what the world is
  farshore:network: 10.0.0.0/16  # ours
  farshore:active: 1
  # who visits
  farshore:domains: {}
"""


def test_an_edit_keeps_what_a_person_wrote() -> None:
    """Comments and order stay; generations are one line; a key that says what is so anyway is not added."""
    yaml = YAML()

    def edited(text: str, keys: Keys) -> str:
        whole = yaml.load(text)
        write_keys(whole["config"], keys)
        out = StringIO()
        yaml.dump(whole, out)
        return out.getvalue()

    assert edited(BEFORE, SWITCHED) == BEFORE.replace("active: 1", "active: 2") + "  farshore:generations: [1, 2]\n"
    plain = BEFORE.replace("  farshore:active: 1\n", "")
    assert edited(plain, STAGED) == plain + "  farshore:generations: [1, 2]\n"
    assert edited(edited(plain, STAGED), SWITCHED) == plain + "  farshore:generations: [1, 2]\n  farshore:active: 2\n"
    assert edited(edited(plain, SWITCHED), PRUNED) == plain + "  farshore:generations: [2]\n  farshore:active: 2\n"


@pytest.mark.parametrize("keys", [ALONE, STAGED, SWITCHED, PRUNED])
def test_hosts_that_were_told_other_keys_lag(keys: Keys) -> None:
    """None where all were told; by name where one was not, or is not there."""
    plan = at(keys, **OPEN)
    assert lagging(plan, told(plan)) == ()
    other = told_to(at(Keys((3,), 3), **OPEN), plan.hosts[1], "digest", "birth")
    assert lagging(plan, told(plan, press=other)) == ("press",)
    assert lagging(plan, Standing()) == ("falkenstein", "press")


def test_an_interrupted_end_is_told_from_a_new_beginning() -> None:
    """One generation in the file: the last rotation is over only when no host has two."""
    pruned = at(PRUNED, **OPEN)
    assert not was_pruning(pruned, told(pruned))
    assert was_pruning(pruned, told(at(SWITCHED, **OPEN)))
    half = told_to(at(SWITCHED, **OPEN), pruned.hosts[1], "digest", "birth")
    assert was_pruning(pruned, told(pruned, press=half))
    assert not was_pruning(at(SWITCHED, **OPEN), told(at(SWITCHED, **OPEN)))


def test_hosts_that_can_not_be_told_are_named() -> None:
    """SSH off, born closed, or not there: each with what to do; nothing is said where all can be told."""
    plan = at(ALONE, **OPEN)
    check_reach(plan, told(plan))
    closed = at(ALONE)
    with pytest.raises(RotationError) as refused:
        check_reach(closed, told(closed))
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[2].partition(".ssh")[0] for line in lines] == ["shields.falkenstein", "origins.press"]
    assert all("answers no SSH of delivery's" in line for line in lines)
    born_closed = replace(told_to(plan, plan.hosts[1], "digest", "birth"), delivery=False)
    with pytest.raises(RotationError, match=r"farshore:origins\.press\.ssh: its server was born closed to delivery"):
        check_reach(plan, told(plan, press=born_closed))
    with pytest.raises(RotationError, match=r"farshore:shields\.falkenstein: not there yet"):
        check_reach(plan, Standing())


def test_a_device_that_dials_the_old_keys_is_left_behind() -> None:
    """Unless its entry says otherwise; with one generation nobody is."""
    key = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk="
    laptop = {"slot": 200, "public_key": key}
    for keys, own, names in (
        (ALONE, {}, ()), (SWITCHED, {}, ("laptop",)), (SWITCHED, {"generation": 2}, ()), (PRUNED, {}, ()),
    ):  # fmt: skip
        assert left_behind(at(keys, operators={"laptop": {**laptop, **own}})) == names


def test_each_tunnel_has_two_ends_in_each_generation() -> None:
    """Devices have none that a host could prove."""
    assert tunnel_ends(at(STAGED), 1) == {"falkenstein": {("fs0", "press")}, "press": {("fs0g0", "falkenstein")}}
    assert tunnel_ends(at(STAGED), 2) == {"falkenstein": {("fs1", "press")}, "press": {("fs0g1", "falkenstein")}}
    assert tunnel_ends(at(ALONE), 2) == {"falkenstein": set(), "press": set()}


PROOF = """\
ok    tunnel fs0 to press, 10.0.0.2
ok    tunnel fs0 to press, fd00::2
ok    handshake fs0 with press
ok    tunnel fs1 to press, 10.0.0.2
FAILS tunnel fs1 to press, fd00::2: no answer
ok    handshake fs1 with press
ok    tunnel fs1 to db, 10.0.0.3
FAILS handshake fs1 with db: none yet
ok    handshake fs1 with drop
ok    unit haproxy.service
"""


def test_a_tunnel_is_proven_by_all_its_addresses_and_a_handshake() -> None:
    """One line that fails, or one that is missing, is no proof."""
    assert read_proof(PROOF) == {("fs0", "press")}
    assert read_proof("") == set()


def test_copies_of_former_states_are_named_and_the_present_one_is_not(tmp_path: Path) -> None:
    """History, backups and the copy beside the state, with the command that removes them; nothing where there is none."""
    work = Workspace(folder=tmp_path, stack="dev", endpoint="http://127.0.0.1:1")
    root = tmp_path / "state" / ".pulumi"
    present = root / "stacks" / "farshore" / "dev.json"
    present.parent.mkdir(parents=True)
    present.touch()
    assert find_copies(work).purge == ""
    kept = [
        root / "backups" / "farshore" / "dev" / "dev.1.json",
        root / "history" / "farshore" / "dev" / "dev-1.checkpoint.json",
        root / "stacks" / "farshore" / "dev.json.bak",
    ]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    copies = find_copies(work)
    assert sorted(copies.files) == sorted(kept)
    assert copies.purge == (
        f"rm -rf -- {root}/history/farshore/dev {root}/backups/farshore/dev {root}/stacks/farshore/dev.json.bak"
    )

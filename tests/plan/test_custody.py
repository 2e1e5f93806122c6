"""Whose keys were made on their hosts, whose are asked for, and what a host is told of them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cloud_init import placeholder, render_bundle, render_delivered
from plan import StackError
from plan.custody import (
    Custody,
    half_of,
    judge_custody,
    outside_hosts,
    plan_custody,
    read_halves,
    stranded_without,
    tell_custody,
)
from plan.model.refs import Ref
from plan.standing import OwnKey, Standing, read_standing, told_to, what_it_knows
from tests.stacks import changed, planned

if TYPE_CHECKING:
    from plan import Plan

HALF = [base64.b64encode(bytes([number]) * 32).decode() for number in range(8)]
SHIELD2, PRESS2 = OwnKey(2, "fs1", HALF[1]), OwnKey(2, "fs0g1", HALF[2])


def at(*generations: int, custody: str = "host", active: int | None = None, **values: Any) -> Plan:
    """Return the smallest deployment that delivery reaches, with these keys."""
    more = {} if active is None else {"active": active}
    where = {"shields__falkenstein__ssh": ["198.51.100.0/24"], "custody": custody}
    return planned(changed(**{"generations": list(generations), **where, **more, **values}))


def stands(plan: Plan, **own: tuple[OwnKey, ...]) -> Standing:
    """Return what a plan leaves behind, with the keys that hosts have made; each one's server has its slot's number."""
    return Standing(
        hosts={
            host.name: replace(
                told_to(plan, host, "digest", "birth"), server=str(host.slot), own_keys=own.get(host.name, ())
            )
            for host in plan.hosts
        }
    )


MADE = stands(at(1, 2), falkenstein=(SHIELD2,), press=(PRESS2,))


def test_a_running_host_is_asked_for_the_generation_that_is_staged() -> None:
    """For all its interfaces of it; not where keys are the state's to make, and not for what it knows already."""
    before = stands(at(1))
    assert plan_custody(at(1, 2), before).asked == {"falkenstein": {2: ("fs1",)}, "press": {2: ("fs0g1",)}}
    assert plan_custody(at(1, 2, custody="state"), before) == Custody()
    assert plan_custody(at(1, 2), stands(at(1, 2))) == Custody()


def test_a_host_that_is_not_there_yet_is_asked_for_nothing() -> None:
    """It is born with keys of the state, all that stand: nobody would know those that it makes."""
    assert plan_custody(at(1, 2), Standing()) == Custody()
    other = {"slot": 3, "account": "vault", "location": "hel1", "shields": ["falkenstein"]}
    assert set(plan_custody(at(1, 2, origins__db=other), stands(at(1))).asked) == {"falkenstein", "press"}


@pytest.mark.parametrize("custody", ["state", "host"])
def test_a_key_stays_what_it_is_for_as_long_as_its_generation(custody: str) -> None:
    """Whatever the stack file says later; it is forgotten when its generation goes."""
    for plan in (at(1, 2, custody=custody), at(1, 2, active=2, custody=custody), at(2, custody=custody)):
        found = plan_custody(plan, MADE)
        assert found.known == {"falkenstein": (SHIELD2,), "press": (PRESS2,)}
        assert found.servers == {"falkenstein": "0", "press": "2"}
        assert found.asked == {}
    assert plan_custody(at(1, custody=custody), MADE).known == {}


def test_an_interface_that_comes_later_has_a_key_of_the_state() -> None:
    """A second shield for an origin whose keys are its own: the former interface keeps its key."""
    ashburn = {"slot": 1, "account": "edge", "location": "ash", "ssh": ["198.51.100.0/24"]}
    plan = at(1, 2, shields__ashburn=ashburn, origins__press__shields=["falkenstein", "ashburn"])
    found = plan_custody(plan, MADE)
    assert found.asked == {}
    press = found.as_told(plan.origins[0], "2")
    assert {one.name: one.own_key for one in press.interfaces} == {
        "fs0g0": False, "fs0g1": True, "fs1g0": False, "fs1g1": False,
    }  # fmt: skip
    assert outside_hosts(plan, MADE) == ("ashburn", "press")


def test_a_bundle_has_no_key_that_its_host_made() -> None:
    """The interface's file names it by its generation, nothing refers to the state's, and every other key is brought."""
    plan = at(1, 2)
    shield = plan_custody(plan, MADE).as_told(plan.shields[0], "0")
    assert Ref("private", "falkenstein/fs1") in plan.shields[0].references()
    assert Ref("private", "falkenstein/fs1") not in shield.references()
    bundle = render_bundle(shield, placeholder(shield))
    files = {file.path: file.content for file in bundle.files}
    keys = sorted(path for path in files if path.startswith("/etc/farshore/keys/"))
    names = ("fs0-press.psk", "fs0.key", "fs1-press.psk", "fs1.own2.key")
    assert keys == [f"/etc/farshore/keys/{name}" for name in names]
    assert [file.path for file in bundle.files if file.made_there] == [keys[-1]]
    sent = json.loads(render_delivered(shield, placeholder(shield), sequence=1))["files"]
    assert [file for file in sent if file["content"] is None] == [
        {"path": keys[-1], "mode": "0600", "content": None, "secret": True}
    ]
    assert "PostUp = wg set %i private-key /etc/farshore/keys/fs1.own2.key\n" in files["/etc/wireguard/fs1.conf"]
    assert "PostUp = wg set %i private-key /etc/farshore/keys/fs0.key\n" in files["/etc/wireguard/fs0.conf"]


def test_another_server_has_none_of_the_keys_that_its_former_made() -> None:
    """It is born with the state's, of the generation in use alone, and is known by those."""
    plan = at(1, 2, active=2)
    custody, host = plan_custody(plan, MADE), plan.shields[0]
    assert custody.as_told(host, "77") == host
    assert custody.kept_by("falkenstein", "77") == ()
    born = custody.at_birth(host)
    assert [(one.name, one.own_key) for one in born.interfaces] == [("fs1", False)]
    assert Custody().at_birth(host) == host
    assert half_of(SHIELD2, "0", "0", HALF[7]) == HALF[1]
    assert half_of(SHIELD2, "0", "77", HALF[7]) == HALF[7]


def test_what_a_server_made_is_known_until_it_is_replaced() -> None:
    """The outputs have public halves alone; a host that was not told keeps what it knew."""
    plan = at(1, 2)
    now = told_to(plan, plan.origins[0], "digest", "birth")
    first = what_it_knows(None, "2", now, delivered=True, own_keys=(PRESS2,))
    assert first.own_keys == (PRESS2,)
    assert what_it_knows(first, "2", now, delivered=False).own_keys == (PRESS2,)
    assert what_it_knows(first, "3", now, delivered=True).own_keys == ()
    written = json.loads(json.dumps({"hosts": {"press": first.as_output()}}))
    assert read_standing(written).hosts == {"press": first}
    assert "own_keys" not in now.as_output()


@pytest.mark.parametrize(
    "text",
    [
        "", f"fs0 {HALF[0]}", f"fs1 {HALF[0]}\nfs2 {HALF[1]}", "fs1 short", f"fs1 {HALF[0]} more",
        f"fs1 {HALF[0]}]\nEndpoint = 192.0.2.1:1", f"fs1  {HALF[0]}",
    ],
)  # fmt: skip
def test_a_host_that_says_something_else_than_halves_is_not_believed(text: str) -> None:
    """What it says goes into the files of others; nothing of it is repeated."""
    assert read_halves(f"fs1 {HALF[0]}", "press", ("fs1",)) == {"fs1": HALF[0]}
    with pytest.raises(StackError, match="host press: another answer than public halves of keys") as refused:
        read_halves(text, "press", ("fs1",))
    assert HALF[0] not in str(refused.value)


def test_keys_are_asked_for_by_a_run_that_connects_to_their_hosts() -> None:
    """Else its peers would wait for a half that nobody says; the fault names the host."""
    custody = plan_custody(at(1, 2), stands(at(1)))
    assert tuple(judge_custody(custody, {"falkenstein", "press"})) == ()
    (fault,) = judge_custody(custody, {"falkenstein"})
    assert str(fault).startswith("farshore:custody: 'host', and this run asks nothing of press, allowed: ")


def test_a_preview_names_the_hosts_whose_newest_keys_came_from_the_state() -> None:
    """All of a new deployment, nobody after a rotation, a newcomer until the next one; nobody under `state`."""
    (line,) = tell_custody(at(1), Standing())
    assert line == (
        "farshore:custody: host, and falkenstein, press have their keys of generation 1 from the state; "
        "`farshore rotate` has new ones made there (docs/custody.md)"
    )
    assert tuple(tell_custody(at(1), stands(at(1)))) == (line,)
    assert tuple(tell_custody(at(1, 2), stands(at(1)))) == ()
    assert tuple(tell_custody(at(2), MADE)) == ()
    assert tuple(tell_custody(at(1, custody="state"), stands(at(1)))) == ()
    partly = Standing(hosts={**MADE.hosts, "press": replace(MADE.hosts["press"], own_keys=())})
    (line,) = tell_custody(at(2), partly)
    assert "and press has its key of generation 2" in line


def test_a_shield_that_its_origins_would_not_know_again_is_told_from_one_that_they_would() -> None:
    """While the key in use is its own; an origin is dialled by nobody, and a key of the state comes back."""
    assert stranded_without(at(2), MADE, "falkenstein") == ("press",)
    assert stranded_without(at(1, 2, active=2), MADE, "falkenstein") == ("press",)
    assert stranded_without(at(1, 2), MADE, "falkenstein") == ()
    assert stranded_without(at(2), MADE, "press") == ()
    assert stranded_without(at(2), stands(at(2)), "falkenstein") == ()

"""What Pulumi is asked for while keys rotate: which keys are made, which stay, which go, and what no step replaces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components import Deployment
from plan import StackError, check, make_plan
from plan.rotation import ONE_AT_A_TIME
from plan.standing import Standing, told_to
from tests.components.recording import Recorder, record, run, unwrap
from tests.components.test_delivery import COMMAND, SHIELD, program, stash
from tests.stacks import changed, loaded

STASH = "pulumi:index:Stash"
SERVER = "hcloud:index/server:Server"


def asked(kind: str, *generations: int, active: int | None = None) -> set[str]:
    """Return the names of what is asked for of one kind, with these generations."""
    values: dict[str, Any] = {"generations": list(generations)} | ({} if active is None else {"active": active})
    recorder = record(program(None, **values))
    return {name for token, name in recorder.asked if token == kind}


def test_a_generation_has_keys_of_its_own_which_come_and_go_with_it() -> None:
    """WireGuard's, the preshared ones and delivery's; a key that stays keeps its name, and with it its value."""
    alone, staged, switched, pruned = (
        asked(STASH, 1), asked(STASH, 1, 2), asked(STASH, 1, 2, active=2), asked(STASH, 2),
    )  # fmt: skip
    new = {
        "farshore-keys-falkenstein-g2-fs1",
        "farshore-keys-press-g2-fs0g1",
        "farshore-keys-falkenstein-press-g2-psk",
        "farshore-keys-falkenstein-g2-delivery",
        "farshore-keys-press-g2-delivery",
    }
    assert staged - alone == new
    assert alone <= staged == switched
    assert staged - pruned == {
        "farshore-keys-falkenstein-g1-fs0",
        "farshore-keys-press-g1-fs0g0",
        "farshore-keys-falkenstein-press-g1-psk",
        "farshore-keys-falkenstein-delivery",
        "farshore-keys-press-delivery",
    }
    assert alone - staged == pruned - staged == set()


@pytest.mark.parametrize(
    ("standing", "active", "used", "admitted"),
    [
        ((1, 2), 1, "falkenstein-delivery", ("falkenstein-delivery", "falkenstein-g2-delivery")),
        ((1, 2), 2, "falkenstein-g2-delivery", ("falkenstein-delivery", "falkenstein-g2-delivery")),
        ((2,), 2, "falkenstein-g2-delivery", ("falkenstein-g2-delivery",)),
    ],
)
def test_a_host_is_told_by_the_active_key_and_admits_all_that_stand(
    standing: tuple[int, ...], active: int, used: str, admitted: tuple[str, ...]
) -> None:
    """A key is admitted a step before it is used, and a step longer than it was; the old one goes with its generation."""
    recorder = record(program(None, generations=list(standing), active=active))
    asked = recorder.asked[COMMAND, f"{SHIELD}-apply"]
    assert unwrap(asked["connection"])["privateKey"] == stash(recorder, used)["private"]
    (keys,) = (
        file["content"]
        for file in json.loads(unwrap(asked["stdin"]))["files"]
        if file["path"] == "/etc/farshore/root-keys"
    )
    public = [stash(recorder, name)["public"] for name in admitted]
    assert [line.partition('farshore-host ssh" ')[2] for line in keys.splitlines()[1:]] == [
        f"{key} delivery" for key in public
    ]


def test_no_step_asks_for_another_server() -> None:
    """Each by the same name, and only keys, firewalls and what hosts are told differ."""
    names = [asked(SERVER, *one) for one in ((1,), (1, 2), (2,))]
    assert names[0] == names[1] == names[2]
    assert len(names[0]) == 2


def test_two_steps_at_once_are_refused_before_any_resource() -> None:
    """The stack file is a step too far from what running hosts were told."""
    stack, secrets = loaded(changed(generations=[2]))
    plan, before = make_plan(stack), make_plan(loaded()[0])
    standing = Standing(hosts={host.name: told_to(before, host, "then", "then") for host in before.hosts})
    recorder = Recorder()

    def build() -> None:
        Deployment("farshore", plan=plan, findings=check(plan), secrets=secrets, standing=standing)

    with pytest.raises(StackError) as refused:
        run(recorder, build)
    assert ONE_AT_A_TIME in str(refused.value)
    assert recorder.asked == {}

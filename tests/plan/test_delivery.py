"""Who is told a change while it runs, by which way and in which order; and what the checker says of a wider way."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import pytest

from cloud_init import placeholder, render_delivered
from cloud_init.sshd import render_root_keys
from plan import check
from plan.delivery import _in_turn, plan_rollout, who_can_be_told
from plan.model.delivery import Step, Way
from plan.standing import Standing, told_to
from tests.stacks import changed, planned

if TYPE_CHECKING:
    from plan import Plan

NETS = ["198.51.100.0/24"]
SECOND = {"slot": 1, "account": "edge", "location": "nbg1", "ssh": NETS}
PRESS = IPv4Address("10.0.0.2")


def open_stack(**values: Any) -> dict[str, Any]:
    """Return the smallest stack with a shield that delivery reaches, and one thing changed."""
    return changed(**{"shields__falkenstein__ssh": NETS, **values})


def two(*shields: str, **values: Any) -> dict[str, Any]:
    """Return a stack with two such shields, and the only origin behind those that are named."""
    return open_stack(shields__ashburn=SECOND, origins__press__shields=list(shields), **values)


def standing(plan: Plan) -> Standing:
    """Return what a deployment of a plan leaves behind."""
    return Standing(hosts={host.name: told_to(plan, host, "digest", "birth") for host in plan.hosts})


def turns(before: dict[str, Any] | None, after: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return who is told, in turn, and through whom, when one stack file becomes another."""
    stands = Standing() if before is None else standing(planned(before))
    return [(step.host, step.through) for step in plan_rollout(planned(after), stands)]


@pytest.mark.parametrize(
    ("values", "shield", "origin"),
    [
        ({}, Way(family="ipv4", shields=(), opens=(PRESS,)), Way(family="ipv4", shields=("falkenstein",), opens=())),
        (
            {"shields__falkenstein__ssh": ["2001:db8:1::/48"]},
            Way(family="ipv6", shields=(), opens=(PRESS,)),
            Way(family="ipv6", shields=("falkenstein",), opens=()),
        ),
        ({"origins__press__ssh": "off"}, Way(family="ipv4", shields=(), opens=()), None),
        ({"shields__falkenstein__ssh": "tunnel"}, None, None),
        ({"shields__falkenstein__ssh": "off"}, None, None),
        ({"shields__falkenstein__ssh": NETS, "shields__falkenstein__families": ["ipv6"]}, None, None),
    ],
)
def test_a_way_leads_from_named_networks_to_a_shield_and_through_it(
    values: dict[str, Any], shield: Way | None, origin: Way | None
) -> None:
    """An origin is reached through shields that can be reached, and where nothing leads in, there is no way."""
    plan = planned(open_stack(**values))
    assert plan.shields[0].way == shield
    assert plan.origins[0].way == origin
    assert check(plan) == ()


def test_what_cant_be_told_is_named_once_with_what_is_behind_it() -> None:
    """A closed shield takes with it whoever is reached through no other."""
    of_falkenstein = "farshore:shields.falkenstein.ssh: "
    only = "; this host changes by replacement only"
    assert not [line for line in planned(open_stack()).warnings if ".ssh:" in line]
    for ssh, why in (
        ("off", "SSH answers nowhere"),
        ("tunnel", "SSH answers inside the tunnel only, and delivery comes from outside"),
    ):
        laptop = {"slot": 200, "public_key": "x" * 42 + "w=", "reach": ["falkenstein/ssh"]}
        values = {"operators__laptop": laptop} if ssh == "tunnel" else {}
        plan = planned(changed(shields__falkenstein__ssh=ssh, **values))
        assert of_falkenstein + why + only + ", and so does press behind it" in plan.warnings
    both = planned(two("falkenstein", "ashburn", shields__falkenstein__ssh="off"))
    assert of_falkenstein + "SSH answers nowhere" + only in both.warnings


def test_a_key_opens_the_ssh_of_origins_behind_a_shield_and_nothing_else() -> None:
    """At the shield one program and one forward; at the origin one program; the operator's own key is free."""
    glass = {
        "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f",
        "sources": NETS,
    }
    plan = planned(open_stack(break_glass=glass))
    shield, origin = plan.shields[0], plan.origins[0]
    program = 'command="/usr/local/sbin/farshore-host ssh"'
    head, key, own = render_root_keys(shield, placeholder(shield)).splitlines()
    assert head.startswith("# Farshore's own file.")
    assert key.startswith(f'restrict,port-forwarding,permitopen="10.0.0.2:22",{program} ssh-ed25519 ')
    assert own == glass["public_key"]
    assert render_root_keys(origin, placeholder(origin)).splitlines()[1].startswith(f"restrict,{program} ssh-ed25519 ")
    closed = planned().origins[0]
    assert render_root_keys(closed, placeholder(closed)) == head + "\n"


def test_all_are_told_shields_first_where_nothing_stands() -> None:
    """Hosts that are born are waited for in the order of the plan, an origin through its first shield."""
    assert turns(None, two("ashburn", "falkenstein")) == [
        ("falkenstein", None),
        ("ashburn", None),
        ("press", "falkenstein"),
    ]


def test_a_tunnel_that_comes_is_told_to_the_side_that_answers_first() -> None:
    """The new shield before the origin that dials it, and the origin through the one that it has."""
    found = turns(two("falkenstein"), two("ashburn", "falkenstein"))
    assert found.index(("ashburn", None)) < found.index(("press", "falkenstein"))


def test_a_tunnel_that_goes_is_taken_from_the_side_that_dials_first() -> None:
    """The origin first, through the shield that stays; then the one that it leaves."""
    found = turns(two("ashburn", "falkenstein"), two("ashburn"))
    assert found.index(("press", "ashburn")) < found.index(("falkenstein", None))


def test_an_origin_accepts_what_is_new_before_its_shields_send_it() -> None:
    """A new service is let in before any edge names it; without one, shields have their turn first."""
    service = {"origins__press__services__extra": {"port": 9000}}
    assert turns(open_stack(), open_stack(**service)) == [("press", "falkenstein"), ("falkenstein", None)]
    assert turns(open_stack(), open_stack()) == [("falkenstein", None), ("press", "falkenstein")]


def test_a_new_origin_has_its_turn_after_the_shield_that_lets_it_through() -> None:
    """Even where that shield has to wait for another origin, which accepts something new."""
    drop = {"slot": 3, "account": "vault", "location": "hel1", "shields": ["falkenstein"]}
    comes = open_stack(origins__press__slot=4, origins__press__services__extra={"port": 9000}, origins__drop=drop)
    found = turns(open_stack(origins__press__slot=4), comes)
    assert found == [("press", "falkenstein"), ("falkenstein", None), ("drop", "falkenstein")]


def test_whoever_can_have_no_order_is_told_all_the_same() -> None:
    """Two origins that swap their shields: each would wait for the other, so the first begins."""
    drop = {"slot": 3, "account": "vault", "location": "hel1"}
    before = two("falkenstein", origins__drop={**drop, "shields": ["ashburn"]})
    after = two("falkenstein", "ashburn", origins__drop={**drop, "shields": ["ashburn", "falkenstein"]})
    assert {host for host, _ in turns(before, after)} == {"falkenstein", "ashburn", "press", "drop"}
    assert len(turns(after, before)) == 4


def test_an_origin_that_keeps_no_shield_waits_for_its_replacement() -> None:
    """There is no tunnel by which it could be told and then confirm: add the new shield first, then take the old away."""
    assert "press" not in dict(turns(two("falkenstein"), two("ashburn")))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (changed(), open_stack(), set()),
        (open_stack(), open_stack(shields__falkenstein__slot=4), set()),
        (open_stack(), open_stack(origins__press__slot=9), {"falkenstein"}),
        (open_stack(), open_stack(network="10.9.0.0/16"), set()),
        (open_stack(), open_stack(origins__press__ssh="off"), {"falkenstein"}),
        (open_stack(), changed(), set()),
    ],
)
def test_a_running_host_is_told_where_it_was_told_to_listen(
    before: dict[str, Any], after: dict[str, Any], told: set[str]
) -> None:
    """Who never let delivery in, or changes its address inside, is replaced; so is what is reached through it."""
    assert {host for host, _ in turns(before, after)} == told


def _with(plan: Plan, **ways: Way) -> Plan:
    def other(host: Any) -> Any:
        return replace(host, way=ways[host.name]) if host.name in ways else host

    return replace(plan, shields=tuple(map(other, plan.shields)), origins=tuple(map(other, plan.origins)))


@pytest.mark.parametrize(
    ("ways", "finding"),
    [
        ({"press": Way(family="ipv4", shields=(), opens=())}, "press: delivery reaches an origin from outside"),
        (
            {"press": Way(family="ipv4", shields=("falkenstein",), opens=(PRESS,))},
            "press: delivery passes on from an origin",
        ),
        (
            {"press": Way(family="ipv4", shields=("ashburn",), opens=())},
            "press: delivery passes through a host that it has no tunnel to",
        ),
        (
            {"falkenstein": Way(family="ipv4", shields=(), opens=())},
            "press: falkenstein does not let delivery pass to it",
        ),
        (
            {"falkenstein": Way(family="ipv6", shields=(), opens=(PRESS,))},
            "falkenstein: delivery comes from where its SSH does not answer",
        ),
        (
            {"falkenstein": Way(family="ipv4", shields=("falkenstein",), opens=(PRESS,))},
            "falkenstein: delivery reaches a shield through another",
        ),
        (
            {"falkenstein": Way(family="ipv4", shields=(), opens=(PRESS, IPv4Address("10.0.0.9")))},
            "falkenstein: delivery may pass on to 10.0.0.9, which is not reached through it",
        ),
    ],
)
def test_the_checker_finds_a_way_that_is_wider_than_it_need_be(ways: dict[str, Way], finding: str) -> None:
    """Each way that the planner never makes is named; the plan as it was made has none."""
    plan = planned(open_stack(shields__ashburn=SECOND))
    assert check(plan) == ()
    assert finding in check(_with(plan, **ways))


def test_an_origin_that_lets_nobody_in_is_found() -> None:
    """A way without the flow that it needs ends at a closed door."""
    plan = planned(open_stack(origins__press__ssh="off"))
    way = Way(family="ipv4", shields=("falkenstein",), opens=())
    assert "press: its SSH does not answer falkenstein" in check(_with(plan, press=way))


def test_a_host_that_nobody_could_ask_for_its_keys_is_found() -> None:
    """Where hosts make them; where the state has them, such a host is one that changes by replacement."""
    plan = planned(open_stack(origins__press__ssh="off"))
    assert check(plan) == ()
    found = check(replace(plan, custody="host"))
    assert found == ("press: it is to make its keys, and delivery does not reach it to ask for them",)


def test_a_step_says_which_way() -> None:
    """Whoever carries a step out has nothing left to choose."""
    assert plan_rollout(planned(open_stack()), Standing())[1] == Step(host="press", through="falkenstein")


def told(config: dict[str, Any]) -> dict[str, str]:
    """Return what each host is sent, by its name."""
    return {host.name: render_delivered(host, placeholder(host), sequence=1) for host in planned(config).hosts}


DROP = {"slot": 3, "account": "vault", "location": "hel1", "shields": ["falkenstein"]}


@pytest.mark.parametrize(
    ("values", "concerned"),
    [
        ({}, set()),
        ({"origins__press__description": "the newsroom"}, {"falkenstein"}),  # a comment beside its peer
        ({"origins__drop": DROP}, {"falkenstein", "drop"}),
        ({"shields__ashburn": SECOND}, {"ashburn"}),
        ({"origins__press__egress": "open"}, {"press"}),
        ({"operators__laptop": {"slot": 200, "public_key": "x" * 42 + "w="}}, {"falkenstein"}),
        ({"domains__extra.example.com": {"origin": "press", "service": "web"}}, {"falkenstein"}),
        ({"shields__falkenstein__wireguard": {"mtu_bytes": 1300}}, {"falkenstein", "press"}),
        ({"addresses": "release", "policy": {"separate": ["country"]}}, set()),
    ],
)
def test_a_change_concerns_whose_bundle_it_changes(values: dict[str, Any], concerned: set[str]) -> None:
    """A host that is sent the same again has no operation: an origin more concerns its own shield alone."""
    before, after = told(open_stack()), told(open_stack(**values))
    assert {name for name in after if after[name] != before.get(name)} == concerned


def test_turns_keep_each_pair_and_cut_a_circle_once() -> None:
    """A thousand origins before their shield; of two that wait for each other the first begins, after whom it waits for."""
    names = ["shield", *(f"origin{number}" for number in range(1000))]
    assert _in_turn(names, {(name, "shield") for name in names[1:]}) == [*names[1:], "shield"]
    assert _in_turn(names, set()) == names
    assert _in_turn(["a", "b", "c"], {("a", "b"), ("b", "a"), ("c", "a")}) == ["c", "a", "b"]


def test_a_stack_file_may_say_that_nobody_is_told() -> None:
    """Then there is no turn, at birth and later; who could be told stays as it is, and so does what hosts let in."""
    plan = planned(open_stack(delivery="none"))
    assert plan_rollout(plan, Standing()) == () == plan_rollout(plan, standing(plan))
    assert [step.host for step in who_can_be_told(plan, standing(plan))] == ["falkenstein", "press"]
    assert [host.way for host in plan.hosts] == [host.way for host in planned(open_stack()).hosts]
    assert list(check(plan)) == []


def test_every_preview_warns_that_nobody_is_told() -> None:
    """Once for the deployment; a stack in which nobody could be told anything has no such warning."""
    words = "farshore:delivery: none; no running host is told a change, each stays what it is until this is ssh again"
    assert words in planned(open_stack(delivery="none")).warnings
    assert words not in planned(open_stack(delivery="ssh")).warnings
    assert words not in planned(changed(delivery="none")).warnings

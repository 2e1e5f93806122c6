"""Two sets of keys stand side by side: every tunnel twice, one of them in use, and a way from each step to the next.

```text
                 fs0  51820 ── generation 1, 3, …
   falkenstein ═                                    ═ press     routes lead into the active one, and stand behind
                 fs1  51821 ── generation 2, 4, …               it into the other
```
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from plan import check
from plan.changes import tell_changes
from plan.delivery import plan_rollout
from plan.explain import explain
from plan.model.refs import Ref
from plan.rotation import ONE_AT_A_TIME, judge_step
from plan.standing import Standing, addresses_of, read_standing, told_to, what_it_knows
from tests.plan.test_topologies import key, whole
from tests.stacks import changed, planned

if TYPE_CHECKING:
    from collections.abc import Callable

    from plan.model import Host, Plan
    from plan.model.wireguard import Interface, Route


def generations(*standing: int, active: int | None = None, **more: Any) -> Plan:
    """Return the smallest deployment with these generations."""
    return planned(changed(generations=list(standing), **({} if active is None else {"active": active}), **more))


def ways(host: Host) -> dict[str, tuple[str, ...]]:
    """Return the interfaces that lead to each IPv4 address: the one in use, then the one behind it."""
    found: dict[str, list[tuple[bool, str]]] = {}
    for interface in host.interfaces:
        for route in interface.routes:
            if route.destination.version == 4:
                found.setdefault(str(route.destination), []).append((route.behind, interface.name))
    return {to: tuple(name for _, name in sorted(leading)) for to, leading in found.items()}


def test_one_generation_is_what_a_stack_file_has_that_says_nothing() -> None:
    """Written out, it is the same plan; the second one is another."""
    assert generations(1, active=1) == planned()
    assert generations(2) != planned()


def test_each_tunnel_stands_twice_with_nothing_but_its_addresses_in_common() -> None:
    """Own interface, key, port and preshared key; the same addresses inside, and the same peers."""
    plan = generations(1, 2)
    for host, names in zip(plan.hosts, (("fs0", "fs1"), ("fs0g0", "fs0g1")), strict=True):
        old, new = host.interfaces
        assert (old.name, new.name) == names
        assert (old.listen_port, new.listen_port) == (51820, 51821)
        assert old.private_key != new.private_key
        assert old.peers[0].public_key != new.peers[0].public_key
        assert old.peers[0].preshared_key != new.peers[0].preshared_key
        assert old.addresses == new.addresses
        assert old.peers[0].allowed_ips == new.peers[0].allowed_ips
        assert host.firewall.wireguard_ports == (51820, 51821)
        assert {rule.port for rule in host.cloud_rules if rule.protocol == "udp"} == {51820, 51821}
    assert [str(tunnel.psk) for tunnel in plan.tunnels] == ["psk:falkenstein/press/1", "psk:falkenstein/press/2"]
    assert check(plan) == ()


def test_every_preview_says_that_two_generations_stand() -> None:
    """Until the older one is gone; of one nothing is said."""
    line = (
        "farshore:generations: [1, 2] stand side by side, and the keys of both are admitted; "
        "go on with `farshore rotate` (docs/rotation.md)"
    )
    assert line in generations(1, 2).warnings
    assert not [one for one in generations(2).warnings if "generations" in one]


def test_who_reaches_a_host_is_told_once_for_both_generations() -> None:
    """With both ports."""
    told = [one.text for one in explain(generations(1, 2), "press") if "its tunnel" in one.text]
    assert told == ["falkenstein on udp 51820, 51821 (its tunnel)"]


def test_an_origin_dials_each_generation_at_its_own_port() -> None:
    """The port that the shield listens on with those keys."""
    origin = generations(1, 2).origins[0]
    endpoints = [one.peers[0].endpoint for one in origin.interfaces]
    assert [(one.address, one.port) for one in endpoints if one] == [
        (Ref("ipv4", "falkenstein"), 51820),
        (Ref("ipv4", "falkenstein"), 51821),
    ]


def test_behind_a_port_forward_the_second_generation_has_the_next_port() -> None:
    """The stack file names the first of two in a row."""
    forwarded = {"endpoint": {"host": "192.0.2.9", "port": 4000}}
    origin = generations(1, 2, shields__falkenstein__wireguard=forwarded).origins[0]
    assert [one.peers[0].endpoint.port for one in origin.interfaces if one.peers[0].endpoint] == [4000, 4001]


@pytest.mark.parametrize(("active", "order"), [(None, (0, 1)), (1, (0, 1)), (2, (1, 0))])
def test_traffic_goes_by_the_active_generation_at_both_ends(active: int | None, order: tuple[int, int]) -> None:
    """Left out, it is the older one; the other one's route stands behind it."""
    shield, origin = generations(1, 2, active=active).hosts
    assert ways(shield) == {"10.0.0.2/32": tuple(f"fs{number}" for number in order)}
    assert ways(origin) == {"10.0.0.1/32": tuple(f"fs0g{number}" for number in order)}


def test_generations_take_turns_at_the_two_names() -> None:
    """The third has the first one's interface and port again, and keys of its own."""
    first, third = generations(1), generations(3)
    assert [one.name for one in third.shields[0].interfaces] == ["fs0"]
    second_and_third = generations(2, 3, active=2)
    assert ways(second_and_third.shields[0]) == {"10.0.0.2/32": ("fs1", "fs0")}
    assert {one.psk for one in first.tunnels} & {one.psk for one in third.tunnels} == set()


def test_a_step_of_a_rotation_changes_nothing_of_the_other_generation() -> None:
    """What hosts know of the old interface stays as it is but for its routes, and its keys are the same ones."""

    def without_routes(host: Host, name: str) -> Interface:
        return replace(next(one for one in host.interfaces if one.name == name), routes=())

    alone, staged, switched, pruned = (
        generations(1), generations(1, 2), generations(1, 2, active=2), generations(2),
    )  # fmt: skip
    assert alone.shields[0].interfaces[0] == staged.shields[0].interfaces[0]
    for role in (0, 1):
        for name in (one.name for one in staged.hosts[role].interfaces):
            assert without_routes(staged.hosts[role], name) == without_routes(switched.hosts[role], name)
        assert switched.hosts[role].interfaces[1] == pruned.hosts[role].interfaces[0]


def test_a_device_hangs_on_the_older_generation_until_it_is_moved() -> None:
    """Its one tunnel stays as it is while hosts switch, and follows where its entry says so or nothing else stands."""

    def dialled(plan: Plan) -> tuple[list[str], int, Ref | str]:
        at = [one.name for one in plan.shields[0].interfaces for peer in one.peers if peer.name == "laptop"]
        peer = plan.devices[0].tunnels[0].peer
        assert peer.endpoint
        return at, peer.endpoint.port, peer.public_key

    laptop = {"slot": 200, "public_key": key(2), "reach": ["press/web"]}
    old = (["fs0"], 51820, Ref("public", "falkenstein/fs0"))
    new = (["fs1"], 51821, Ref("public", "falkenstein/fs1"))
    for standing, active, own, expected in (
        ((1,), None, {}, old), ((1, 2), 1, {}, old), ((1, 2), 2, {}, old), ((1, 2), 1, {"generation": 2}, new),
        ((1, 2), 2, {"generation": 2}, new), ((2,), None, {}, new), ((2,), None, {"generation": 2}, new),
    ):  # fmt: skip
        plan = generations(*standing, active=active, operators={"laptop": {**laptop, **own}})
        assert dialled(plan) == expected
        assert ways(plan.shields[0])["10.0.0.200/32"] == tuple(expected[0])
        assert check(plan) == ()


@pytest.mark.parametrize(("standing", "active"), [([1, 2], 1), ([1, 2], 2), ([2, 3], 3), ([8], 8)])
def test_everything_together_is_sound_in_every_step(standing: list[int], active: int) -> None:
    """Meshes, LANs, gateways and devices: the checker finds nothing, and the drawing has each tunnel once."""
    plan = planned({**whole(), "generations": standing, "active": active})
    assert check(plan) == ()
    assert len(plan.tunnels) == len(standing) * len(planned(whole()).tunnels)
    mesh = [one for one in plan.origins[1].interfaces if one.name.startswith("fm")]
    assert [one.name for one in mesh] == [f"fm0g{(number - 1) % 2}" for number in standing]


def _routes(interface: int, change: Callable[[Route], Route]) -> Callable[[Host], Host]:
    def of(host: Host) -> Host:
        told = list(host.interfaces)
        told[interface] = replace(told[interface], routes=tuple(map(change, told[interface].routes)))
        return replace(host, interfaces=tuple(told))

    return of


def _origin(change: Callable[[Host], Host]) -> Plan:
    plan = generations(1, 2)
    return replace(plan, origins=(change(plan.origins[0]),))


def _same_key(host: Host) -> Host:
    old, new = host.interfaces
    return replace(host, interfaces=(old, replace(new, private_key=old.private_key)))


@pytest.mark.parametrize(
    ("broken", "finding"),
    [
        (replace(generations(1, 2), active=3), "generations (1, 2) with 3 active"),
        (replace(generations(1, 2), tunnels=generations(1).tunnels), "falkenstein-press: its tunnels are of generations [1]"),
        (_origin(_same_key), "private:press/fs0g0: 2 interfaces or tunnels have it"),
        (
            _origin(_routes(0, lambda route: replace(route, behind=True))),
            "press/fs0g0: 10.0.0.1/32 goes by another generation than 1",
        ),
        (
            _origin(_routes(1, lambda route: replace(route, behind=False))),
            "press: 10.0.0.1/32 goes into fs0g0 and fs0g1",
        ),
        (
            _origin(lambda host: replace(host, interfaces=(replace(host.interfaces[0], routes=()), host.interfaces[1]))),
            "press/fs0g1: the route to 10.0.0.1/32 stands behind none",
        ),
        (
            replace(generations(1, 2), generations=(2,), active=2),
            "press/fs0g0: of generation 1, which does not stand",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_checker_finds_generations_that_do_not_fit(broken: Plan, finding: str) -> None:
    """Each property is broken in a finished plan, by hand, and found."""
    assert finding in check(broken)


def standing(plan: Plan, *, without: str = "") -> Standing:
    """Return what a run of this plan leaves, as its outputs say it; one host may be there for the first time."""
    told = {
        host.name: replace(told_to(plan, host, repr(host), "birth"), server="1")
        for host in plan.hosts
        if host.name != without
    }
    return read_standing(
        {
            "hosts": {name: one.as_output() for name, one in told.items()},
            "devices": {device.name: addresses_of(device) for device in plan.devices},
            "dials": {device.name: device.generation for device in plan.devices},
        }
    )


STEPS = [((1,), None), ((1, 2), 1), ((1, 2), 2), ((2,), None), ((2, 3), 2)]


@pytest.mark.parametrize("at", range(len(STEPS) - 1))
def test_each_step_leads_to_the_next_and_back(at: int) -> None:
    """Stage, switch, prune, stage again: whichever host is told first, and whether it goes forth or back."""
    one, other = (generations(*standing_, active=active) for standing_, active in STEPS[at : at + 2])
    assert list(judge_step(other, standing(one))) == []
    assert list(judge_step(one, standing(other))) == []
    assert list(judge_step(one, standing(one))) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (
            ((1,), None), ((1, 2), 2),
            ("farshore:active: 2, whose keys falkenstein, press have not been told, allowed: a generation that every "
            f"running host has: 1; {ONE_AT_A_TIME}"),
        ),
        (
            ((1, 2), 1), ((2,), None),
            ("farshore:generations: [2] without 1, by which falkenstein, press send, allowed: with 1 while it is active "
            f"anywhere; {ONE_AT_A_TIME}"),
        ),
        (
            ((1,), None), ((2,), None),
            ("farshore:active: 2, whose keys falkenstein, press have not been told, allowed: a generation that every "
            f"running host has: 1; {ONE_AT_A_TIME}"),
        ),
    ],
)  # fmt: skip
def test_two_steps_at_once_are_refused(before: Any, after: Any, fault: str) -> None:
    """Hosts that are told later would send by keys that the others have not, or no longer."""
    plans = [generations(*numbers, active=active) for numbers, active in (before, after)]
    assert [str(one) for one in judge_step(plans[1], standing(plans[0]))] == [fault]


def test_a_host_that_was_not_told_keeps_the_others_from_going_on() -> None:
    """One that could not be reached when the new keys came; a host without a server is born with them."""
    before, staged, switched = generations(1), generations(1, 2), generations(1, 2, active=2)
    behind = standing(staged)
    behind = Standing(hosts={**behind.hosts, "press": standing(before).hosts["press"]})
    (fault,) = judge_step(switched, behind)
    assert "whose keys press has not been told" in str(fault)
    assert list(judge_step(switched, standing(staged, without="press"))) == []


def test_outputs_of_a_version_that_could_not_rotate_are_the_first_generation() -> None:
    """What they do not say is what every host has."""
    said = standing(generations(1)).hosts["press"].as_output()
    del said["generations"], said["active"]
    (told,) = read_standing({"hosts": {"press": said}}).hosts.values()
    assert (told.generations, told.active) == ((1,), 1)


def test_a_host_that_this_run_did_not_tell_has_the_keys_that_it_had() -> None:
    """A new server has today's; one that was told has them too; another keeps what it was born with."""
    plan = generations(1, 2, active=2)
    before, now = standing(generations(1)).hosts["press"], told_to(plan, plan.origins[0], "now", "birth")
    assert what_it_knows(before, "1", now, delivered=False).generations == (1,)
    assert what_it_knows(before, "1", now, delivered=True).generations == (1, 2)
    assert what_it_knows(before, "2", now, delivered=False).active == 2


def said(before: Plan, after: Plan) -> list[str]:
    """Return what a preview says of a step."""
    stands = standing(before)
    now = {host.name: told_to(after, host, repr(host), "birth") for host in after.hosts}
    return list(tell_changes(after, stands, now, {}, {step.host for step in plan_rollout(after, stands)}))


def test_a_preview_says_what_each_step_does() -> None:
    """Keys that come, traffic that moves, keys that go; and what a device needs then."""
    reached = {"shields__falkenstein__ssh": ["198.51.100.0/24"]}
    laptop = {"laptop": {"slot": 200, "public_key": key(2), "reach": ["press/web"]}}
    plans = [generations(*numbers, active=active, operators=laptop, **reached) for numbers, active in STEPS[:4]]
    told = "falkenstein, press: told over SSH by this `pulumi up`, one after the other, while they run; no server is replaced"
    assert said(plans[0], plans[1]) == [
        "farshore:generations: [1] to [1, 2]; tunnels of generation 2 come beside the others",
        told,
    ]
    assert said(plans[1], plans[2]) == ["farshore:active: 1 to 2; traffic moves there by route, host by host", told]
    assert said(plans[2], plans[3]) == [
        "farshore:generations: [1, 2] to [2]; the keys and interfaces of generation 1 go for good",
        (
            "farshore:operators.laptop: its shields' keys and ports are those of generation 2; give it its new files "
            "(pulumi stack output devices)"
        ),
        told,
    ]
    assert said(plans[0], plans[0]) == []

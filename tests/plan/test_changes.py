"""What a plan changes in a deployment that stands: the words, and when there are none."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from plan.changes import tell_changes
from plan.delivery import plan_rollout
from plan.kept import find_kept
from plan.moves import find_moves
from plan.standing import Standing, Told, addresses_of, read_standing, told_to, what_it_knows
from tests.stacks import SETUP, SMALLEST, changed, planned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plan import Plan

DOMAINS = "secure.example.com, www.example.com"
PUBLISH = f"visitors of {DOMAINS} are to come to ashburn"
NOW = f"visitors of {DOMAINS}: no answer from this `pulumi up` on until all of these are replaced, for the provider's firewall follows at once"
MEANWHILE = f"visitors of {DOMAINS}: no answer from the first of these replacements until the last"
TOLD = "{}: told over SSH by this `pulumi up`, one after the other, while they run; no server is replaced"
OPEN = {"shields__falkenstein__ssh": ["198.51.100.0/24"]}
OPEN2 = {"shields__ashburn__ssh": ["198.51.100.0/24"]}
DEVICE = {"slot": 200, "public_key": "x" * 42 + "w=", "reach": ["press/web"]}


def two(*shields: str, **values: Any) -> dict[str, Any]:
    """Return a stack file with a second shield, and the only origin behind those that are named."""
    second = {"slot": 1, "account": "edge", "location": "nbg1"}
    return changed(shields__ashburn=second, origins__press__shields=list(shields), **values)


def replace(*names: str) -> str:
    """Return the line that tells who has to be replaced."""
    command = " ".join(f"--replace '**::{name}-server'" for name in names)
    return (
        f"{', '.join(names)}: what they were told is not what this plan says, and delivery does not reach them as they "
        f"run; replace them together: pulumi up {command}; what is on their disks goes with them"
    )


def now(plan: Plan) -> dict[str, Told]:
    """Return what each host is told, with a digest that differs where anything in its plan does."""
    return {
        host.name: told_to(plan, host, hashlib.sha256(repr(host).encode()).hexdigest(), f"setup {host.setup}")
        for host in plan.hosts
    }


def standing(config: Mapping[str, Any], files: dict[str, str | None] | None = None) -> Standing:
    """Return what a deployment of this stack file leaves behind, through the JSON of the outputs and back."""
    plan = planned(dict(config), files)
    left = {
        "hosts": {
            name: what_it_knows(None, "42", told, delivered=False).as_output() for name, told in now(plan).items()
        },
        "devices": {device.name: addresses_of(device) for device in plan.devices},
    }
    return read_standing(json.loads(json.dumps(left)))


def words(before: Mapping[str, Any], after: Mapping[str, Any], files: dict[str, str | None] | None = None) -> list[str]:
    """Return what is said when one stack file becomes another."""
    plan, stands = planned(dict(after), files), standing(before)
    servers = {host.name: f"{host.name}-server" for host in plan.hosts}
    reached = {step.host for step in plan_rollout(plan, stands)}
    return list(tell_changes(plan, stands, now(plan), servers, reached))


def test_nothing_is_said_of_a_plan_that_stands() -> None:
    """The same stack file again, and one that was never deployed, have no words."""
    assert words(SMALLEST, SMALLEST) == []
    plan = planned()
    assert tell_changes(plan, Standing(), now(plan), {}, ()) == ()


def test_another_slot_of_an_origin_is_another_address_inside() -> None:
    """The words name the key, both numbers, both addresses, who has to be replaced, and what visitors notice."""
    assert words(SMALLEST, changed(origins__press__slot=3)) == [
        (
            "farshore:origins.press.slot: 2 to 3; its address inside changes from 10.0.0.2 to 10.0.0.3, and from "
            "fda1:553b:6464::2 to fda1:553b:6464::3"
        ),
        (
            f"farshore:origins.press.slot: an edge of somebody else's has to be told the new address for {DOMAINS} "
            "(pulumi stack output origins)"
        ),
        replace("falkenstein", "press"),
        MEANWHILE,
    ]


def test_another_slot_of_a_shield_is_another_address_inside() -> None:
    """No edge has to be told anything: an origin's address stays."""
    assert words(SMALLEST, changed(shields__falkenstein__slot=4)) == [
        (
            "farshore:shields.falkenstein.slot: 0 to 4; its address inside changes from 10.0.0.1 to 10.0.4.1, and from "
            "fda1:553b:6464::1 to fda1:553b:6464:4::1"
        ),
        replace("falkenstein", "press"),
        MEANWHILE,
    ]


def test_a_changed_rule_is_told_by_who_has_to_be_replaced_alone() -> None:
    """What is no number, network or shield moves no address, and puts no tunnel out of step."""
    told = words(SMALLEST, changed(origins__press__egress="open"))
    assert told == [replace("press")]


def test_a_network_that_grows_moves_nobody() -> None:
    """Addresses are counted from its beginning, so visitors notice nothing but the replacement."""
    assert words(changed(network="10.0.0.0/24"), SMALLEST) == [
        "farshore:network: 10.0.0.0/24 to 10.0.0.0/16; no address inside changes",
        replace("falkenstein", "press"),
    ]


def test_a_network_elsewhere_moves_everybody() -> None:
    """One line for all hosts, with both addresses of each; IPv6 has a network of its own."""
    tail = [replace("falkenstein", "press"), MEANWHILE]
    assert words(SMALLEST, changed(network="10.9.0.0/16")) == [
        (
            "farshore:network: 10.0.0.0/16 to 10.9.0.0/16; addresses inside change: falkenstein from 10.0.0.1 to 10.9.0.1, "
            "press from 10.0.0.2 to 10.9.0.2"
        ),
        *tail,
    ]
    assert words(SMALLEST, changed(network6="fd00:1:2::/48")) == [
        (
            "farshore:network6: fda1:553b:6464::/48 to fd00:1:2::/48; addresses inside change: falkenstein from "
            "fda1:553b:6464::1 to fd00:1:2::1, press from fda1:553b:6464::2 to fd00:1:2::2"
        ),
        *tail,
    ]


def test_an_origin_that_moves_to_another_shield_is_cut_off_at_once() -> None:
    """Its old shield's cloud firewall forgets it with this `up`, and the new one has not heard of it."""
    assert words(two("falkenstein"), two("ashburn")) == [
        "farshore:origins.press.shields: falkenstein to ashburn; the tunnel to falkenstein goes, a tunnel to ashburn comes",
        f"farshore:origins.press.shields: {PUBLISH}: publish the new records (pulumi stack output dns)",
        replace("falkenstein", "ashburn", "press"),
        NOW,
    ]


def test_an_origin_that_keeps_a_shield_is_answered_until_it_is_replaced() -> None:
    """A second shield comes: the first one's tunnel stays as it is meanwhile."""
    assert words(two("falkenstein"), two("ashburn", "falkenstein")) == [
        "farshore:origins.press.shields: falkenstein to ashburn, falkenstein; a tunnel to ashburn comes",
        f"farshore:origins.press.shields: {PUBLISH}, falkenstein: publish the new records (pulumi stack output dns)",
        replace("ashburn", "press"),
        MEANWHILE,
    ]


def test_an_old_shield_that_devices_dial_does_not_cut_its_origin_off() -> None:
    """Its cloud firewall is open to every peer, so the old tunnel stands until its ends are replaced."""
    device = {**DEVICE, "shields": ["falkenstein"], "reach": ["falkenstein/ssh"]}
    told = words(two("falkenstein", operators__laptop=device), two("ashburn", operators__laptop=device))
    assert told[-1] == MEANWHILE


def test_a_device_with_another_number_needs_a_new_file() -> None:
    """Its address is in its file, which only its owner can change; one that stays hears nothing."""
    both = {"operators__laptop": DEVICE, "operators__phone": {**DEVICE, "slot": 210, "public_key": "y" * 42 + "w="}}
    after = {**both, "operators__laptop": {**DEVICE, "slot": 201}}
    assert words(changed(**both), changed(**after)) == [
        (
            "farshore:operators.laptop: its address inside changes from 10.0.0.200 to 10.0.0.201 at falkenstein; give it "
            "its new files (pulumi stack output devices)"
        ),
        replace("falkenstein", "press"),
    ]


def test_of_many_servers_the_first_are_spelt_out() -> None:
    """A line stays readable with a hundred hosts: five commands, and how many more."""
    more = {
        f"origins__press{slot}": {"slot": slot, "account": "vault", "location": "hel1", "shields": ["falkenstein"]}
        for slot in range(10, 20)
    }
    told = words(changed(**more), changed(network="10.0.0.0/20", **more))
    assert told[1].count("--replace") == 5
    assert ", and so on for 7 more; what is on their disks goes with them" in told[1]


def test_a_server_keeps_what_it_was_told_until_it_is_told_more_or_another_one_stands() -> None:
    """Planning a hundred times changes nothing that a running server knows; what only a birth takes stays the birth's."""
    plan = planned()
    born = what_it_knows(None, "42", told_to(plan, plan.origins[0], "then", "born"), delivered=False)
    later = told_to(plan, plan.origins[0], "now", "later")
    assert what_it_knows(born, "42", later, delivered=False) == born
    delivered = what_it_knows(born, "42", later, delivered=True)
    assert (delivered.digest, delivered.birth, delivered.server) == ("now", "born", "42")
    for way in (True, False):
        fresh = what_it_knows(born, "43", later, delivered=way)
        assert (fresh.digest, fresh.birth, fresh.server) == ("now", "later", "43")


def test_words_stay_until_the_servers_are_replaced() -> None:
    """What stands is read from the outputs as it was written, and compared with the plan of the day."""
    assert standing(SMALLEST).hosts["press"] == Told(
        server="42",
        slot=2,
        network=("10.0.0.0/16", "fda1:553b:6464::/48"),
        addresses=("10.0.0.2", "fda1:553b:6464::2"),
        shields=("falkenstein",),
        digest=now(planned())["press"].digest,
        birth="setup None",
        accepts=("tcp/22", "tcp/8080", "tcp/8443"),
        delivery=False,
        location="hel1",
        server_type="cx23",
        kept=True,
    )
    assert standing(changed(**OPEN)).hosts["press"].delivery


def test_what_an_older_version_wrote_was_told_to_nobody_who_answers() -> None:
    """Its servers have no program that takes a change, so they are replaced as before."""
    left = now(planned(changed(**OPEN)))["press"].as_output()
    told = {key: value for key, value in left.items() if key not in {"birth", "accepts", "delivery"}}
    assert not read_standing({"hosts": {"press": told}}).hosts["press"].delivery
    assert read_standing({"hosts": {"press": left}}).hosts["press"].delivery


def test_a_location_that_moves_is_refused_with_the_way_that_works() -> None:
    """Its server would be deleted first; another host beside it, and what nobody knows of an older version, is not."""
    moved = planned(changed(origins__press__location="ash"))
    (fault,) = find_moves(moved, standing(SMALLEST))
    assert str(fault) == (
        "farshore:origins.press.location: 'ash', allowed: 'hel1', where it stands; add a host of another name and slot "
        "there, `up`, move to it, then take this one out (docs/day2.md)"
    )
    assert list(find_moves(moved, Standing())) == []
    assert list(find_moves(planned(), standing(SMALLEST))) == []
    older = {"press": dataclasses.replace(standing(SMALLEST).hosts["press"], location="")}
    assert list(find_moves(moved, Standing(hosts=older))) == []
    later = what_it_knows(older["press"], "42", now(planned())["press"], delivered=False)
    assert [fault.found for fault in find_moves(moved, Standing(hosts={"press": later}))] == ["'ash'"]


def test_a_host_is_taken_out_in_two_steps_where_its_addresses_are_kept() -> None:
    """First released, which the preview says, and then out; a shield as an origin, and what was never kept at once."""
    drop = {"slot": 3, "account": "vault", "location": "hel1", "shields": ["falkenstein"]}
    ashburn = {"slot": 1, "account": "edge", "location": "nbg1"}
    both = {"origins__drop": drop, "shields__ashburn": ashburn}
    out = {"origins__drop": {**drop, "addresses": "release"}, "shields__ashburn": {**ashburn, "addresses": "release"}}
    assert [str(fault) for fault in find_kept(planned(), standing(changed(**both)))] == [
        f"farshore:{key}: taken out, allowed: a host, as long as its public addresses are kept; put it back with "
        "`addresses: release`, `up`, then take it out (docs/day2.md)"
        for key in ("shields.ashburn", "origins.drop")
    ]
    freed = changed(**out)
    # What follows is of this test's digests, which see all of a host's plan.
    assert words(changed(**both), freed)[:2] == [
        f"farshore:{key}.addresses: kept to released; nothing protects its public addresses any more, and the next "
        "`pulumi up` may take it out, which gives them back"
        for key in ("shields.ashburn", "origins.drop")
    ]
    assert list(find_kept(planned(), standing(freed))) == []
    assert list(find_kept(planned(), standing(changed(**both, addresses="release")))) == []
    assert list(find_kept(planned(freed), standing(changed(**both)))) == []
    kept = standing(SMALLEST).hosts["press"]
    assert not what_it_knows(kept, "42", dataclasses.replace(kept, kept=False), delivered=False).kept


def test_a_port_that_moves_at_once_is_said_with_the_way_that_loses_nobody() -> None:
    """The new beside the old is not, and neither is the old that goes afterwards."""
    both = changed(origins__press__services__next={"port": 8081}, **OPEN)
    moved = changed(origins__press__services__web={"port": 8081}, **OPEN)
    said = words(changed(**OPEN), moved)
    assert said[0].startswith("farshore:origins.press.services: tcp/8080 goes and tcp/8081 comes; whoever is sent from")
    assert said[1:] == [TOLD.format("falkenstein, press")]
    assert words(changed(**OPEN), both) == [TOLD.format("press")]
    assert words(both, moved) == [TOLD.format("falkenstein, press")]


def test_a_size_that_changes_is_said_with_what_comes_after_it() -> None:
    """The server is off for it; whoever has the same size is not named."""
    said = words(SMALLEST, changed(origins__press__server_type="cx33"))
    assert said[0] == (
        "farshore:origins.press.server_type: cx23 to cx33; it is switched off for that, and on again; "
        "farshore resize looks first whether its provider has one"
    )
    assert [line for line in said if ".server_type:" in line] == said[:1]


def test_hosts_that_delivery_reaches_are_told_and_not_replaced() -> None:
    """The same change, once with a way in and once without: the words name what happens to the running servers."""
    after = changed(origins__press__services__extra={"port": 9000}, **OPEN)
    assert words(changed(**OPEN), after) == [TOLD.format("press")]
    closed = changed(origins__press__services__extra={"port": 9000})
    assert words(SMALLEST, closed) == [replace("press")]


def test_who_could_be_told_and_is_not_waits_for_it_and_is_not_replaced() -> None:
    """Said once, with what ends it; who was never told to let delivery in is to be replaced all the same."""
    after = {"origins__press__services__extra": {"port": 9000}, "delivery": "none"}
    waits = "press: told nothing while farshore:delivery is none; say ssh, and run `pulumi up` from a network that they answer"
    assert words(changed(**OPEN), changed(**after, **OPEN)) == [waits]
    assert words(SMALLEST, changed(**after)) == [replace("press")]


def test_visitors_wait_as_long_as_nobody_is_told() -> None:
    """The provider's firewall follows at once, the hosts do not."""
    before = two("falkenstein", **OPEN, **OPEN2)
    told = words(before, two("ashburn", **OPEN, **OPEN2, delivery="none"))
    assert told[-1] == NOW.replace("replaced", "told")
    assert not [line for line in words(before, two("ashburn", **OPEN, **OPEN2)) if "told, for" in line]


def test_a_way_in_reaches_a_running_host_by_replacement() -> None:
    """Who was told to answer nobody can't be told by SSH to answer somebody."""
    assert words(SMALLEST, changed(**OPEN)) == [replace("falkenstein", "press")]


def test_a_setup_is_for_a_new_server_even_where_delivery_reaches() -> None:
    """Delivery brings the rest; what runs at birth alone needs another birth."""
    after = changed(origins__press__setup="press.yaml", **OPEN)
    told = words(changed(**OPEN), after, {"press.yaml": SETUP})
    assert told[0] == TOLD.format("press")
    assert told[1].startswith(
        "press: what only a new server takes (packages and its own setup) is not what this plan says"
    )
    assert len(told) == 2


def test_a_second_shield_comes_without_anybody_being_cut_off() -> None:
    """Both shields and the origin are told while they run; visitors notice nothing."""
    told = words(two("falkenstein", **OPEN, **OPEN2), two("ashburn", "falkenstein", **OPEN, **OPEN2))
    assert told[-1] == TOLD.format("ashburn, press")
    assert not [line for line in told if "no answer" in line]


@pytest.mark.parametrize(
    "output", [None, "text", {}, {"hosts": {"press": {"slot": "two"}}}, {"hosts": [], "devices": 3}]
)
def test_what_another_version_wrote_is_nothing(output: object) -> None:
    """Outputs that we do not understand have no words, and no traceback."""
    assert read_standing(output) == Standing()

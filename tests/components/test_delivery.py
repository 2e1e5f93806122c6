"""What Pulumi is asked for where hosts are told a change over SSH: who, by which way, in which turn, and what stays secret."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pulumi

from components import Deployment
from plan import check, make_plan
from plan.standing import Standing, read_standing, told_to
from tests.components.recording import Recorder, is_secret, record, run, unwrap
from tests.stacks import changed, loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from pulumi.runtime.mocks import MockResourceArgs

COMMAND = "command:remote:Command"
STASH = "pulumi:index:Stash"
NETS = ["198.51.100.0/24"]
SHIELD, ORIGIN = "farshore-delivery-edge.falkenstein", "farshore-delivery-vault.press"


class Lasting(Recorder):
    """A cloud whose servers keep their numbers from run to run."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Answer with a number that hangs on the name alone."""
        _, outputs = super().new_resource(args)
        return number(args.name), outputs


def number(name: str) -> str:
    """Return the provider's number of a resource."""
    return str(zlib.crc32(name.encode()))


def lasting(build: Callable[[], Any]) -> Recorder:
    """Run a program against such a cloud."""
    recorder = Lasting()
    run(recorder, build)
    return recorder


def program(standing: Standing | None = None, **values: Any) -> Callable[[], pulumi.Output[Any]]:
    """Return a program that deploys the smallest stack with a shield that delivery reaches."""

    def build() -> pulumi.Output[Any]:
        stack, secrets = loaded(changed(**{"shields__falkenstein__ssh": NETS, **values}))
        plan = make_plan(stack)
        deployment = Deployment("farshore", plan=plan, findings=check(plan), secrets=secrets, standing=standing)
        return pulumi.Output.from_input(deployment.exports)

    return build


def stash(recorder: Recorder, name: str) -> dict[str, str]:
    """Return a key as it was made."""
    found: dict[str, str] = unwrap(recorder.asked[STASH, f"farshore-keys-{name}"]["input"])
    return found


def commands(recorder: Recorder) -> list[str]:
    """Return the names of all commands, in the order of their names."""
    return sorted(name for kind, name in recorder.asked if kind == COMMAND)


def test_each_host_is_waited_for_told_and_confirmed() -> None:
    """Four commands a host, by words that hold no secret; a host that nobody reaches has none."""
    recorder = record(program())
    assert commands(recorder) == [
        f"{host}-{role}" for host in (SHIELD, ORIGIN) for role in ("apply", "back", "confirm", "wait")
    ]
    for host in (SHIELD, ORIGIN):
        asked = {role: recorder.asked[COMMAND, f"{host}-{role}"] for role in ("wait", "apply", "confirm")}
        assert (asked["wait"]["create"], asked["apply"]["create"]) == ("wait", "apply")
        document = json.loads(unwrap(asked["apply"]["stdin"]))
        assert asked["confirm"]["create"] == f"confirm {document['digest']}"
        assert unwrap(asked["confirm"]["stdin"]) == unwrap(asked["apply"]["stdin"])
        assert all("update" not in one and "delete" not in one for one in asked.values())
        assert document["host"] == host.rpartition(".")[2]
    assert commands(record(program(shields__falkenstein__ssh="off"))) == []
    assert commands(record(program(origins__press__ssh="off"))) == [
        f"{SHIELD}-{role}" for role in ("apply", "back", "confirm", "wait")
    ]


def test_what_must_not_be_read_goes_by_standard_input_alone() -> None:
    """The bundle and the connection are secrets, nothing is logged, and what comes back is one as well."""
    recorder = record(program())
    for name in commands(recorder):
        asked = recorder.asked[COMMAND, name]
        assert is_secret(asked["connection"])
        assert asked["logging"] == "none"
        assert asked["addPreviousOutputInEnv"] is False
        assert "environment" not in asked
        assert is_secret(asked.get("stdin")) is not name.endswith(("-wait", "-back"))
        for key in ("falkenstein-g1-fs0", "press-g1-fs0g0", "falkenstein-press-g1-psk", "press-delivery"):
            assert stash(recorder, key)["private"].strip() not in str(asked["create"])


def test_a_host_is_dialled_by_its_own_key_and_believed_by_the_one_that_was_born_on_it() -> None:
    """Straight at the shield's public address; at the origin's tunnel address, through the shield and by both keys.

    The key of its birth is believed once: by the first contact, which says the other.
    """
    recorder = record(program())
    asked = {
        (host, role): unwrap(recorder.asked[COMMAND, f"{host}-{role}"]["connection"])
        for host in (SHIELD, ORIGIN)
        for role in ("wait", "apply", "confirm")
    }
    for (host, role), found in asked.items():
        name = host.rpartition(".")[2]
        born = stash(recorder, f"{name}-ssh-birth")["public"]
        assert born.startswith("ecdsa-sha2-nistp256 ")
        assert found["user"] == "root"
        assert found["privateKey"] == stash(recorder, f"{name}-delivery")["private"]
        assert found["hostKey"] == (born if role == "wait" else f"what {host}-wait says")
        assert ("proxy" in found) is (host == ORIGIN)
    assert asked[ORIGIN, "apply"]["host"] == "10.0.0.2"
    shield = asked[SHIELD, "apply"]
    assert shield["host"] != "10.0.0.2"
    for role, dials in (("wait", {"dialErrorLimit": 100, "perDialTimeout": 5}), ("apply", {}), ("confirm", {})):
        assert asked[ORIGIN, role]["proxy"] == shield | dials


def test_a_birth_is_waited_for_and_a_host_that_runs_is_not() -> None:
    """Minutes for the first connection, seconds for each later one."""
    recorder = record(program())
    for host in (SHIELD, ORIGIN):
        dials = {
            role: unwrap(recorder.asked[COMMAND, f"{host}-{role}"]["connection"])["dialErrorLimit"]
            for role in ("wait", "apply", "confirm")
        }
        assert dials == {"wait": 100, "apply": 10, "confirm": 10}


def test_an_origin_is_waited_for_once_its_shield_has_been_told() -> None:
    """All tries to dial it share one connection to the shield, which opens what the shield knew when it was made."""
    asked = [name for kind, name in record(program()).asked if kind == COMMAND]
    assert asked.index(f"{SHIELD}-confirm") < asked.index(f"{ORIGIN}-wait")


def test_a_new_server_is_told_anew() -> None:
    """Nothing of a connection changes with a server at a kept address, so its id is a trigger; another size is waited for."""
    recorder = lasting(program())
    for name in commands(recorder):
        server = "farshore-edge.falkenstein-server" if name.startswith(SHIELD) else "farshore-vault.press-server"
        size = ["cx23"] if name.endswith("-back") else []
        assert recorder.asked[COMMAND, name]["triggers"] == [number(server), *size]


def test_a_host_that_cant_be_told_as_it_runs_gets_no_command() -> None:
    """It was born without a way in; the next run after its replacement has one."""
    plan = make_plan(loaded(changed())[0])
    closed = Standing(hosts={host.name: told_to(plan, host, "then", "then") for host in plan.hosts})
    assert commands(record(program(standing=closed))) == []
    opened = Standing(hosts={name: replace(told, delivery=True) for name, told in closed.hosts.items()})
    assert len(commands(record(program(standing=opened)))) == 8


def test_nobody_gets_a_command_where_the_stack_file_says_so() -> None:
    """At birth and later; what hosts know stays what it was, so that they are told when it is taken out."""
    seen: dict[str, Any] = {}
    assert commands(record(program(delivery="none"))) == []
    lasting(lambda: program()().apply(seen.update))
    first = read_standing(seen["standing"])
    stale = Standing(hosts={name: replace(told, digest="then") for name, told in first.hosts.items()})
    assert commands(lasting(lambda: program(standing=stale, delivery="none")().apply(seen.update))) == []
    assert read_standing(seen["standing"]) == stale
    assert len(commands(lasting(program(standing=stale)))) == 8


def test_what_was_confirmed_is_what_a_host_knows() -> None:
    """The outputs say it after a run that told it; of a host that was not told they say what it knew."""
    seen: dict[str, Any] = {}
    recorder = lasting(lambda: program()().apply(seen.update))
    first = read_standing(seen["standing"])
    stale = Standing(hosts={name: replace(told, digest="then") for name, told in first.hosts.items()})
    assert len(commands(recorder)) == 8
    lasting(lambda: program(standing=stale)().apply(seen.update))
    assert read_standing(seen["standing"]) == first
    closed = Standing(hosts={name: replace(told, delivery=False) for name, told in stale.hosts.items()})
    lasting(lambda: program(standing=closed)().apply(seen.update))
    assert read_standing(seen["standing"]) == closed

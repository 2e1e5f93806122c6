"""What Pulumi is asked for where hosts make their own keys: who is asked, who is told what, and when a server is new."""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml
from pulumi.runtime import rpc

from components import Deployment
from plan import StackError, check, make_plan
from plan.standing import OwnKey, Standing, read_standing
from tests.components.recording import Recorder, half, is_secret, run, unwrap
from tests.components.test_delivery import COMMAND, NETS, ORIGIN, SHIELD, STASH, commands, number, program
from tests.stacks import changed, loaded

if TYPE_CHECKING:
    from pulumi.runtime.mocks import MockResourceArgs

SERVER = "hcloud:index/server:Server"
PRESS, FALKENSTEIN = "farshore-vault.press-server", "farshore-edge.falkenstein-server"
OWN = {"falkenstein": "fs1", "press": "fs0g1"}


class Cloud(Recorder):
    """A cloud and a state that last: numbers and keys stay, but for servers that are named as new.

    Args:
        stashes: What the state keeps, which is filled.
        new: Names of servers that this run replaces.
    """

    def __init__(self, stashes: dict[str, Any], *new: str) -> None:
        super().__init__()
        self.stashes, self.new = stashes, new

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Answer with what is kept."""
        _, outputs = super().new_resource(args)
        if args.typ == STASH:
            outputs["output"] = self.stashes.setdefault(args.name, outputs["input"])
        if args.typ == "hcloud:index/primaryIp:PrimaryIp":
            outputs["ipAddress"] = "2001:db8::" if args.inputs["type"] == "ipv6" else f"192.0.2.{len(args.name)}"
        return number(args.name) + ("1" if args.name in self.new else ""), outputs


class Deployed:
    """A deployment that runs are made of, one after the other."""

    def __init__(self) -> None:
        self.stashes: dict[str, Any] = {}
        self.standing = Standing()

    def up(self, *new: str, **values: Any) -> Cloud:
        """Run the program, and keep what it leaves; `new` are servers that are replaced."""
        cloud, seen = Cloud(self.stashes, *new), dict[str, Any]()
        run(cloud, lambda: program(self.standing, custody="host", **values)().apply(seen.update))
        self.standing = read_standing(seen["standing"])
        return cloud

    def private(self, name: str) -> str:
        """Return a key of the state."""
        return str(unwrap(self.stashes[f"farshore-keys-{name}"])["private"])

    def public(self, name: str) -> str:
        """Return the public half of a key of the state."""
        return str(unwrap(self.stashes[f"farshore-keys-{name}"])["public"])


def files(cloud: Cloud, delivery: str) -> dict[str, str]:
    """Return the files that a host is told while it runs; those that it has itself are empty."""
    document = json.loads(unwrap(cloud.asked[COMMAND, f"{delivery}-apply"]["stdin"]))
    return {file["path"]: file["content"] or "" for file in document["files"]}


def born(cloud: Cloud, server: str) -> dict[str, str]:
    """Return the files that a new server is told by its user data."""
    packed = base64.b64decode(unwrap(cloud.asked[SERVER, server]["userData"]))
    return {file["path"]: file["content"] for file in yaml.safe_load(gzip.decompress(packed))["write_files"]}


def keys(cloud: Cloud) -> list[str]:
    """Return the commands that ask for keys."""
    return [name for name in commands(cloud) if "-keys-" in name]


@pytest.fixture
def rotating() -> tuple[Deployed, Cloud]:
    """A deployment of one generation, and the run that stages a second one."""
    deployed = Deployed()
    deployed.up()
    return deployed, deployed.up(generations=[1, 2])


def test_hosts_that_run_are_asked_before_anybody_is_told(rotating: tuple[Deployed, Cloud]) -> None:
    """By words without a secret, on connections of delivery's; a new deployment's hosts are asked for nothing."""
    _, cloud = rotating
    assert keys(cloud) == [f"{SHIELD}-keys-g2", f"{ORIGIN}-keys-g2"]
    order = [name for kind, name in cloud.asked if kind == COMMAND]
    assert max(map(order.index, keys(cloud))) < order.index(f"{SHIELD}-apply")
    for delivery, name in ((SHIELD, "fs1"), (ORIGIN, "fs0g1")):
        asked = cloud.asked[COMMAND, f"{delivery}-keys-g2"]
        assert asked["create"] == f"keys 2 {name}"
        assert "stdin" not in asked
        assert unwrap(asked["connection"]) == unwrap(cloud.asked[COMMAND, f"{delivery}-apply"]["connection"])
        assert is_secret(asked["connection"])
    assert keys(Deployed().up()) == keys(Deployed().up(generations=[1, 2])) == []


def test_each_host_knows_the_others_half_and_no_host_is_told_its_own_key(rotating: tuple[Deployed, Cloud]) -> None:
    """What a host says goes to its peers; the state's key of that generation and its half go to nobody."""
    deployed, cloud = rotating
    shield, press = files(cloud, SHIELD), files(cloud, ORIGIN)
    assert f"PublicKey = {half('press', 'fs0g1')}\n" in shield["/etc/wireguard/fs1.conf"]
    assert f"PublicKey = {half('falkenstein', 'fs1')}\n" in press["/etc/wireguard/fs0g1.conf"]
    assert "/etc/farshore/keys/fs1.own2.key" in shield["/etc/wireguard/fs1.conf"]
    assert shield["/etc/farshore/keys/fs1.own2.key"] == press["/etc/farshore/keys/fs0g1.own2.key"] == ""
    assert not [path for path in (*shield, *press) if path.endswith(("fs1.key", "fs0g1.key"))]
    everything = json.dumps([unwrap(list(cloud.asked.values())), born(cloud, PRESS), born(cloud, FALKENSTEIN)])
    for name in ("falkenstein-g2-fs1", "press-g2-fs0g1"):
        texts = "".join((*shield.values(), *press.values(), *born(cloud, PRESS).values()))
        assert deployed.private(name) in everything  # the state has it, for a server that takes this one's place
        assert deployed.private(name) not in texts
        assert deployed.public(name) not in texts
    assert "/etc/farshore/keys/fs0.key" in shield


def test_a_second_run_says_the_same_and_the_standing_knows_who_made_what(rotating: tuple[Deployed, Cloud]) -> None:
    """The commands stay, whatever becomes of their connections, and nobody waits for them any more."""
    deployed, first = rotating
    assert {name: told.own_keys for name, told in deployed.standing.hosts.items()} == {
        name: (OwnKey(2, interface, half(name, interface)),) for name, interface in OWN.items()
    }
    before = deployed.standing
    second = deployed.up(generations=[1, 2])
    assert deployed.standing == before
    assert commands(second) == commands(first)
    for name in set(commands(first)) - set(keys(first)):
        assert unwrap(second.asked[COMMAND, name]) == unwrap(first.asked[COMMAND, name])
    # Nothing of these is looked at while the server is the same; another one is asked for no key.
    assert {second.asked[COMMAND, name]["create"] for name in keys(second)} == {"wait"}


def test_user_data_has_no_key_that_is_accepted_after_a_rotation(rotating: tuple[Deployed, Cloud]) -> None:
    """A server to come would be born with a key of the state that nobody knows yet, and its peers' real halves."""
    deployed, _ = rotating
    deployed.up(generations=[1, 2], active=2)
    cloud = deployed.up(generations=[2])
    shield = born(cloud, FALKENSTEIN)
    assert shield["/etc/farshore/keys/fs1.key"].strip() == deployed.private("falkenstein-g2-fs1")
    assert "own2" not in shield["/etc/wireguard/fs1.conf"]
    assert f"PublicKey = {half('press', 'fs0g1')}\n" in shield["/etc/wireguard/fs1.conf"]
    told = files(cloud, SHIELD)["/etc/wireguard/fs1.conf"] + files(cloud, ORIGIN)["/etc/wireguard/fs0g1.conf"]
    for name in ("falkenstein-g2-fs1", "press-g2-fs0g1"):
        assert deployed.public(name) not in told
    assert len(keys(cloud)) == 2


def test_an_origin_with_a_new_server_is_known_by_the_key_that_it_was_born_with(
    rotating: tuple[Deployed, Cloud],
) -> None:
    """Its shield is told in the run that replaces it, and before it is waited for; the next run says the same."""
    deployed, _ = rotating
    deployed.up(generations=[1, 2], active=2)
    deployed.up(generations=[2])
    cloud = deployed.up(PRESS, generations=[2])
    half_of_state = deployed.public("press-g2-fs0g1")
    assert f"PublicKey = {half_of_state}\n" in files(cloud, SHIELD)["/etc/wireguard/fs1.conf"]
    assert half("press", "fs0g1") not in files(cloud, SHIELD)["/etc/wireguard/fs1.conf"]
    told = files(cloud, ORIGIN)
    assert told["/etc/farshore/keys/fs0g1.key"] == f"{deployed.private('press-g2-fs0g1')}\n"
    assert "own2" not in told["/etc/wireguard/fs0g1.conf"]
    order = [name for kind, name in cloud.asked if kind == COMMAND]
    assert order.index(f"{SHIELD}-confirm") < order.index(f"{ORIGIN}-wait")
    assert deployed.standing.hosts["press"].own_keys == ()
    assert deployed.standing.hosts["falkenstein"].own_keys != ()
    again = deployed.up(PRESS, generations=[2])
    assert keys(again) == [f"{SHIELD}-keys-g2"]
    for delivery in (SHIELD, ORIGIN):
        assert files(again, delivery) == files(cloud, delivery)


def test_hosts_that_are_all_new_know_each_other(rotating: tuple[Deployed, Cloud]) -> None:
    """Another image replaces every server: the origin is born with the half that its new shield has."""
    deployed, _ = rotating
    deployed.up(generations=[1, 2], active=2)
    deployed.up(generations=[2])
    cloud = deployed.up(PRESS, FALKENSTEIN, generations=[2])
    assert f"PublicKey = {deployed.public('falkenstein-g2-fs1')}\n" in born(cloud, PRESS)["/etc/wireguard/fs0g1.conf"]
    assert f"PublicKey = {deployed.public('press-g2-fs0g1')}\n" in files(cloud, SHIELD)["/etc/wireguard/fs1.conf"]


def test_keys_that_nobody_would_be_asked_for_are_refused_before_any_resource() -> None:
    """Delivery is off in the run that stages them."""
    deployed = Deployed()
    deployed.up()
    stack, secrets = loaded(
        changed(custody="host", generations=[1, 2], delivery="none", shields__falkenstein__ssh=NETS)
    )
    plan, cloud = make_plan(stack), Cloud(deployed.stashes)

    def build() -> None:
        Deployment("farshore", plan=plan, findings=check(plan), secrets=secrets, standing=deployed.standing)

    with pytest.raises(StackError, match="this run asks nothing of falkenstein, press"):
        run(cloud, build)
    assert cloud.asked == {}


class Previewed(Cloud):
    """A preview: what a command would say is not known."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Answer with what is known."""
        found, outputs = super().new_resource(args)
        if args.typ == COMMAND:
            outputs["stdout"] = rpc.UNKNOWN
        return found, outputs


def test_a_preview_knows_no_halves_and_comes_to_its_end() -> None:
    """What hosts are told is unknown then, and every command is there all the same."""
    deployed = Deployed()
    deployed.up()
    cloud = Previewed(deployed.stashes)
    run(cloud, program(deployed.standing, custody="host", generations=[1, 2]), preview=True)
    assert len(commands(cloud)) == 10
    assert isinstance(unwrap(cloud.asked[COMMAND, f"{SHIELD}-apply"]["stdin"]), pulumi.output.Unknown)

"""docs/engine.md, "The same", the verbs around a state and the options of resources: under either engine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.runs import URN

if TYPE_CHECKING:
    from tests.engine.runs import Ran, Shop

pytestmark = pytest.mark.lab

AGREED = ("--yes", "--skip-preview", "--non-interactive")


def exported(shop: Shop, *flags: str) -> dict[str, Any]:
    """Return the state as an export has it."""
    document: dict[str, Any] = json.loads(shop.run("stack", "export", *flags).out)
    return document


def refused(ran: Ran, *words: str) -> bool:
    """Tell whether a command failed with these words."""
    return ran.code != 0 and all(word in ran.out + ran.err for word in words)


def test_a_state_goes_out_and_in(either: Shop) -> None:
    """Opened, changed by nobody and taken back, it is the same for everything, and closed again on disk."""
    either.program("Command('a', create='true', environment={'K': pulumi.Output.secret('hush')})\n")
    assert either.up().code == 0
    assert "hush" not in json.dumps(exported(either))
    text = either.run("stack", "export", "--show-secrets").out
    assert "hush" in text
    assert either.run("stack", "import", given=text).code == 0
    assert "hush" not in either.state.read_text()
    assert either.up("--expect-no-changes").code == 0
    damaged = json.loads(text)
    damaged["deployment"]["resources"] *= 2
    before = either.state.read_text()
    assert either.run("stack", "import", given=json.dumps(damaged)).code != 0
    foreign = text.replace("urn:pulumi:dev::shop::", "urn:pulumi:beside::shop::")
    assert refused(either.run("stack", "import", given=foreign), "beside")
    assert either.state.read_text() == before


def test_outputs_are_read(either: Shop) -> None:
    """All of them or one, secret ones when asked."""
    either.program(
        "pulumi.export('open', 'x')\npulumi.export('deep', {'n': [1, 2]})\n"
        "pulumi.export('hidden', pulumi.Output.secret({'a': 'hush'}))\n"
    )
    assert either.up().code == 0
    plain = {"open": "x", "deep": {"n": [1, 2]}}
    assert json.loads(either.run("stack", "output", "--json").out) == {**plain, "hidden": "[secret]"}
    shown = json.loads(either.run("stack", "output", "--json", "--show-secrets").out)
    assert shown == {**plain, "hidden": {"a": "hush"}}
    assert either.run("stack", "output", "open").out == "x\n"
    assert refused(either.run("stack", "output", "nothing"), "current stack does not have output property 'nothing'")


def test_stacks_come_and_go(either: Shop) -> None:
    """Listed by name; one with resources stays unless forced; the history has each operation, the latest first."""
    either.program("Command('a', create='true')\n")
    assert either.up().code == 0
    assert either.run("preview").code == 0
    assert either.run("refresh", *AGREED).code == 0
    either.program("Command('a', create='true')\nCommand('b', create='exit 3')\n")
    assert either.up().code == 1
    history = json.loads(either.run("stack", "history", "--json").out)
    assert [(entry["kind"], entry["result"]) for entry in history] == [
        ("update", "failed"),
        ("refresh", "succeeded"),
        ("update", "succeeded"),
    ]
    assert history[-1]["resourceChanges"] == {"create": 2}
    assert either.run("stack", "init", "beside", "--no-select").code == 0
    listed = json.loads(either.run("stack", "ls", "--json").out)
    assert sorted((stack["name"], stack["current"]) for stack in listed) == [("beside", False), ("dev", True)]
    assert refused(either.run("stack", "rm", "--yes"), "still has resources")
    assert either.run("stack", "rm", "beside", "--yes").code == 0
    assert either.run("stack", "rm", "dev", "--yes", "--force").code == 0
    assert json.loads(either.run("stack", "ls", "--json").out) == []


def test_a_lock_is_taken_away(either: Shop) -> None:
    """It refuses the next operation, with whose it is, until `cancel`."""
    either.program("Command('a', create='true')\n")
    assert either.up().code == 0
    locks = either.folder / "state" / ".pulumi" / "locks" / "organization" / "shop" / "dev"
    locks.mkdir(parents=True, exist_ok=True)
    who = {"pid": 7, "username": "anna", "hostname": "desk", "timestamp": "2026-11-21T10:00:00Z"}
    (locks / "0.json").write_text(json.dumps(who))
    for verb in ("up", "destroy", "refresh"):
        assert refused(either.run(verb, *AGREED), "locked by 1 lock(s)", "anna@desk", "pid 7")
    assert either.run("cancel", "--yes").code == 0
    assert either.up("--expect-no-changes").code == 0


def test_configuration(either: Shop) -> None:
    """Set, by path and as a secret, read and removed; a secret is nowhere in clear."""
    run = either.run
    run("config", "set", "plain", "x")
    run("config", "set", "hidden", "--secret", "hush")
    run("config", "set", "--path", "deep.list[0]", "7")
    run("config", "set", "--path", "deep.key", "--secret", "quiet")
    shown = json.loads(run("config", "--json").out)
    assert {key: (one.get("value"), one["secret"]) for key, one in shown.items()} == {
        "shop:plain": ("x", False),
        "shop:hidden": (None, True),
        "shop:deep": (None, True),
    }
    assert run("config", "get", "hidden").out == "hush\n"
    assert run("config", "get", "--path", "deep.key").out == "quiet\n"
    assert run("config", "get", "--path", "deep.list[0]").out == "7\n"
    assert json.loads(run("config", "get", "deep").out) == {"key": "quiet", "list": [7]}
    assert run("config", "rm", "plain").code == 0
    assert refused(run("config", "get", "plain"), "configuration key 'plain' not found for stack 'dev'")
    file = (either.work / "Pulumi.dev.yaml").read_text()
    assert "hush" not in file
    assert "quiet" not in file


def test_a_refresh_forgets_nothing_that_is_there(either: Shop) -> None:
    """Alone or before an update; nothing has to be done afterwards."""
    either.program("Command('a', create='true')\n")
    assert either.up().code == 0
    before = either.rows().keys()
    assert either.run("refresh", *AGREED).code == 0
    assert either.run("refresh", "--preview-only", "--expect-no-changes", "--non-interactive").code == 0
    assert either.up("--refresh", "--expect-no-changes").code == 0
    assert either.rows().keys() == before


def test_a_row_is_protected_and_let_go(either: Shop) -> None:
    """One by one or all; what is not there is refused."""
    either.program("Command('a', create='true')\nCommand('b', create='true')\n")
    assert either.up().code == 0
    assert either.run("state", "protect", f"{URN}a", "--yes").code == 0
    assert {name for name, row in either.rows().items() if row.get("protect")} == {"a"}
    assert either.run("destroy", *AGREED).code == 1
    assert "a" in either.rows()
    assert refused(either.run("state", "unprotect", f"{URN}other", "--yes"), f"{URN}other")
    assert either.run("state", "unprotect", f"{URN}a", "--yes").code == 0
    assert not [row for row in either.rows().values() if row.get("protect")]
    assert either.run("state", "protect", "--all", "--yes").code == 0
    assert either.rows()["a"]["protect"]
    assert either.run("state", "unprotect", "--all", "--yes").code == 0
    assert either.run("destroy", *AGREED).code == 0


def test_a_row_is_forgotten_or_named_anew(either: Shop) -> None:
    """Not while others depend on it, unless they go too; renamed, it is what the program calls so."""
    text = "a = Command('a', create='true')\nCommand('b', create='echo a', opts=O(depends_on=[a]))\n"
    either.program(text)
    assert either.up().code == 0
    assert refused(either.run("state", "delete", f"{URN}a", "--yes"), f"{URN}b")
    assert either.run("state", "rename", f"{URN}a", "other", "--yes").code == 0
    assert either.rows()["b"]["dependencies"] == [f"{URN}other"]
    either.program(text.replace("Command('a'", "Command('other'"))
    assert either.up("--expect-no-changes").code == 0
    assert either.run("state", "delete", f"{URN}other", "--yes", "--target-dependents").code == 0
    assert not {"a", "b", "other"} & either.rows().keys()


OPTIONS = (
    "def stamp(args):\n"
    "    if args.type_ == 'command:local:Command':\n"
    "        args.props['environment'] = {'T': args.name}\n"
    "    return pulumi.ResourceTransformResult(args.props, args.opts)\n"
    "pulumi.runtime.register_resource_transform(stamp)\n"
    "class Group(pulumi.ComponentResource):\n"
    "    def __init__(self, name, **opts):\n"
    "        super().__init__('shop:index:Group', name, {}, O(**opts))\n"
    "        self.child = Command(f'{name}-child', create='true', opts=O(parent=self))\n"
    "kept = Command('kept', create='true', delete='echo kept >> LOG', opts=O(retain_on_delete=True))\n"
    "timed = Command('timed', create='true', opts=O(custom_timeouts=pulumi.CustomTimeouts(create='30s', delete='2m')))\n"
    "told = Command('told', create='echo hush', opts=O(additional_secret_outputs=['stdout']))\n"
    "group = Group('group', protect=True)\n"
    "pulumi.export('told', told.stdout)\n"
)


def test_options_of_resources_that_no_recording_has(either: Shop) -> None:
    """Transforms, timeouts, secret outputs, protection from above, and what is retained."""
    log = either.folder / "log"
    either.program(OPTIONS.replace("LOG", str(log)))
    made = either.up()
    assert made.code == 0, made.out
    rows = either.rows()
    assert {name: rows[name]["inputs"]["environment"] for name in ("kept", "group-child")} == {
        "kept": {"T": "kept"},
        "group-child": {"T": "group-child"},
    }
    assert rows["timed"]["customTimeouts"] == {"create": 30, "delete": 120}
    assert rows["told"]["additionalSecretOutputs"] == ["stdout"]
    assert "ciphertext" in rows["told"]["outputs"]["stdout"]
    assert (rows["group"]["protect"], rows["group-child"]["protect"]) == (True, True)
    assert rows["kept"]["retainOnDelete"] is True
    assert either.run("state", "unprotect", "--all", "--yes").code == 0
    assert either.run("destroy", *AGREED).code == 0
    assert not log.exists(), "what is retained is forgotten, and nobody removes it"


def test_a_replacement_takes_along_what_asks_for_it(either: Shop) -> None:
    """By `replace_with`; a neighbour that asks for nothing stays."""
    text = (
        "first = Command('first', create='true', triggers=[1])\n"
        "Command('with', create='true', opts=O(replace_with=[first]))\n"
        "Command('beside', create='true')\n"
    )
    either.program(text)
    assert either.up().code == 0
    before = either.rows()
    either.program(text.replace("triggers=[1]", "triggers=[2]"))
    assert either.up().code == 0
    after = either.rows()
    assert {name for name in ("first", "with", "beside") if after[name]["id"] != before[name]["id"]} == {
        "first",
        "with",
    }


def test_a_stack_reads_another_ones_outputs(either: Shop) -> None:
    """Open ones open and secret ones secret."""
    either.program("pulumi.export('open', 'x')\npulumi.export('hidden', pulumi.Output.secret('hush'))\n")
    assert either.up().code == 0
    either.program(
        "there = pulumi.StackReference('organization/shop/dev')\n"
        "pulumi.export('a', there.get_output('open'))\npulumi.export('b', there.get_output('hidden'))\n"
    )
    assert either.run("stack", "init", "beside").code == 0
    done = either.up("--stack", "beside")
    assert done.code == 0, done.out
    found = json.loads(either.run("stack", "output", "--json", "--stack", "beside").out)
    assert found == {"a": "x", "b": "[secret]"}

"""docs/engine.md, "The same", row by row: each test says what both engines do, and runs under either.

What the recordings already show is not said again: tests/engine/test_vectors.py, tests/pulumi/test_pulumi.py.
"""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.runs import URN, WITHIN_S, until
from tests.engine.vectors import ENGINE

if TYPE_CHECKING:
    from tests.engine.runs import Ran, Shop

pytestmark = pytest.mark.lab

CHAIN = (
    "a = Command('a', create='echo 1')\n"
    "b = Command('b', create='echo 1', opts=O(depends_on=[a]))\n"
    "Command('c', create='echo 1', opts=O(depends_on=[b]))\n"
    "Command('d', create='echo 1')\n"
)
AGREED = ("--yes", "--skip-preview", "--non-interactive")


def steps(shop: Shop, *flags: str) -> dict[str, dict[str, Any]]:
    """Return the steps of a preview, by the resource's name."""
    document = json.loads(shop.run("preview", "--json", *flags).out)
    return {step["urn"].rsplit("::", 1)[1]: step for step in document["steps"]}


def touched(shop: Shop, *flags: str) -> dict[str, str]:
    """Return what a preview would do, without what stays, the stack and the providers."""
    kept = {"same", "read", "refresh"}
    return {name: step["op"] for name, step in steps(shop, *flags).items() if step["op"] not in kept and len(name) == 1}


def destroy(shop: Shop, *flags: str) -> Ran:
    """Destroy without asking."""
    return shop.run("destroy", *AGREED, *flags)


def test_a_preview_as_json(either: Shop) -> None:
    """Each kind of step with its states, reasons and differences, property by property; and the summary."""
    either.program(
        "Command('a', create='true', triggers=[1])\n"
        "Command('b', create='true', environment={'K': 'v', 'L': 'w'})\n"
        "Command('c', create='true')\nCommand('d', create='true')\n"
    )
    assert either.up().code == 0
    either.program(
        "Command('a', create='true', triggers=[2])\n"
        "Command('b', create='echo', environment={'K': 'x', 'M': 'y'})\n"
        "Command('c', create='true')\nCommand('e', create='true')\n"
    )
    document = json.loads(either.run("preview", "--json").out)
    assert document["changeSummary"] == {"create": 1, "delete": 1, "replace": 1, "same": 2, "update": 1}
    told = {step["urn"].rsplit("::", 1)[1]: step for step in document["steps"]}
    assert {name: told[name]["op"] for name in "abde"} == {"a": "replace", "b": "update", "d": "delete", "e": "create"}
    assert told["a"]["diffReasons"] == ["triggers"]
    assert told["a"]["detailedDiff"] == {"triggers[0]": {"kind": "update-replace", "inputDiff": False}}
    assert sorted(told["b"]["diffReasons"]) == ["create", "environment"]
    assert {path: one["kind"] for path, one in told["b"]["detailedDiff"].items()} == {
        "create": "update",
        "environment.K": "update",
        "environment.L": "delete",
        "environment.M": "add",
    }
    for name in "ab":
        old, new = told[name]["oldState"], told[name]["newState"]
        assert old["urn"] == new["urn"] == f"{URN}{name}"
    assert (told["a"]["oldState"]["inputs"]["triggers"], told["a"]["newState"]["inputs"]["triggers"]) == ([1], [2])
    assert "oldState" not in told["e"]
    assert "newState" not in told["d"]
    assert not any("replaceReasons" in step for step in told.values())


def test_what_the_program_says_of_a_preview_as_json(either: Shop) -> None:
    """Its warnings and the fault are diagnostics, with their severity; the exit code tells of the fault."""
    either.program("Command('k', create='true', opts=O(protect=True))\n")
    assert either.up().code == 0
    either.program("pulumi.log.warn('mind')\n")
    ran = either.run("preview", "--json")
    assert ran.code == 1
    said = {(one["severity"], one["message"]) for one in json.loads(ran.out)["diagnostics"]}
    assert ("warning", "warning: mind\n") in said
    assert ("error", "error: preview failed\n") in said
    assert any(text.startswith(f'error: Preview failed: resource "{URN}k" cannot be deleted\n') for _, text in said)


def test_a_replacement_that_the_program_asks_for_has_its_reason(either: Shop) -> None:
    """`replace_on_changes` is told by `replaceReasons`."""
    text = "Command('a', create='echo 1', opts=O(replace_on_changes=['create']))\n"
    either.program(text)
    assert either.up().code == 0
    either.program(text.replace("echo 1", "echo 2"))
    step = steps(either)["a"]
    assert (step["op"], step["diffReasons"], step["replaceReasons"]) == ("replace", ["create"], ["create"])


def test_a_difference_goes_down_to_the_property(either: Shop) -> None:
    """Old and new of what differs, by its sign; what stays is not shown, and a secret never."""
    text = (
        "Command('a', create='true', triggers=[1])\n"
        "Command('b', create='true', environment={'K': 'v', 'S': pulumi.Output.secret('hush')})\n"
        "Command('c', create='sleep 0')\n"
    )
    either.program(text)
    assert either.up().code == 0
    either.program(
        text.replace("triggers=[1]", "triggers=[2]")
        .replace("'b', create='true'", "'b', create='echo'")
        .replace("'v'", "'w'")
        .replace("'hush'", "'quiet'")
    )
    shown = either.run("preview", "--diff", "--non-interactive").out
    # Names are padded where several properties differ; what replaces is marked by one of the two.
    lines = [re.sub(r" +:", ":", line.strip().removesuffix(" # forces replacement")) for line in shown.splitlines()]
    for line in ("+-command:local:Command: (replace)", "~ command:local:Command: (update)", "~ triggers: [", "]"):
        assert line in lines, shown
    for line in ("~ [0]: 1 => 2", '~ create: "true" => "echo"', '~ K: "v" => "w"', "~ S: [secret] => [secret]"):
        assert line in lines, shown
    assert "sleep 0" not in shown
    assert "hush" not in shown
    assert "quiet" not in shown


def test_targets_and_exclusions_touch_what_they_name(either: Shop) -> None:
    """With what depends on it where asked; by pattern too; a target that names nothing is an error."""
    either.program(CHAIN)
    assert either.up().code == 0
    either.program(CHAIN.replace("echo 1", "echo 2"))
    target, excluded = ("--target", f"{URN}a"), ("--exclude", f"{URN}b")
    assert touched(either) == dict.fromkeys("abcd", "update")
    assert touched(either, *target) == {"a": "update"}
    assert touched(either, *target, "--target-dependents") == dict.fromkeys("abc", "update")
    assert touched(either, "--target", f"{URN}*") == dict.fromkeys("abcd", "update")
    assert touched(either, *excluded) == dict.fromkeys("acd", "update")
    assert touched(either, *excluded, "--exclude-dependents") == dict.fromkeys("ad", "update")
    replaced = touched(either, "--replace", f"{URN}d")
    assert replaced == {"a": "update", "b": "update", "c": "update", "d": "replace"}
    assert either.up("--target", f"{URN}d").code == 0
    assert {name: either.rows()[name]["inputs"]["create"] for name in "abcd"} == {
        "a": "echo 1",
        "b": "echo 1",
        "c": "echo 1",
        "d": "echo 2",
    }
    missing = either.up("--target", f"{URN}nobody")
    assert missing.code == 1
    assert f"Target '{URN}nobody' could not be found in the stack" in missing.out + missing.err


def test_what_is_protected_is_left_when_asked(either: Shop) -> None:
    """Without the flag the whole is refused; with it all the rest goes."""
    either.program("Command('k', create='true', opts=O(protect=True))\nCommand('l', create='true')\n")
    assert either.up().code == 0
    refused = destroy(either)
    assert refused.code == 1
    assert "k" in either.rows()
    assert destroy(either, "--exclude-protected").code == 0
    assert {"k", "l"} & either.rows().keys() == {"k"}


def test_continuing_on_error_does_what_does_not_hang_on_it(either: Shop) -> None:
    """In whatever order; without the flag what fails stops the rest."""
    either.program(
        "bad = Command('bad', create='exit 3')\n"
        "Command('after', create='true', opts=O(depends_on=[bad]))\n"
        "slow = Command('slow', create='sleep 1')\n"
        "Command('late', create='true', opts=O(depends_on=[slow]))\n"
    )
    assert either.up("--continue-on-error").code == 1
    assert {"bad", "after", "slow", "late"} & either.rows().keys() == {"slow", "late"}
    assert destroy(either).code == 0
    assert either.up().code == 1
    assert not {"bad", "after", "late"} & either.rows().keys()


def test_a_preview_alone_changes_nothing(either: Shop) -> None:
    """`preview`, and `destroy --preview-only`, end after looking; `up` knows no such flag."""
    either.program("Command('a', create='true')\n")
    assert either.run("preview", "--non-interactive").code == 0
    unknown = either.run("up", "--preview-only", "--non-interactive")
    assert (unknown.code, "unknown flag: --preview-only" in unknown.err) == (1, True)
    assert "a" not in either.rows()
    assert either.up("--parallel", "1").code == 0
    assert either.run("destroy", "--preview-only", "--non-interactive").code == 0
    assert "a" in either.rows()


def test_what_stays_and_what_is_secret_show_when_asked_for(either: Shop) -> None:
    """Not without the flag."""
    either.program("Command('stays', create='true')\npulumi.export('hidden', pulumi.Output.secret('hush'))\n")
    first = either.up()
    assert (first.code, "hidden" in first.out, "hush" in first.out) == (0, True, False)
    assert "hush" in either.up("--show-secrets").out
    assert "local:Command stays" not in either.run("preview", "--non-interactive").out
    assert "local:Command stays" in either.run("preview", "--non-interactive", "--show-sames").out


def test_at_most_so_many_at_once(either: Shop) -> None:
    """`--parallel 2` of four commands, each of which counts those beside it."""
    log = either.folder / "log"
    count = f"touch {log}.$$; ls {log}.* | wc -l >> {log}; sleep 0.5; rm {log}.$$"
    either.program("".join(f"Command('{name}', create='{count}')\n" for name in "abcd"))
    assert either.up("--parallel", "2").code == 0
    seen = [int(line) for line in log.read_text().split()]
    assert (len(seen), max(seen)) == (4, 2)


def test_exit_codes(either: Shop) -> None:
    """Each reason has its own."""
    either.program("Command('a', create='true')\n")
    unconfirmed = {verb: either.run(verb, "--non-interactive").code for verb in ("up", "destroy", "refresh")}
    assert unconfirmed == {"up": 2, "destroy": 2, "refresh": 1}
    assert either.run("preview", "--expect-no-changes").code == 7
    assert either.up().code == 0
    assert either.run("preview", "--expect-no-changes").code == 0
    assert either.run("up", "-s", "nowhere", *AGREED).code == 6
    project = either.work / "Pulumi.yaml"
    whole = project.read_text()
    project.write_text(f"{whole}config: {{needed: {{type: string}}}}\n")
    assert either.run("preview").code == 1, "configuration that the project declares is missing"
    project.write_text(whole)
    either.program("pulumi.Config().require('missing')\n")
    assert either.run("preview").code == 1
    either.program("Command('a', create='true')\nCommand('b', create='exit 3')\n")
    assert either.up().code == 1


def test_an_interrupt_ends_a_run_with_a_code_of_its_own(either: Shop) -> None:
    """What ran is asked to end; what was done before stays in the state, and the lock is given back."""
    either.program(
        "first = Command('first', create='true')\n"
        "Command('slow', create='exec sleep 600', opts=O(depends_on=[first]))\n"
    )
    engine = either.start("up", *AGREED)
    until(
        lambda: True if "creating" in either.state.read_text() and "first" in either.rows() else None,
        what="slow",
        within_s=WITHIN_S,
    )
    engine.send_signal(signal.SIGINT)
    out, _ = engine.communicate(timeout=WITHIN_S)
    assert engine.returncode == (8 if either.engine == tuple(ENGINE) else 1), (
        out
    )  # docs/engine.md, "Different on purpose"
    assert "first" in either.rows()
    either.program("Command('first', create='true')\n")
    assert either.up().code == 0

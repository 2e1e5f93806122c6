"""What a run that was killed leaves to the next, what a state is not changed by, and which resources a run touches."""

from __future__ import annotations

import json

import pytest

from tests.engine.runs import URN, Shop, foreign, until

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("point", ["creating", "updating", "deleting"])
def test_the_next_up_finishes_what_a_killed_one_began(shop: Shop, point: str) -> None:
    """Wherever it was killed; after that there is nothing left to do."""
    flag = shop.folder / "go"
    gate = dict.fromkeys(("creating", "updating", "deleting"), "true")
    gate[point] = f"until test -e {flag}; do sleep 0.05; done"
    shop.program(f"Command('a', create='echo 1')\nCommand('gone', create='true', delete={gate['deleting']!r})\n")
    assert shop.up().code == 0
    shop.program(
        f"a = Command('a', create='echo 2', update={gate['updating']!r})\n"
        f"Command('b', create={gate['creating']!r}, opts=O(depends_on=[a]))\n"
    )
    engine = shop.start("up", "--yes", "--skip-preview", "--non-interactive")

    def under_way() -> bool | None:
        latest = json.loads(shop.state.read_text())["checkpoint"]["latest"]
        return point in [item["type"] for item in latest.get("pending_operations") or ()] or None

    until(under_way, what=f"an operation {point} in the state")
    engine.kill()
    engine.communicate()
    flag.touch()
    assert shop.run("cancel", "--yes").code == 0
    finished = shop.up()
    assert finished.code == 0, finished.out
    assert f"interrupted while {point}" in finished.out
    rows = shop.rows()
    assert {"a", "b"} <= rows.keys()
    assert "gone" not in rows
    assert rows["a"]["inputs"]["create"] == "echo 2"
    assert shop.up("--expect-no-changes").code == 0


def test_an_import_of_what_is_no_export_of_this_stack_is_refused(shop: Shop) -> None:
    """The state stays; an export of another project is taken only with --force, which is not forgiving of damage."""
    shop.program("Command('a', create='true')\n")
    assert shop.up().code == 0
    before = shop.state.read_text()
    exported = shop.run("stack", "export").out
    twice = json.loads(exported)
    twice["deployment"]["resources"] *= 2
    for given, message in (
        ("not json", "error: import: not JSON ("),
        ('{"version": 3}', "error: import: no `deployment`, allowed: what `stack export` writes"),
        (exported.replace('"version": 3', '"version": 9', 1), "error: state: format 9, allowed: 3 and 4; "),
        (json.dumps(twice), "stands there twice"),
        (foreign(exported), " is of stack mart/dev, allowed: of shop/dev; "),
    ):
        ran = shop.run("stack", "import", given=given)
        assert ran.code == 1
        assert message in ran.err
        assert ran.err.count("\n") == 1
        assert shop.state.read_text() == before
    assert shop.run("stack", "import", "--force", given=json.dumps(twice)).code == 1
    assert shop.state.read_text() == before
    assert shop.run("stack", "import", "--force", given=foreign(exported)).code == 0
    assert "::mart::" in shop.state.read_text()


def test_a_cancel_without_a_lock_removes_nothing(shop: Shop) -> None:
    """It says so; where nobody can confirm, it asks for `--yes`."""
    shop.program("pulumi.export('a', 1)\n")
    assert "(0 locks)" in shop.run("cancel", "--yes").out
    refused = shop.run("cancel", "--non-interactive")
    assert refused.code == 2
    assert "--yes must be passed in" in refused.err
    assert shop.up().code == 0


def test_unprotecting_what_is_not_there_changes_nothing(shop: Shop) -> None:
    """Nor does unprotecting nothing at all."""
    shop.program("Command('kept', create='true', opts=O(protect=True))\n")
    assert shop.up().code == 0
    before = shop.state.read_text()
    missing = shop.run("state", "unprotect", f"{URN}other", "--yes")
    assert (missing.code, missing.err) == (
        1,
        f'error: No such resource "{URN}other" exists in the current state; `pulumi stack --show-urns` lists them\n',
    )
    assert shop.run("state", "unprotect", "--yes").code == 2
    assert shop.state.read_text() == before
    assert shop.run("state", "unprotect", "--all", "--yes").code == 0
    assert "protect" not in shop.rows()["kept"]


def test_a_resource_can_be_forgotten_with_what_depends_on_it(shop: Shop) -> None:
    """Not without, and a protected one only by force; the message says who depends on it."""
    shop.program("a = Command('a', create='true')\nCommand('b', create='true', opts=O(depends_on=[a], protect=True))\n")
    assert shop.up().code == 0
    refused = shop.run("state", "delete", f"{URN}a", "--yes")
    assert refused.code == 1
    assert f"because the following resources depend on it: {URN}b; delete those resources first" in refused.err
    refused = shop.run("state", "delete", f"{URN}a", "--yes", "--target-dependents")
    assert (refused.code, f"{URN}b can't be safely deleted because it is protected" in refused.err) == (1, True)
    assert {"a", "b"} <= shop.rows().keys()
    assert shop.run("state", "delete", f"{URN}a", "--yes", "--target-dependents", "--force").code == 0
    assert not {"a", "b"} & shop.rows().keys()


def test_a_renamed_resource_is_the_same_for_the_program_that_renames_it_too(shop: Shop) -> None:
    """Nothing is replaced, and what depends on it follows; a name that is taken is refused."""
    text = "a = Command('a', create='true')\nCommand('b', create='echo a', opts=O(depends_on=[a]))\n"
    shop.program(text)
    assert shop.up().code == 0
    taken = shop.run("state", "rename", f"{URN}a", "b", "--yes")
    assert (taken.code, taken.err) == (1, f"error: resource {URN}b exists already; choose another name\n")
    assert shop.run("state", "rename", f"{URN}a", "other", "--yes").out == "Resource renamed\n"
    assert shop.rows()["b"]["dependencies"] == [f"{URN}other"]
    shop.program(text.replace("Command('a'", "Command('other'"))
    assert shop.up("--expect-no-changes").code == 0


def test_an_unknown_flag_is_named_without_its_value(shop: Shop) -> None:
    """A value may be a secret."""
    ran = shop.run("up", "--nonsense=hush")
    assert (ran.code, ran.err) == (1, "error: unknown flag: --nonsense, allowed: those of --help\n")


def test_a_target_alone_is_touched(shop: Shop) -> None:
    """The others neither change nor come; a target that names nothing is an error."""
    text = "Command('a', create='echo 1')\nCommand('b', create='echo 1')\n"
    shop.program(text)
    assert shop.up().code == 0
    shop.program(text.replace("echo 1", "echo 2") + "Command('new', create='true')\n")
    assert shop.up("--target", f"{URN}b").code == 0
    rows = shop.rows()
    assert [rows[name]["inputs"]["create"] for name in ("a", "b")] == ["echo 1", "echo 2"]
    assert "new" not in rows
    ran = shop.up("--target", f"{URN}nobody")
    assert ran.code == 1
    assert f"Target '{URN}nobody' could not be found in the stack. Did you forget to escape $" in ran.out
    assert shop.rows()["a"]["inputs"]["create"] == "echo 1"
    assert shop.up().code == 0
    assert shop.rows()["a"]["inputs"]["create"] == "echo 2"


def test_what_depends_on_a_target_is_touched_when_asked(shop: Shop) -> None:
    """At any distance, and what does not depend on it is not; an exclusion holds all the same."""
    text = (
        "a = Command('a', create='echo 1')\n"
        "b = Command('b', create='echo 1', opts=O(depends_on=[a]))\n"
        "Command('c', create='echo 1', opts=O(depends_on=[b]))\n"
        "Command('d', create='echo 1')\n"
    )
    shop.program(text)
    assert shop.up().code == 0
    shop.program(text.replace("echo 1", "echo 2"))
    target = ("preview", "--json", "--target", f"{URN}a")

    def updated(*flags: str) -> set[str]:
        steps = json.loads(shop.run(*target, *flags).out)["steps"]
        return {step["urn"].rsplit("::", 1)[1] for step in steps if step["op"] == "update"}

    assert updated() == {"a"}
    assert updated("--target-dependents") == {"a", "b", "c"}
    assert updated("--target-dependents", "--exclude", f"{URN}c") == {"a", "b"}


def test_a_preview_as_json_says_what_is_wrong_as_pulumi_does(shop: Shop) -> None:
    """Each message with its severity before it, and on a line of its own."""
    shop.program("Command('kept', create='true', opts=O(protect=True))\n")
    assert shop.up().code == 0
    shop.program("pulumi.log.warn('mind')\n")
    ran = shop.run("preview", "--json")
    assert ran.code == 1
    said = [(one["severity"], one["message"]) for one in json.loads(ran.out)["diagnostics"]]
    assert ("warning", "warning: mind\n") in said
    assert ("error", "error: preview failed\n") in said
    assert any(text.startswith(f'error: Preview failed: resource "{URN}kept" cannot be deleted\n') for _, text in said)


def test_a_replacement_that_was_asked_for_is_made_though_nothing_differs(shop: Shop) -> None:
    """Of that resource alone, and once: the next update has nothing to do."""
    shop.program("Command('a', create='true')\nCommand('b', create='true')\n")
    assert shop.up().code == 0
    before = shop.rows()
    document = json.loads(shop.run("preview", "--json", "--replace", f"{URN}a").out)
    assert document["changeSummary"] == {"replace": 1, "same": 2}
    ran = shop.up("--replace", f"{URN}a")
    assert ran.code == 0, ran.out
    assert "+- 1 replaced" in ran.out
    after = shop.rows()
    assert after["a"]["id"] != before["a"]["id"]
    assert after["b"]["id"] == before["b"]["id"]
    assert shop.up("--expect-no-changes").code == 0


def test_a_preview_as_json_tells_why_a_resource_is_replaced(shop: Shop) -> None:
    """Old and new state, what differs and what forces it; an update forces nothing."""
    shop.program("Command('a', create='true', triggers=[1])\nCommand('b', create='true')\n")
    assert shop.up().code == 0
    shop.program("Command('a', create='true', triggers=[2])\nCommand('b', create='echo')\n")
    document = json.loads(shop.run("preview", "--json").out)
    assert document.keys() == {"steps", "duration", "changeSummary"}
    assert document["changeSummary"] == {"replace": 1, "update": 1, "same": 1}
    steps = {step["urn"].rsplit("::", 1)[1]: step for step in document["steps"]}
    replaced, updated = steps["a"], steps["b"]
    assert (replaced["op"], replaced["diffReasons"]) == ("replace", ["triggers"])
    assert "replaceReasons" not in replaced  # the program's `replace_on_changes` asks for it, not the plugin
    assert replaced["oldState"]["delete"] is True
    assert replaced["newState"]["id"] != replaced["oldState"]["id"]
    assert replaced["detailedDiff"] == {"triggers[0]": {"kind": "update-replace", "inputDiff": False}}
    assert (replaced["oldState"]["inputs"]["triggers"], replaced["newState"]["inputs"]["triggers"]) == ([1], [2])
    assert (updated["op"], updated.get("replaceReasons")) == ("update", None)
    assert updated["diffReasons"] == ["create"]
    assert not {"id", "outputs"} & updated["newState"].keys()


def test_a_difference_names_what_forces_a_replacement(shop: Shop) -> None:
    """Property by property; what is only updated is not said to force anything."""
    shop.program("Command('a', create='true', triggers=[1])\nCommand('b', create='true')\n")
    assert shop.up().code == 0
    shop.program("Command('a', create='true', triggers=[2])\nCommand('b', create='echo')\n")
    shown = shop.run("preview", "--diff", "--non-interactive").out
    assert "    +-command:local:Command: (replace)\n" in shown
    assert "      ~ triggers: [\n          ~ [0]: 1 => 2\n        ] # forces replacement\n" in shown
    assert '      ~ create: "true" => "echo"\n' in shown
    assert " +- command:local:Command a replace [diff: ~triggers]\n" in shown
    assert " ~  command:local:Command b update [diff: ~create]\n" in shown

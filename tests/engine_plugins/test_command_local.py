"""The command package on this machine: what runs when, what the state holds, what a change means."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.empty_pb2 import Empty

from lab.engine.values import UNKNOWN, Secret
from tests.engine_plugins.driver import (
    ROOT,
    Driven,
    FailedError,
    Line,
    Listener,
    Made,
    listening,
    running_plugin,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab
COMMAND = "command:local:Command"


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """Hear what the plugin says."""
    with listening() as heard:
        yield heard


@pytest.fixture(scope="module")
def plugin(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    """Run one plugin for all tests of this file."""
    with running_plugin("command", listener.address, cwd=tmp_path_factory.mktemp("cwd")) as driven:
        driven.configure({"version": "1.2.1"})
        yield driven


def test_the_first_line_on_stdout_is_the_port_and_nothing_follows(tmp_path: Path) -> None:
    """An engine reads one line; a second one would be noise in somebody's terminal."""
    with running_plugin("command", cwd=tmp_path) as driven:
        driven.configure({})
        driven.create(COMMAND, {"create": "echo loud"})
        assert driven.process is not None
        driven.process.terminate()
        rest, _ = driven.process.communicate(timeout=30)
    assert rest == ""


def test_a_plugin_ends_with_its_parent() -> None:
    """No plugin outlives an engine that was killed."""
    starter = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-m', 'lab.engine.plugins.command'], stdout=subprocess.PIPE,"
        " stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "p.stdout.readline()\n"
        "print(p.pid, flush=True)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", starter], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    pid = int(found.stdout)
    until(lambda: True if _gone(pid) else None, what=f"the end of plugin {pid}")


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_create_runs_the_script_and_keeps_what_it_said(plugin: Driven) -> None:
    """Outputs are the inputs, and both streams without their last newline."""
    made = plugin.create(COMMAND, {"create": "echo out; echo; echo err >&2"}, name="a")
    assert made.outputs == {"create": "echo out; echo; echo err >&2", "stdout": "out\n", "stderr": "err"}
    assert made.id[:1] == "a"
    assert len(made.id) == 1 + 8


def test_a_preview_runs_nothing_and_knows_the_id_alone(plugin: Driven, tmp_path: Path) -> None:
    """In a preview the id is there already, the results are unknown and no script has run."""
    news = {"create": f"touch {tmp_path}/ran"}
    made = plugin.create(COMMAND, news, preview=True)
    assert made.id.startswith("it")
    assert made.outputs == {**news, "stdout": UNKNOWN, "stderr": UNKNOWN}
    assert not (tmp_path / "ran").exists()
    plugin.create(COMMAND, news)
    assert (tmp_path / "ran").exists()


def test_without_a_create_script_the_results_are_empty(plugin: Driven) -> None:
    """A resource with only a delete script exists all the same."""
    assert plugin.create(COMMAND, {"delete": "true"}).outputs == {"delete": "true", "stdout": "", "stderr": ""}


def test_environment_stdin_folder_and_interpreter_reach_the_script(plugin: Driven, tmp_path: Path) -> None:
    """Each input that shapes the run does."""
    news = {
        "create": "read line; echo $GREETING $line $(pwd) $0",
        "environment": {"GREETING": Secret("hello")},
        "stdin": "from stdin\n",
        "dir": str(tmp_path),
        "interpreter": ["/bin/bash", "-c"],
    }
    made = plugin.create(COMMAND, news)
    assert made.outputs["stdout"] == f"hello from stdin {tmp_path} /bin/bash"
    assert made.outputs["environment"] == {"GREETING": Secret("hello")}


def test_a_failing_script_creates_nothing_and_tells_all_it_wrote(plugin: Driven) -> None:
    """The error is status, quoted script and output, whatever `logging` says."""
    script = 'echo "said" >&2; exit 3'
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, {"create": script, "logging": "none"})
    assert caught.value.code == "UNKNOWN"
    assert caught.value.partial is None
    assert caught.value.text == 'exit status 3: running "echo \\"said\\" >&2; exit 3":\nsaid\n'


def test_a_script_ended_by_a_signal_names_it(plugin: Driven) -> None:
    """A killed script is not one that exited."""
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, {"create": "kill -9 $$"})
    assert caught.value.text == 'signal: killed: running "kill -9 $$":\n'


def test_a_missing_folder_or_interpreter_is_named(plugin: Driven) -> None:
    """What could not start says which of the two was missing."""
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, {"create": "true", "dir": "/nowhere"})
    assert caught.value.text.startswith("chdir /nowhere: no such file or directory: running")
    with pytest.raises(FailedError) as caught:
        plugin.create(COMMAND, {"create": "true", "interpreter": ["/nowhere/sh"]})
    assert caught.value.text.startswith("fork/exec /nowhere/sh: no such file or directory: running")


@pytest.mark.parametrize(
    ("logging", "shown"),
    [
        (None, {"one", "two"}),
        ("stdoutAndStderr", {"one", "two"}),
        ("stdout", {"one"}),
        ("stderr", {"two"}),
        ("none", set()),
    ],
)
def test_logging_decides_what_is_shown_never_what_is_kept(
    plugin: Driven, listener: Listener, logging: str | None, shown: set[str]
) -> None:
    """Lines go to the engine as ephemeral INFO; the state gets both streams in any case."""
    listener.lines.clear()
    news = {"create": "echo one; printf two >&2"} | ({} if logging is None else {"logging": logging})
    made = plugin.create(COMMAND, news)
    assert {line.text for line in listener.lines} == shown
    assert set(listener.lines) <= {Line("INFO", "one", ephemeral=True), Line("INFO", "two", ephemeral=True)}
    assert (made.outputs["stdout"], made.outputs["stderr"]) == ("one", "two")


def test_update_runs_update_else_create_with_the_last_output_at_hand(plugin: Driven) -> None:
    """`update` wins over `create`; both see what the last run said, unless that is switched off."""
    made = plugin.create(COMMAND, {"create": "echo first"})
    news = {"create": "echo again after $PULUMI_COMMAND_STDOUT"}
    second = plugin.update(COMMAND, made, news)
    assert second.outputs["stdout"] == "again after first"
    third = plugin.update(COMMAND, second, {**news, "update": "echo updated $PULUMI_COMMAND_STDOUT"})
    assert third.outputs["stdout"] == "updated again after first"
    off = {**news, "addPreviousOutputInEnv": False}
    assert plugin.update(COMMAND, third, off).outputs["stdout"] == "again after"


def test_an_update_in_preview_forgets_the_results_only_if_an_input_changes(plugin: Driven) -> None:
    """A changed script makes stdout unknown; an unchanged one keeps it."""
    made = plugin.create(COMMAND, {"create": "echo same"})
    changed = plugin.update(COMMAND, made, {"create": "echo other"}, preview=True)
    assert changed.outputs == {"create": "echo other", "stdout": UNKNOWN, "stderr": UNKNOWN}
    same = plugin.update(COMMAND, made, {"create": "echo same"}, preview=True)
    assert same.outputs == {"create": "echo same", "stdout": "same", "stderr": ""}


def test_delete_runs_the_script_of_the_state(plugin: Driven, tmp_path: Path) -> None:
    """Delete uses what was stored, with its environment and last output; without a script it does nothing."""
    script = f"echo $WHO $PULUMI_COMMAND_STDOUT > {tmp_path}/gone"
    made = plugin.create(COMMAND, {"create": "echo made", "delete": script, "environment": {"WHO": "me"}})
    plugin.delete(COMMAND, made)
    assert (tmp_path / "gone").read_text() == "me made\n"
    (tmp_path / "gone").unlink()
    plugin.delete(COMMAND, Made(made.id, made.inputs, {**made.outputs, "delete": None}))
    assert not (tmp_path / "gone").exists()


def test_reading_returns_the_resource_as_it_was(plugin: Driven) -> None:
    """A refresh of a command changes nothing."""
    made = plugin.create(COMMAND, {"create": "echo a", "stdin": Secret("s")})
    assert plugin.read(COMMAND, made) == made


def test_unchanged_inputs_are_no_difference(plugin: Driven) -> None:
    """The same inputs are DIFF_NONE, whatever the outputs are."""
    made = plugin.create(COMMAND, {"create": "echo a", "triggers": [1, {"k": "v"}]})
    found = plugin.diff(COMMAND, made, {"create": "echo a", "triggers": [1.0, {"k": "v"}]})
    assert (found.changes, found.properties, found.replaces, found.detailed) == (False, [], [], {})


def test_a_changed_script_is_an_update(plugin: Driven) -> None:
    """Kinds are those of the inputs: update, add, delete."""
    made = plugin.create(COMMAND, {"create": "echo a", "stdin": "x", "environment": {"A": "1", "C": "1"}})
    found = plugin.diff(COMMAND, made, {"create": "echo b", "delete": "true", "environment": {"A": "2", "B": "1"}})
    assert found.detailed == {
        "create": "update",
        "delete": "add",
        "environment.A": "update",
        "environment.B": "add",
        "environment.C": "delete",
        "stdin": "delete",
    }
    assert found.properties == ["create", "delete", "environment", "stdin"]
    assert found.replaces == []


def test_only_triggers_as_a_whole_replace(plugin: Driven) -> None:
    """A changed or added element is an update to this plugin; the SDK's `replaceOnChanges` makes more of it."""
    made = plugin.create(COMMAND, {"create": "true", "triggers": ["x"]})
    element = plugin.diff(COMMAND, made, {"create": "true", "triggers": ["y", "z"]})
    assert element.detailed == {"triggers[0]": "update", "triggers[1]": "add"}
    assert element.replaces == []
    removed = plugin.diff(COMMAND, made, {"create": "true"})
    assert removed.detailed == {"triggers": "delete-replace"}
    assert removed.replaces == ["triggers"]
    unknown = plugin.diff(COMMAND, made, {"create": "true", "triggers": UNKNOWN})
    assert unknown.detailed == {"triggers": "update-replace"}


def test_a_value_that_turns_secret_is_a_change(plugin: Driven) -> None:
    """A secret never equals a plain value; two equal secrets are no change."""
    plain = plugin.create(COMMAND, {"create": "true", "stdin": "s"})
    assert plugin.diff(COMMAND, plain, {"create": "true", "stdin": Secret("s")}).detailed == {"stdin": "update"}
    hidden = plugin.create(COMMAND, {"create": "true", "stdin": Secret("s")})
    assert not plugin.diff(COMMAND, hidden, {"create": "true", "stdin": Secret("s")}).changes


def test_ignored_inputs_do_not_count(plugin: Driven) -> None:
    """`ignoreChanges` takes the value of the state."""
    made = plugin.create(COMMAND, {"create": "true", "stdin": "s"})
    news = {"create": "true", "stdin": "t"}
    assert not plugin.diff(COMMAND, made, news, ignore=("stdin",)).changes
    assert plugin.diff(COMMAND, made, news, ignore=("create",)).changes


def test_check_names_every_fault_at_once(plugin: Driven) -> None:
    """Unknown names, wrong types, a wrong choice and what this stand-in can't do, each with its property."""
    news = {
        "create": 7,
        "logging": "loud",
        "assetPaths": ["*"],
        "dirr": "/",
        "environment": {"A": 1},
    }
    _, failures = plugin.check(COMMAND, news)
    assert {name for name, _ in failures} == {"create", "logging", "assetPaths", "dirr", "environment"}
    reasons = dict(failures)
    assert reasons["create"] == "create: a int, allowed: str"
    assert reasons["logging"] == "logging: 'loud', allowed: stdoutAndStderr, stdout, stderr, none"


def test_check_keeps_good_inputs_as_they_are(plugin: Driven) -> None:
    """No default appears in a local command; unknown and secret values pass."""
    news = {"create": Secret("true"), "triggers": [UNKNOWN], "stdin": UNKNOWN, "environment": {"A": UNKNOWN}}
    assert plugin.check(COMMAND, news) == (news, [])


def test_other_types_of_the_package_are_refused(plugin: Driven) -> None:
    """What is not modelled says so instead of doing something else."""
    _, failures = plugin.check("command:remote:CopyFile", {})
    assert "allowed: command:local:Command" in failures[0][1]


def test_cancel_ends_a_running_script(tmp_path: Path) -> None:
    """After Cancel the script is gone and its call has failed."""
    with running_plugin("command", cwd=tmp_path) as driven, ThreadPoolExecutor(1) as pool:
        driven.configure({})
        script = f"touch {tmp_path}/begun; sleep 600; true"  # the shell's child holds the script's output open
        waiting = pool.submit(driven.create, COMMAND, {"create": script})
        until(lambda: True if (tmp_path / "begun").exists() else None, what="the script's start")
        driven.call("Cancel", Empty(), Empty)
        with pytest.raises(FailedError) as caught:
            waiting.result(timeout=30)
    assert caught.value.text.startswith("signal: killed: running")

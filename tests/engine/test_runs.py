"""The command line from outside: what it says, what it leaves behind, how it ends."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.engine.runs import URN, Shop, until
from tests.engine.vectors import ROOT

pytestmark = pytest.mark.lab


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> set[int]:
    """Return the processes below one, at any distance."""
    found = set()
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in listing.read_text().split():
            found |= {int(child)} | children(int(child))
    return found


def test_no_secret_of_a_run_is_readable_anywhere(shop: Shop) -> None:
    """Not in state, history, event log or output, though a plugin prints it and a command fails with it."""
    assert shop.run("config", "set", "--secret", "token", given="k3y-of-config").code == 0
    shop.program(
        "token = pulumi.Config().require_secret('token')\n"
        "stash = pulumi.Stash('s', input=pulumi.Output.secret({'deep': ['k3y-of-stash']}))\n"
        "Command('says', create=token.apply(lambda t: f'echo {t}'), opts=O(additional_secret_outputs=['stdout']))\n"
        "pulumi.export('out', stash.output)\n"
        "Command('fails', create=stash.output['deep'][0].apply(lambda t: f'echo no {t} >&2; exit 3'))\n"
    )
    ran = shop.up("--event-log", "events.json", "--diff")
    assert ran.code == 1
    assert "exit status 3" in ran.out
    assert "no [secret]" in ran.out
    files = [path for path in shop.folder.rglob("*") if path.is_file() and path.name != "__main__.py"]
    assert shop.state in files
    texts = [ran.out, ran.err, *(path.read_text() for path in files)]
    for secret in ("k3y-of-config", "k3y-of-stash", "correct horse"):
        assert [text for text in texts if secret in text] == []
    events = shop.work / "events.json"
    assert stat.S_IMODE(events.stat().st_mode) == 0o600


def test_secret_outputs_show_only_when_asked(shop: Shop) -> None:
    """Beside them, plain ones are plain."""
    shop.program("pulumi.export('open', 'x')\npulumi.export('hidden', pulumi.Output.secret({'a': 'hush'}))\n")
    ran = shop.up()
    assert ran.code == 0
    assert "hidden: [secret]" in ran.out
    assert json.loads(shop.run("stack", "output", "--json").out) == {"open": "x", "hidden": "[secret]"}
    shown = shop.run("stack", "output", "--json", "--show-secrets")
    assert json.loads(shown.out) == {"open": "x", "hidden": {"a": "hush"}}
    assert shop.run("stack", "output", "open").out == "x\n"
    missing = shop.run("stack", "output", "nothing")
    assert (missing.code, missing.err) == (1, "error: current stack does not have output property 'nothing'\n")


def test_a_killed_engine_leaves_a_state_that_tells_what_it_was_doing(shop: Shop) -> None:
    """Its children die with it, its lock stays, and after `cancel` the same command finishes the work."""
    shop.program("Command('quick', create='echo hi')\nCommand('slow', create='sleep 600', opts=O(depends_on=[]))\n")
    engine = shop.start("up", "--yes", "--skip-preview", "--non-interactive")

    def under_way() -> bool | None:
        latest = json.loads(shop.state.read_text())["checkpoint"]["latest"]
        kinds = {item["resource"]["urn"]: item["type"] for item in latest.get("pending_operations") or ()}
        return True if kinds == {f"{URN}slow": "creating"} and "quick" in shop.rows() else None

    until(under_way, what="the slow creation in the state, the quick one done")
    below = children(engine.pid)
    assert any("sleep" in Path(f"/proc/{pid}/cmdline").read_text() for pid in below)
    assert len(below) >= 3
    engine.kill()
    engine.communicate()
    until(lambda: None if any(map(alive, below)) else True, what="the end of program, plugins and scripts")
    locked = shop.up()
    assert locked.code == 1
    assert f"(pid {engine.pid})" in locked.err
    assert shop.run("cancel", "--yes").code == 0
    shop.program("Command('quick', create='echo hi')\nCommand('slow', create='echo done')\n")
    ran = shop.up()
    assert ran.code == 0
    assert "interrupted while creating" in ran.out
    assert shop.rows()["slow"]["outputs"]["stdout"] == "done"
    assert "+ 1 created" in ran.out
    assert shop.run("refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--non-interactive").code == 0
    assert "pending_operations" not in json.loads(shop.state.read_text())["checkpoint"]["latest"]


def test_a_second_up_is_refused_while_the_first_runs(shop: Shop) -> None:
    """And a preview is not."""
    flag = shop.folder / "go"
    shop.program(f"Command('waits', create='until test -e {flag}; do sleep 0.05; done')\n")
    first = shop.start("up", "--yes", "--skip-preview", "--non-interactive")
    try:
        until(lambda: True if list((shop.folder / "state").rglob("locks/*/*/*/*.json")) else None, what="a lock")
        refused = shop.up()
        assert refused.code == 1
        assert re.search(rf"locked by 1 lock.*\n.*@.* \(pid {first.pid}\) at ", refused.err)
        assert shop.run("preview", "--non-interactive").code == 0
    finally:
        flag.touch()
        out, _ = first.communicate(timeout=60)
    assert first.returncode == 0, out
    assert shop.up().code == 0


def test_an_interrupted_up_saves_what_was_done_and_releases_the_lock(shop: Shop) -> None:
    """Nothing more begins, and the exit code says canceled."""
    flag = shop.folder / "go"
    shop.program(
        f"one = Command('one', create='until test -e {flag}; do sleep 0.05; done')\n"
        "Command('two', create='true', opts=O(depends_on=[one]))\n"
    )
    engine = shop.start("up", "--yes", "--skip-preview", "--non-interactive")
    until(lambda: True if "pending_operations" in shop.state.read_text() else None, what="a creation under way")
    engine.send_signal(signal.SIGINT)
    flag.touch()
    out, _ = engine.communicate(timeout=60)
    assert engine.returncode == 8, out
    assert "update canceled" in out
    assert "two" not in shop.rows()
    assert not list((shop.folder / "state").rglob("locks/*/*/*/*.json"))
    assert shop.up().code == 0
    assert "two" in shop.rows()


@pytest.mark.parametrize("verb", ["up", "destroy"])
def test_a_second_interrupt_stops_at_once(shop: Shop, verb: str) -> None:
    """What ran stays in the state as under way, nothing that the engine started is left, and the end is told in words."""
    slow = "exec sleep 600"
    if verb == "up":
        shop.program(f"Command('slow', create={slow!r})\n")
    else:
        shop.program(f"Command('slow', create='true', delete={slow!r})\n")
        assert shop.up().code == 0
    engine = shop.start(verb, "--yes", "--skip-preview", "--non-interactive")
    until(lambda: True if "pending_operations" in shop.state.read_text() else None, what="an operation under way")
    below = children(engine.pid)
    engine.send_signal(signal.SIGTERM)
    engine.send_signal(signal.SIGINT)
    out, _ = engine.communicate(timeout=60)
    assert engine.returncode == 8, out
    assert "Traceback" not in out
    assert "error: update canceled" in out
    until(lambda: None if any(map(alive, below)) else True, what="the end of every child")
    assert not list((shop.folder / "state").rglob("locks/*/*/*/*.json"))


@pytest.mark.parametrize("setting", ["default", "explicit"])
def test_a_real_cloud_is_refused_before_anything_is_made_there(shop: Shop, setting: str) -> None:
    """By input or by default; a preview may look."""
    provider = "" if setting == "default" else ", opts=O(provider=hcloud.Provider('mine', token='a' * 64))"
    shop.program(f"import pulumi_hcloud as hcloud\nhcloud.SshKey('k', public_key='ssh-ed25519 AAAA x'{provider})\n")
    shop.run("config", "set", "--secret", "hcloud:token", given="a" * 64)
    ran = shop.up()
    assert ran.code == 1
    name = "default_1_43_3" if setting == "default" else "mine"
    assert (
        f"provider {name}: endpoint https://api.hetzner.cloud/v1, allowed: a lab's API on a loopback address; "
        "use Pulumi itself for a real cloud" in ran.out
    )
    assert set(shop.rows()) <= {"shop-dev"}


def test_a_stack_of_a_real_cloud_is_not_destroyed_either(shop: Shop) -> None:
    """The state names the endpoint; nothing is deleted, not even what is no cloud's."""
    shop.program("Command('here', create='true')\n")
    assert shop.up().code == 0
    exported = json.loads(shop.run("stack", "export").out)
    provider = {
        "urn": "urn:pulumi:dev::shop::pulumi:providers:hcloud::edge",
        "custom": True,
        "id": "1",
        "type": "pulumi:providers:hcloud",
        "inputs": {"endpoint": "https://api.hetzner.cloud/v1"},
    }
    exported["deployment"]["resources"].append(provider)
    assert shop.run("stack", "import", given=json.dumps(exported)).code == 0
    ran = shop.run("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert ran.code == 1
    assert "provider edge: endpoint https://api.hetzner.cloud/v1, allowed: a lab's API" in ran.out
    assert "here" in shop.rows()


def test_a_plugin_nobody_has_is_named_with_the_place_where_it_would_be(shop: Shop) -> None:
    """The remedy is in the message."""
    shop.program("pulumi.CustomResource('random:index:Id', 'r', {})\n")
    ran = shop.up()
    assert ran.code == 1
    assert re.search(r"plugin random v.*: not found, allowed: installed at .*, or one that comes with", ran.out)


def test_declining_at_the_terminal_changes_nothing(shop: Shop) -> None:
    """Without a terminal `--yes` is asked for; the preview is not run in vain."""
    shop.program("Command('a', create='true')\n")
    ran = shop.run("up", "--non-interactive")
    assert ran.code == 2
    assert "--yes or --skip-preview or --preview-only must be passed in" in ran.err
    assert shop.rows() == {}


def test_a_preview_as_json_is_one_document(shop: Shop) -> None:
    """With steps, counts and nothing secret; what stays is left out but for the stack."""
    shop.program("Command('a', create='true', environment={'K': pulumi.Output.secret('hush')})\n")
    document: dict[str, Any] = json.loads(shop.run("preview", "--json").out)
    assert [(step["op"], step["urn"].rsplit("::", 1)[1]) for step in document["steps"]] == [
        ("create", "shop-dev"),
        ("create", "a"),
    ]
    assert document["steps"][1]["newState"]["inputs"]["environment"] == {"K": "[secret]"}
    assert document["changeSummary"] == {"create": 2}
    assert shop.up().code == 0
    again = json.loads(shop.run("preview", "--json", "--expect-no-changes").out)
    assert [step["op"] for step in again["steps"]] == ["same"]
    assert again["changeSummary"] == {"same": 2}


def test_a_fault_of_the_program_shows_the_users_lines_only(shop: Shop) -> None:
    """Cut to the program's own file; a RunError shows its text alone."""
    shop.program("def inner():\n    raise ValueError('oops')\n\ninner()\n")
    ran = shop.up()
    assert ran.code == 1
    assert "Program failed with an unhandled exception:" in ran.out
    assert re.search(r'File ".*__main__\.py", line 7, in <module>', ran.out)
    assert "ValueError: oops" in ran.out
    assert "launcher" not in ran.out
    shop.program("raise pulumi.RunError('first\\nsecond')\n")
    ran = shop.up()
    assert ran.code == 1
    assert "error: first\n    second" in ran.out
    assert "Traceback" not in ran.out
    assert "program exited with non-zero exit code: 1" in ran.out


def test_the_program_cannot_see_the_engines_modules(shop: Shop) -> None:
    """Its imports are those of its own folder and environment."""
    shop.program(
        "import importlib.util, os, sys\n"
        "pulumi.export('sees', [n for n in ('lab', 'journal', 'rows') if importlib.util.find_spec(n)])\n"
        "import beside\n"
        "pulumi.export('beside', beside.X)\n"
        "pulumi.export('stdin', sys.stdin.read())\n"
    )
    (shop.work / "beside.py").write_text("X = 1\n")
    ran = shop.up()
    assert ran.code == 0, ran.out
    assert json.loads(shop.run("stack", "output", "--json").out) == {"beside": 1, "sees": [], "stdin": ""}


def test_what_a_program_starts_does_not_inherit_configuration(shop: Shop) -> None:
    """Secrets of the configuration are for the program alone; nor does a command see the passphrase."""
    shop.run("config", "set", "--secret", "token", given="k3y-of-config")
    shop.program(
        "import subprocess\n"
        "pulumi.export('got', pulumi.Config().require_secret('token').apply(len))\n"
        "seen = subprocess.run(['env'], capture_output=True, text=True).stdout\n"
        "pulumi.export('leaks', 'k3y' in seen)\n"
        "pulumi.export('command', Command('env', create='env | grep -c PASSPHRASE || true').stdout)\n"
    )
    ran = shop.up()
    assert ran.code == 0, ran.out
    shown = json.loads(shop.run("stack", "output", "--json", "--show-secrets").out)
    assert shown == {"got": 13, "leaks": False, "command": "0"}


def test_what_the_program_prints_is_shown_and_fails_nothing(shop: Shop) -> None:
    """Standard output and standard error alike."""
    shop.program("import sys\nprint('to out')\nprint('to err', file=sys.stderr)\n")
    ran = shop.up()
    assert ran.code == 0
    assert "to out" in ran.out
    assert "to err" in ran.out


def test_continuing_on_error_does_what_does_not_depend_on_it(shop: Shop) -> None:
    """The dependent is skipped, the rest is made, and the run has failed all the same."""
    shop.program(
        "bad = Command('bad', create='exit 1')\n"
        "Command('after-bad', create='true', opts=O(depends_on=[bad]))\n"
        "ok = Command('ok', create='true')\n"
        "Command('after-ok', create='true', opts=O(depends_on=[ok]))\n"
    )
    assert shop.up("--continue-on-error").code == 1
    assert {"ok", "after-ok"} <= shop.rows().keys()
    assert not {"bad", "after-bad"} & shop.rows().keys()


def test_continuing_on_error_deletes_nothing_that_failed(shop: Shop) -> None:
    """A resource whose update failed keeps its row, and so does what hangs on it, asked for or not."""
    text = (
        "base = Command('base', create='echo 1')\n"
        "hung = Command('hung', create=base.stdout.apply(lambda out: f'echo {out}'))\n"
    )
    shop.program(text)
    assert shop.up().code == 0
    shop.program(text.replace("create='echo 1'", "create='echo 1', update='exit 4'"))
    assert shop.up("--continue-on-error").code == 1
    assert {"base", "hung"} <= shop.rows().keys()
    shop.program(text.replace("echo 1", "echo 2"))
    assert shop.up().code == 0
    assert shop.rows()["hung"]["inputs"]["create"] == "echo 2"


def test_an_exported_state_comes_back(shop: Shop) -> None:
    """Revealed, imported and concealed again, it is a `same` for everything."""
    shop.program("Command('a', create='true', environment={'K': pulumi.Output.secret('hush')})\n")
    assert shop.up().code == 0
    exported = shop.run("stack", "export", "--show-secrets").out
    assert "hush" in exported
    assert shop.run("stack", "import", given=exported).code == 0
    assert "hush" not in shop.state.read_text()
    assert shop.up("--expect-no-changes").code == 0


def test_a_stack_comes_and_goes(shop: Shop) -> None:
    """With resources it stays unless forced; unknown ones have their own exit code."""
    shop.program("Command('a', create='true')\n")
    assert shop.up().code == 0
    kept = shop.run("stack", "rm", "--yes")
    assert kept.code == 1
    assert "still has resources" in kept.err
    gone = shop.run("destroy", "--yes", "--skip-preview", "--non-interactive", "--remove")
    assert gone.code == 0, gone.out
    assert shop.run("stack", "ls", "--json").out == "[]\n"
    missing = shop.run("up", "-s", "dev", "--yes", "--skip-preview")
    assert (missing.code, missing.err) == (6, "error: no stack named 'dev' found\n")


def test_unprotecting_lets_a_resource_go(shop: Shop) -> None:
    """Until then it is refused; other resources go."""
    shop.program("Command('kept', create='true', opts=O(protect=True))\n")
    assert shop.up().code == 0
    assert shop.run("destroy", "--yes", "--skip-preview", "--non-interactive").code == 1
    assert shop.run("state", "unprotect", f"{URN}kept", "--yes").code == 0
    assert shop.run("destroy", "--yes", "--skip-preview", "--non-interactive").code == 0
    assert shop.rows() == {}


def test_configuration_is_set_shown_and_removed(shop: Shop) -> None:
    """Flags before or after, secrets hidden, paths typed."""
    shop.run("config", "set", "plain", "x")
    shop.run("config", "set", "hidden", "--secret", "hush")
    shop.run("config", "set", "--path", "deep.list[0]", "7")
    shop.run("-C", str(shop.work), "config", "set", "--path", "deep.key", "--secret", "quiet")
    shown = json.loads(shop.run("config", "--json").out)
    assert shown == {
        "shop:plain": {"value": "x", "secret": False},
        "shop:hidden": {"secret": True},
        "shop:deep": {"secret": True},
    }
    assert shop.run("config", "get", "hidden").out == "hush\n"
    assert shop.run("config", "get", "--path", "deep.key").out == "quiet\n"
    assert shop.run("config", "get", "deep").out == '{"key":"quiet","list":[7]}\n'
    assert shop.run("config", "rm", "plain").code == 0
    missing = shop.run("config", "get", "plain")
    assert (missing.code, missing.err) == (
        1,
        "error: configuration key 'plain' not found for stack 'dev'\n",
    )
    assert "hush" not in (shop.work / "Pulumi.dev.yaml").read_text()


def test_a_refresh_forgets_nothing_that_is_there(shop: Shop) -> None:
    """What nobody can look at stays; the next update finds nothing to do."""
    shop.program("pulumi.Stash('s', input='x')\nCommand('a', create='true')\n")
    assert shop.up().code == 0
    ran = shop.run("refresh", "--yes", "--skip-preview", "--non-interactive")
    assert ran.code == 0, ran.out
    assert shop.up("--expect-no-changes").code == 0


def test_a_stack_reads_another_ones_outputs_and_keeps_its_secrets(shop: Shop) -> None:
    """A secret output stays one on the other side."""
    shop.program("pulumi.export('open', 'x')\npulumi.export('hidden', pulumi.Output.secret('hush'))\n")
    assert shop.up().code == 0
    assert shop.run("stack", "init", "other").code == 0
    shop.program(
        "there = pulumi.StackReference('organization/shop/dev')\n"
        "pulumi.export('seen', there.get_output('open'))\n"
        "pulumi.export('still', there.get_output('hidden'))\n"
    )
    assert shop.up().code == 0
    assert json.loads(shop.run("stack", "output", "--json").out) == {"seen": "x", "still": "[secret]"}


def test_the_wrapper_is_the_engine_from_any_folder_by_any_link(shop: Shop, tmp_path: Path) -> None:
    """It finds its own place, and leaves nothing of it to the program."""
    link = tmp_path / "pulumi"
    link.symlink_to(ROOT / "bin" / "pulumi")
    shop.program("import os\npulumi.export('path', os.environ.get('PYTHONPATH', ''))\n")
    environment = shop.environment()
    environment["PYTHONPATH"] = "/mine"
    done = subprocess.run(
        [link, "up", "-y", "-f", "--non-interactive"],
        cwd=shop.work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(shop.run("stack", "output", "--json").out) == {"path": "/mine"}

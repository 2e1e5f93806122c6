"""What a person on call meets around a run: each in one message that says where, what and what to do; the state stays.

A port that is taken is the lab's to refuse: tests/machines/test_refusals.py, tests/first_light/test_refused.py.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.engine.runs import URN, Shop, foreign
from tests.engine.vectors import ENGINE

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.lab

STACK_URN = "urn:pulumi:dev::mart::pulumi:pulumi:Stack::shop-dev"
STATE_BYTES = 40_000


def cut(text: str) -> str:
    """Return the first half of a state, ending inside a word."""
    return text[: text.index('"urn"', len(text) // 2) + 2]


def emptied(text: str) -> str:
    """Return what a crash of the file system leaves of a state."""
    del text
    return ""


def newer(text: str) -> str:
    """Return the state in a format that is still to come."""
    return text.replace('"version":3', '"version":9', 1)


def twice(text: str) -> str:
    """Return the state with one row copied."""
    document = json.loads(text)
    document["checkpoint"]["latest"]["resources"] *= 2
    return json.dumps(document)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            cut,
            (
                "state {state}: damaged (Unterminated string starting at: line 1 column {last} (char {before_last})), "
                "allowed: a checkpoint as JSON; put dev.json.bak or a file of {backups} in its place"
            ),
        ),
        (
            emptied,
            (
                "state {state}: damaged (Expecting value: line 1 column 1 (char 0)), "
                "allowed: a checkpoint as JSON; put dev.json.bak or a file of {backups} in its place"
            ),
        ),
        (
            foreign,
            (
                f"state {{state}}: {STACK_URN} is of stack mart/dev, allowed: of shop/dev; "
                "use that project and stack, or put dev.json.bak or a file of {backups} in its place"
            ),
        ),
        (newer, "state: format 9, allowed: 3 and 4; use the engine that wrote it, or a newer one"),
        (
            twice,
            (
                "state {state}: urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev stands there twice, allowed: a whole "
                "state; put dev.json.bak or a file of {backups} in its place"
            ),
        ),
    ],
)
def test_a_state_that_is_not_this_stacks_own_is_refused_and_kept(
    shop: Shop, damage: Callable[[str], str], message: str
) -> None:
    """In one line, by every operation, before the program runs; what the message says to do puts it right."""
    shop.program("open('ran', 'a').close()\npulumi.export('a', 1)\n")
    assert shop.up().code == 0
    whole = shop.state.read_text()
    bad = damage(whole)
    shop.state.write_text(bad)
    (shop.work / "ran").unlink()
    backups = shop.folder / "state" / ".pulumi" / "backups" / "shop" / "dev"
    said = message.format(state=shop.state, backups=backups, last=len(bad) - 1, before_last=len(bad) - 2)
    for verb in ("up", "preview", "refresh", "destroy"):
        ran = shop.run(verb, "--non-interactive", *(() if verb == "preview" else ("--yes", "--skip-preview")))
        assert (ran.code, ran.err) == (1, f"error: {said}\n")
        assert not ran.out
    assert not (shop.work / "ran").exists()
    assert shop.state.read_text() == bad
    assert [path.read_text() for path in backups.iterdir()] == [whole]
    (backup,) = backups.iterdir()
    shop.state.write_text(backup.read_text())
    assert shop.up("--expect-no-changes").code == 0


@pytest.mark.parametrize("verb", ["up", "preview", "refresh", "destroy"])
def test_a_wrong_passphrase_changes_nothing(shop: Shop, verb: str) -> None:
    """It is refused before the program runs, and the message names where it was taken from."""
    shop.program("pulumi.export('a', pulumi.Output.secret(1))\n")
    assert shop.up().code == 0
    shop.program("open('ran', 'a').close()\npulumi.export('a', pulumi.Output.secret(2))\n")
    before = shop.state.read_text()
    flags = () if verb == "preview" else ("--yes", "--skip-preview")
    ran = shop.run(verb, "--non-interactive", *flags, PULUMI_CONFIG_PASSPHRASE="wrong")
    assert (ran.code, ran.out, ran.err) == (
        1,
        "",
        (
            "error: PULUMI_CONFIG_PASSPHRASE: incorrect passphrase, allowed: the one that this stack was made with; "
            "set it in PULUMI_CONFIG_PASSPHRASE, or name a file that holds it in PULUMI_CONFIG_PASSPHRASE_FILE\n"
        ),
    )
    assert shop.state.read_text() == before
    assert not (shop.work / "ran").exists()
    assert not list((shop.folder / "state" / ".pulumi" / "locks").rglob("*.json"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"wrong\n",
            (
                "PULUMI_CONFIG_PASSPHRASE_FILE ({file}): incorrect passphrase, allowed: the one that this stack was made "
                "with; set it in PULUMI_CONFIG_PASSPHRASE, or name a file that holds it in PULUMI_CONFIG_PASSPHRASE_FILE"
            ),
        ),
        (
            None,
            (
                "PULUMI_CONFIG_PASSPHRASE_FILE: {file} (no such file or directory), allowed: a file that holds the "
                "passphrase; name it there"
            ),
        ),
        (
            b"\xff\xfe",
            (
                "PULUMI_CONFIG_PASSPHRASE_FILE: {file} (no UTF-8 text), allowed: a file that holds the passphrase; "
                "name it there"
            ),
        ),
    ],
)
def test_a_passphrase_file_that_is_wrong_or_missing_is_named(shop: Shop, content: bytes | None, message: str) -> None:
    """By its place and never by what it holds; with the right one in it the same command works."""
    shop.program("pulumi.export('a', 1)\n")
    before = shop.state.read_text()
    file = shop.folder / "passphrase"
    if content is not None:
        file.write_bytes(content)
    arguments = ("up", "--yes", "--skip-preview", "--non-interactive")
    environment = shop.environment(PULUMI_CONFIG_PASSPHRASE_FILE=str(file))
    del environment["PULUMI_CONFIG_PASSPHRASE"]

    def up() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ENGINE, *arguments],
            cwd=shop.work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    refused = up()
    assert (refused.returncode, refused.stderr) == (1, f"error: {message.format(file=file)}\n")
    assert shop.state.read_text() == before
    file.write_text("correct horse\n")
    assert up().returncode == 0


@pytest.mark.parametrize(
    ("when", "method"), [("create", "Create"), ("update", "Update"), ("delete", "Delete")], ids=lambda part: part
)
def test_a_plugin_that_dies_is_an_error_that_names_it(shop: Shop, when: str, method: str) -> None:
    """Not a hang: what was done before stays in the state, and the next run finishes."""
    before = {"create": "", "update": "Command('a', create='true')\n", "delete": ""}[when]
    killing = {
        "create": "Command('a', create='kill -9 $PPID', opts=O(depends_on=[first]))\n",
        "update": "Command('a', create='echo', update='kill -9 $PPID', opts=O(depends_on=[first]))\n",
        "delete": "",
    }[when]
    if when == "delete":
        before = "Command('a', create='true', delete='kill -9 $PPID')\n"
    first = "first = Command('first', create='true')\n"
    shop.program(first + before)
    assert shop.up().code == 0
    held = shop.rows()
    shop.program(first + killing)
    ran = shop.up()
    assert ran.code == 1
    assert (
        f"error: plugin command: died with signal 9 during {method}, allowed: an answer; it may have been done or not: "
        "run `farshore repair`, then the same command with --refresh\n"
    ) in ran.out
    assert "command:local:Command (a):" in ran.out
    assert "Traceback" not in ran.out + ran.err
    after = shop.rows()
    assert after["first"] == held["first"]
    assert after.get("a") == held.get("a")
    shop.program(first)
    if when == "delete":
        latest = json.loads(shop.state.read_text())
        rows = {row["urn"].rsplit("::", 1)[1]: row for row in latest["checkpoint"]["latest"]["resources"]}
        rows["a"]["inputs"]["delete"] = rows["a"]["outputs"]["delete"] = "true"
        shop.state.write_text(json.dumps(latest))
    assert shop.up("--refresh").code == 0
    assert "a" not in shop.rows()


def test_a_state_that_can_not_be_written_ends_the_run_with_the_last_one_whole(shop: Shop) -> None:
    """It says what was under way; nothing more begins, and with room again the same command finishes."""
    shop.program(
        "first = Command('first', create='true')\n"
        f"big = Command('big', create='head -c {STATE_BYTES} /dev/zero | tr \"\\\\0\" x', opts=O(depends_on=[first]))\n"
        "Command('after', create='true', opts=O(depends_on=[big]))\n"
    )
    ran = subprocess.run(
        ["prlimit", f"--fsize={STATE_BYTES}", *ENGINE, "up", "--yes", "--skip-preview", "--non-interactive"],
        cwd=shop.work,
        env=shop.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    (told,) = (line for line in ran.stdout.splitlines() if "can't be written" in line)
    kib = told.partition("room for ")[2].partition(" ")[0]
    assert int(kib) * 1024 > STATE_BYTES
    assert told.strip() == (
        f"error: state {shop.state}: can't be written (file too large), allowed: room for {kib} KiB more; "
        "the state before stays, with what was under way; make room and run the command again"
    )
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "first" in shop.rows()
    assert not {"big", "after"} & shop.rows().keys()
    pending = json.loads(shop.state.read_text())["checkpoint"]["latest"]["pending_operations"]
    assert [(item["type"], item["resource"]["urn"]) for item in pending] == [("creating", f"{URN}big")]
    assert {path.name for path in shop.state.parent.iterdir()} == {"dev.json", "dev.json.bak"}
    again = shop.up()
    assert again.code == 0, again.out
    assert {"first", "big", "after"} <= shop.rows().keys()

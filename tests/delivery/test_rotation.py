"""Keys rotate while visitors are answered and hosts run: by three edits of the stack file, or by one command.

```text
                  51820  fs0 ═══════ fs0g0  generation 1    routes ──┐ moved by the second edit
  visitor ─► falkenstein                 press                       ▼
                  51821  fs1 ═══════ fs0g1  generation 2
```
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import Blackhole
from tests.delivery.test_key import ssh
from tests.first_light.deployed import FARSHORE, ROOT, UP_WITHIN_S, farshore, redo_firewall, undo_firewall

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
INNER = {"falkenstein": "10.0.0.2", "press": "10.0.0.1"}
PROBE = (
    "set -eu; umask 077; {{ ip link add probe type wireguard 2>/dev/null || wireguard-go probe >/dev/null 2>&1; }}; "
    "cat >/run/probe.conf; wg setconf probe /run/probe.conf; rm /run/probe.conf; ip link set up dev probe"
)
INITIATION_BYTES = 148


def ways(live: Live, name: str) -> list[str]:
    """Return the interfaces by which a host reaches its peer: the one that it uses, then the one behind it."""
    said = json.loads(live.says(name, "ip", "-j", "route", "show", INNER[name]))
    return [one["dev"] for one in sorted(said, key=lambda one: int(one.get("metric", 0)))]


def handshakes(live: Live, name: str) -> dict[str, int]:
    """Return when each interface of a host last shook hands."""
    lines = live.says(name, "wg", "show", "all", "latest-handshakes").splitlines()
    return {one.split("\t")[0]: int(one.split("\t")[2]) for one in lines}


def secrets_of(live: Live, name: str) -> set[str]:
    """Return the private and shared keys in a host's files."""
    return set(live.says(name, "sh", "-c", "cat /etc/farshore/keys/*").split())


def answered(live: Live, private: str, shared: str, public: str) -> bool:
    """Tell whether the shield's newer interface answers whoever holds a private and a shared key, from press's address.

    It is asked at least twice; press's own firewall, which would not let it out, is away meanwhile.
    """
    press = live.machine("press")
    given = (
        f"[Interface]\nPrivateKey = {private}\nListenPort = 51830\n[Peer]\nPublicKey = {public}\nPresharedKey = {shared}\n"
        f"AllowedIPs = 10.0.0.1/32\nEndpoint = {live.host('falkenstein').ipv4}:51821\nPersistentKeepalive = 1\n"
    )
    undo_firewall(press, "press")
    try:
        press.run(["sh", "-c", PROBE.format()], given=given, check=True)

        def seen() -> tuple[int, int] | None:
            _, received, sent = press.run(["wg", "show", "probe", "transfer"], check=True).stdout.split()
            return (int(received), int(sent)) if int(received) or int(sent) > INITIATION_BYTES else None

        return until(seen, 30, "an answer, or a second initiation")[0] > 0
    finally:
        press.run(["ip", "link", "del", "probe"])
        redo_firewall(press)


def test_three_edits_rotate_every_key_and_no_request_is_lost(live: Live, tmp_path: Path) -> None:
    """Stage, switch, prune: each is told to running hosts, traffic moves by route, and the old keys open nothing."""
    servers, old = live.servers(), {name: secrets_of(live, name) for name in INNER}
    private = live.says("press", "cat", "/etc/farshore/keys/fs0g0.key").strip()
    shared = live.says("press", "cat", "/etc/farshore/keys/fs0g0-falkenstein.psk").strip()
    (tmp_path / "old").mkdir()
    shield, former = f"root@{live.host('falkenstein').ipv4}", live.delivery_key("falkenstein", tmp_path / "old")
    assert ssh(live, former, shield, "status").returncode == 0
    with live.visited(tmp_path) as answers:
        live.changed(generations=[1, 2])
        assert ways(live, "falkenstein") == ["fs0", "fs1"]
        assert ways(live, "press") == ["fs0g0", "fs0g1"]
        for name in INNER:
            assert "FAILS" not in live.says(name, "farshore-host", "prove")
            assert min(handshakes(live, name).values()) > 0

        live.changed(active=2)
        assert ways(live, "falkenstein") == ["fs1", "fs0"]
        assert ways(live, "press") == ["fs0g1", "fs0g0"]

        live.changed(generations=[2], active=None)
    assert set(answers) == {"200"}
    assert ways(live, "falkenstein") == ["fs1"]
    assert ways(live, "press") == ["fs0g1"]
    assert live.servers() == servers
    assert "Permission denied" in ssh(live, former, shield, "status").stderr
    assert ssh(live, live.delivery_key("falkenstein", tmp_path), shield, "status").returncode == 0
    for name in INNER:
        assert json.loads(live.says(name, "farshore-host", "status"))["drift"] == []
    new = {name: secrets_of(live, name) for name in INNER}
    for name in INNER:
        assert not new[name] & old[name]
        assert len(new[name]) == len(old[name])
        assert live.says(name, "ls", "/etc/wireguard").split() == [f"{ways(live, name)[0]}.conf"]
        kept = live.says(name, "sh", "-c", "cat /var/lib/farshore/host/*.json /var/lib/farshore/host/kept/*")
        assert not [key for key in (*old[name], *new[name]) if key in kept]
    public = live.says("falkenstein", "wg", "show", "fs1", "public-key").strip()
    assert not answered(live, private, shared, public)
    private = live.says("press", "cat", "/etc/farshore/keys/fs0g1.key").strip()
    shared = live.says("press", "cat", "/etc/farshore/keys/fs0g1-falkenstein.psk").strip()
    assert answered(live, private, shared, public)
    assert live.page()


def keys(live: Live) -> tuple[list[int], int]:
    """Return the generations in the stack file, and the active one."""
    config = live.config()
    standing = config.get("farshore:generations", [1])
    return standing, config.get("farshore:active", standing[0])


def where(live: Live) -> tuple[str, ...]:
    """Return the flags that name the deployment to `farshore rotate`."""
    return ("--lab", live.name, "--config-file", str(live.file))


def rotated(live: Live, *flags: str) -> str:
    """Rotate, and return what was said."""
    done = farshore("rotate", *where(live), *flags, within_s=2 * UP_WITHIN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def interrupted(live: Live) -> str:
    """Rotate, interrupt it as Ctrl-C does once it has edited the stack file, and return what was said."""
    before = live.file.read_bytes()
    process = subprocess.Popen(
        [str(FARSHORE), "rotate", *where(live)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        until(lambda: live.file.read_bytes() != before or None, 120, "an edit of the stack file")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=UP_WITHIN_S)
    assert process.returncode != 0, said
    return said


@pytest.mark.long
def test_stopped_in_each_step_the_same_command_goes_on(live: Live, tmp_path: Path) -> None:
    """Interrupted right after each edit, it brings that step to its end; every answer is there, no key is left."""
    (before,), _ = keys(live)
    old, servers = {name: secrets_of(live, name) for name in INNER}, live.servers()
    with live.visited(tmp_path) as answers:
        for expected in (
            ([before, before + 1], before),
            ([before, before + 1], before + 1),
            ([before + 1], before + 1),
        ):
            interrupted(live)
            assert keys(live) == expected
            said = rotated(live, "--one")
            assert "to be finished at" in said
            assert keys(live) == expected
    assert set(answers) == {"200"}
    assert f"rotated: generation {before + 1} stands alone" in said
    assert live.servers() == servers
    for name in INNER:
        new = secrets_of(live, name)
        assert new
        assert not new & old[name]
        assert not [key for key in new | old[name] if key in said]
    assert live.host("press").ipv4 not in said


@pytest.mark.long
def test_the_command_rotates_all_and_names_what_still_has_the_old_keys(live: Live, tmp_path: Path) -> None:
    """Every step is said and proven; what purges the former states' copies purges them, and the next `up` works."""
    (before,), _ = keys(live)
    with live.visited(tmp_path) as answers:
        said = rotated(live)
    assert set(answers) == {"200"}
    lines = [line.strip() for line in said.splitlines()]
    steps = [line for line in lines if line.startswith(("stage:", "switch:", "drained:", "prune:", "rotated:"))]
    assert [line.partition(":")[0] for line in steps] == ["stage", "switch", "drained", "prune", "rotated"]
    proofs = [int(line.rpartition(" ")[2]) for line in lines if line.startswith("proven at both ends")]
    assert proofs == [before, before + 1, before + 1, before + 1]
    assert keys(live) == ([before + 1], before + 1)
    purge = next(line for line in lines if line.startswith("rm -rf -- "))
    former = [line for line in lines if line.endswith("to purge these:")]
    assert len(former) == 1
    subprocess.run(["sh", "-c", purge], check=True)
    assert not list((live.lab.folder / "pulumi" / "state" / ".pulumi").rglob("*.bak"))
    live.changed()
    assert live.page()


@pytest.mark.long
def test_each_step_but_the_last_is_taken_back(live: Live, tmp_path: Path) -> None:
    """From the switch to the stage, from the stage to where it began, with the same keys and no request lost."""
    (before,), _ = keys(live)
    old, names = {name: secrets_of(live, name) for name in INNER}, {name: ways(live, name) for name in INNER}
    with live.visited(tmp_path) as answers:
        rotated(live, "--one")
        rotated(live, "--one")
        assert keys(live) == ([before, before + 1], before + 1)
        assert all(ways(live, name)[1:] == names[name] for name in INNER)
        rotated(live, "--back")
        assert keys(live) == ([before, before + 1], before)
        assert all(ways(live, name)[:1] == names[name] for name in INNER)
        rotated(live, "--back")
    assert set(answers) == {"200"}
    assert keys(live) == ([before], before)
    for name in INNER:
        assert secrets_of(live, name) == old[name]
        assert ways(live, name) == names[name]
    refused = farshore("rotate", *where(live), "--back")
    assert refused.returncode == 2
    assert "the keys before it are gone" in refused.stderr


def test_a_host_that_can_not_be_told_keeps_the_command_from_beginning(live: Live) -> None:
    """It is named, the stack file is as it was, and nothing is deployed."""
    live.change(origins__press__ssh="off")
    try:
        before = live.file.read_bytes()
        refused = farshore("rotate", *where(live))
        assert refused.returncode == 2
        assert "farshore:origins.press.ssh: answers no SSH of delivery's" in refused.stderr
        assert live.file.read_bytes() == before
    finally:
        live.change(origins__press__ssh=None)


@pytest.mark.long
def test_a_reboot_in_the_middle_ends_with_the_same_generation_at_both_ends(live: Live) -> None:
    """A host comes up as it was told last, with both its tunnels."""
    (before,), _ = keys(live)
    rotated(live, "--one")
    rotated(live, "--one")
    leading = ways(live, "press")
    press = live.machine("press")
    pid = press.leader_pid
    press.run(["systemctl", "reboot"])
    until(lambda: press.leader_pid not in {None, pid} or None, 60, "another first process")
    press.wait_born()
    until(lambda: len(live.says("press", "wg", "show", "interfaces").split()) == 2 or None, 60, "both its interfaces")
    assert ways(live, "press") == leading
    assert live.page()
    assert "prune" in rotated(live, "--one")
    assert keys(live) == ([before + 1], before + 1)


@pytest.mark.long
def test_traffic_stays_where_it_is_while_the_new_tunnel_does_not_carry_it(live: Live) -> None:
    """Packets of full size are lost: the shield says so before it moves anything, and later the command finishes."""
    (before,), _ = keys(live)
    live.changed(generations=[before, before + 1])
    leading = {name: ways(live, name) for name in INNER}
    live.change(active=before + 1)
    with live.lab.inject(Blackhole(live.host("press").server_name, larger_than_bytes=1400)):
        done = live.up()
        said = done.stdout + done.stderr
        assert done.returncode != 0
        lost = "packets of 1420 bytes are lost, small ones are not; traffic stays where it is"
        assert re.search(rf"tunnel {leading['falkenstein'][1]} to press, \S+: {lost}", said), said
        assert "nothing was touched" in said
        assert {name: ways(live, name) for name in INNER} == leading
        assert live.page()
    assert "to be finished at falkenstein, press" in rotated(live)
    assert keys(live) == ([before + 1], before + 1)

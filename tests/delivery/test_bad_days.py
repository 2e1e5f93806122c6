"""What goes wrong on a bad day: nothing is lost, what is said names the host, and the same or the named command mends it.

```text
  operator 192.0.2.20 ──ssh──► falkenstein ──ssh in the tunnel──► press
```
"""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import CutPower
from tests.delivery.test_key import ssh
from tests.delivery.test_rotation import INNER, keys, rotated, secrets_of, where
from tests.first_light.deployed import FARSHORE, ROOT, UP_WITHIN_S, farshore
from tests.host_live.bundles import applied, standing
from tests.host_live.test_changes import TABLE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
LAPTOP = base64.b64encode(bytes([24]) * 32).decode()
OPERATOR = {"slot": 201, "public_key": LAPTOP, "reach": ["press/web"]}
AGAIN = ("--replace", "**::farshore-delivery-edge.falkenstein-*")
# All that a disk has of Farshore, and of what it makes systemd start.
PARTS = "etc/farshore etc/wireguard etc/systemd/system etc/ssh etc/sysctl.d var/lib/farshore usr/local/sbin"
# Kills the connection of delivery's as soon as the host is in the middle of a change: what was is kept, the marker is there.
CUT = """
import glob, os, signal

MARKER = "/var/lib/farshore/host/pending.json"
PROGRAM = [b"/usr/local/sbin/farshore-host", b"ssh"]

def words(path):
    try:
        return open(path, "rb").read().rstrip(b"\\0").split(b"\\0")[-2:]
    except (FileNotFoundError, ProcessLookupError):
        return []

while not (found := [path for path in glob.glob("/proc/[0-9]*/cmdline") if words(path) == PROGRAM]):
    pass
pid = int(found[0].split("/")[2])
while not os.path.exists(MARKER):
    os.kill(pid, 0)
os.kill(pid, signal.SIGSTOP)
session = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
assert b"sshd" in open(f"/proc/{session}/cmdline", "rb").read(), session
os.kill(session, signal.SIGKILL)
os.kill(pid, signal.SIGCONT)
"""


def snapshot(live: Live, name: str) -> None:
    """Keep what a host's disk has today."""
    live.says(
        name, "sh", "-c", f"umask 077; tar -C / -cf /root/snapshot.tar $(cd /; ls -d {PARTS} etc/haproxy 2>/dev/null)"
    )


def restore(live: Live, name: str) -> None:
    """Have a host boot with the disk of that day."""
    machine = live.machine(name)
    pid = machine.leader_pid
    there = f"{PARTS} etc/haproxy"
    machine.run(
        ["sh", "-c", f"cd / && rm -rf {there} && tar -xf /root/snapshot.tar && rm /root/snapshot.tar && sync"],
        check=True,
    )
    machine.run(["systemctl", "reboot"])
    until(lambda: machine.leader_pid not in {None, pid} or None, 120, f"another first process of {name}")
    machine.wait_born()
    up = {"running", "degraded"}
    until(lambda: machine.run(["systemctl", "is-system-running"]).stdout.strip() in up or None, 180, f"{name} up")


def state_of(live: Live, name: str) -> tuple[str, list[str]]:
    """Return what a host says of itself: confirmed or pending, and its drift."""
    found = json.loads(live.says(name, "farshore-host", "status"))
    return found["state"], found["drift"]


def deploying(live: Live) -> subprocess.Popen[str]:
    """Begin an `up` of the stack file as it is."""
    return subprocess.Popen(
        [str(FARSHORE), "lab", "up", "--name", live.name, "--stack-file", str(live.file)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def deployed(live: Live, *flags: str) -> subprocess.CompletedProcess[str]:
    """Deploy the stack file as it is, whether or not a page is there afterwards."""
    live.work.prepare(live.file, live.lab.tokens)
    return subprocess.run(
        live.work.command("up", "--yes", "--skip-preview", *flags, *live.work.where),
        cwd=ROOT,
        env=live.work.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * UP_WITHIN_S,
    )


@pytest.mark.long
def test_a_connection_that_is_cut_in_the_middle_of_a_change_costs_another_up(live: Live, tmp_path: Path) -> None:
    """The host goes on to the end of its switch and waits for a confirmation; `up` says which host, and again does it."""
    servers = live.servers()
    with live.visited(tmp_path) as answers:
        live.change(operators__laptop=OPERATOR)
        cutting = live.machine("falkenstein").start(["python3", "-c", CUT], output=tmp_path / "cut")
        up = deploying(live)
        said, _ = up.communicate(timeout=UP_WITHIN_S)
        assert cutting.wait(30) == 0, (tmp_path / "cut").read_text()
        assert up.returncode != 0, said
        assert "farshore-delivery-edge.falkenstein-apply" in said
        # It is the old one or, unconfirmed, the new one; whole in either case.
        until(lambda: state_of(live, "falkenstein")[1] == [] or None, 60, "the switch is over")
        done = live.up()
        assert done.returncode == 0, done.stdout + done.stderr
    assert set(answers) == {"200"}
    assert LAPTOP in live.peers("falkenstein")
    assert live.servers() == servers
    assert {name: state_of(live, name) for name in INNER} == dict.fromkeys(INNER, ("confirmed", []))
    live.changed(operators__laptop=None)


def test_a_change_that_closes_the_way_in_is_taken_back_by_the_host(live: Live, tmp_path: Path) -> None:
    """Sound for every parser, and no new connection can be made to confirm it: the host is what it was, by itself."""
    machine, key = live.machine("falkenstein"), live.delivery_key("falkenstein", tmp_path)
    shield, told = f"root@{live.host('falkenstein').ipv4}", standing(machine)
    assert ssh(live, key, shield, "status").returncode == 0
    closing = told.changed(TABLE, "tcp dport 22 ip saddr", "tcp dport 2222 ip saddr")
    applied(machine, closing, "--confirm-within-s", "12")
    assert "timed out" in ssh(live, key, shield, "status").stderr
    assert live.page()
    until(lambda: state_of(live, "falkenstein") == ("confirmed", []) or None, 120, "taken back", every_s=1)
    assert standing(machine) == told
    assert ssh(live, key, shield, "status").returncode == 0


@pytest.mark.long
def test_an_up_that_closes_its_own_way_in_leaves_the_host_as_it_was(live: Live) -> None:
    """The provider's firewall is told first, so that nobody reaches the host; mended in the stack file, `up` finishes."""
    (network,) = live.config()["farshore:shields"]["falkenstein"]["ssh"]
    before = live.says("falkenstein", "cat", TABLE)
    live.change(shields__falkenstein__ssh=["203.0.113.9/32"])
    done = live.up()
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "farshore-delivery-edge.falkenstein-" in said
    assert "failed attempts" in said
    assert live.page()
    assert live.says("falkenstein", "cat", TABLE) == before
    live.changed(shields__falkenstein__ssh=[network])
    assert live.page()


@pytest.mark.long
def test_a_rotation_waits_for_an_origin_that_is_off_and_it_comes_back_to_its_keys(live: Live) -> None:
    """The command names it and begins nothing; by hand the switch is refused as long as it has not been told."""
    (before,), _ = keys(live)
    press, own = live.machine("press"), secrets_of(live, "press")
    servers = live.servers()
    with live.lab.inject(CutPower(live.host("press").server_name)):
        until(lambda: press.leader_pid is None or None, 60, "no machine")
        refused = farshore("rotate", *where(live), within_s=UP_WITHIN_S)
        assert refused.returncode == 2
        assert "press" in refused.stderr
        assert keys(live) == ([before], before)
        live.change(origins__press__ssh="off", generations=[before, before + 1])
        staged = deployed(live)
        assert staged.returncode == 0, staged.stdout + staged.stderr
        live.change(active=before + 1)
        told = deployed(live)
        assert told.returncode != 0
        assert f"farshore:active: {before + 1}, whose keys press has not been told" in told.stdout + told.stderr
        live.change(active=None)
    press.wait_born()
    live.changed(origins__press__ssh=None, generations=[before])
    assert live.page(within_s=120)
    assert secrets_of(live, "press") == own
    assert live.servers() == servers


@pytest.mark.long
def test_a_shield_restored_from_a_snapshot_is_told_everything_again(live: Live) -> None:
    """`up` knows nothing of it; named, its commands run again, and it has what it was told since."""
    snapshot(live, "falkenstein")
    servers = live.servers()
    live.changed(operators__laptop=OPERATOR)
    restore(live, "falkenstein")
    assert LAPTOP not in live.peers("falkenstein")
    assert live.page(within_s=120)
    live.changed()
    assert LAPTOP not in live.peers("falkenstein")
    live.work.run(["up", "--yes", "--skip-preview", *AGAIN, *live.work.where])
    assert LAPTOP in live.peers("falkenstein")
    assert state_of(live, "falkenstein") == ("confirmed", [])
    assert live.servers() == servers
    live.changed(operators__laptop=None)


@pytest.mark.long
@pytest.mark.parametrize("name", ["press", "falkenstein"])
def test_a_host_that_comes_back_with_keys_from_before_a_rotation_is_shut_out_until_it_is_replaced(
    live: Live, name: str
) -> None:
    """Its old keys open nothing, the other end says so, delivery can't reach it, and `farshore replace` mends it."""
    other = next(one for one in INNER if one != name)
    snapshot(live, name)
    rotated(live)
    restore(live, name)
    live.gone(within_s=240)
    proof = live.machine(other).run(["farshore-host", "prove"], within_s=120)
    assert proof.returncode == 1
    assert f" to {name}, {INNER[other]}: no answer" in proof.stdout
    # Not its `…-wait`, which dials a hundred times: it is for a host that is being born.
    account = {"falkenstein": "edge", "press": "vault"}[name]
    again = [
        "up",
        "--yes",
        "--skip-preview",
        "--replace",
        f"**::farshore-delivery-{account}.{name}-apply",
        *live.work.where,
    ]
    done = subprocess.run(
        live.work.command(*again), cwd=ROOT, env=live.work.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert f"farshore-delivery-{account}.{name}-" in done.stdout + done.stderr
    replaced = farshore("replace", name, *where(live), "--yes", within_s=2 * UP_WITHIN_S)
    assert replaced.returncode == 0, replaced.stdout + replaced.stderr
    assert live.page(within_s=180)
    assert state_of(live, name) == ("confirmed", [])
    live.changed()

"""Whatever goes wrong, the host is what it was or what it is told, whole, and the same command finishes.

The points at which a program is stopped are found by a wrapper of this room: it runs the host's own program with
every write, sync, rename, removal and started program counted, and ends it before one of them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import Blackhole, FillDisk
from tests.host.stories import key
from tests.host_live.bundles import HOST, Bundle, applied, apply, confirmed, rolled_back, standing, status
from tests.host_live.test_changes import CONF, HAPROXY, TABLE, peers, with_peer

if TYPE_CHECKING:
    from lab.client import MachineSpot
    from tests.first_light.deployed import Deployed

pytestmark = pytest.mark.lab

LAST = 6  # points at the end of an apply, where files go that nobody is told of any more
SSHD = "/etc/ssh/sshd_config.d/10-farshore.conf"
STOPPING = f"""
import errno, os, signal, subprocess, sys
how, at = sys.argv.pop(1), int(sys.argv.pop(1))
count = 0

def counted(real, spends_room):
    def point(*words, **more):
        global count
        if how == "full" and not spends_room:
            return real(*words, **more)
        count += 1
        if count == at and how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if count == at:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*words, **more)
    return point

for name in ("rename", "unlink", "fsync", "mkdir", "sync", "open", "rmdir"):
    setattr(os, name, counted(getattr(os, name), name in ("fsync", "mkdir")))
subprocess.Popen.__init__ = counted(subprocess.Popen.__init__, False)
sys.argv[0] = "{HOST}"
try:
    exec(compile(open("{HOST}").read(), "{HOST}", "exec"), {{"__name__": "__main__"}})
finally:
    print(f"points: {{count}}", file=sys.stderr)
"""


def stopped_at(machine: MachineSpot, bundle: Bundle, how: str, at: int) -> tuple[int, str]:
    """Apply a bundle with the program stopped at one point; return its exit code, and what it said."""
    words = ["python3", "-I", "-B", "/run/stopping.py", how, str(at), "apply"]
    done = machine.run(words, given=bundle.sealed, within_s=240)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def wrapped(shield: MachineSpot) -> MachineSpot:
    """Return the shield with the wrapper on it."""
    shield.run(["tee", "/run/stopping.py"], given=STOPPING, check=True)
    return shield


def rich(told: Bundle) -> Bundle:
    """Return a bundle that changes something of each kind: a peer, the table, the proxy, a unit, a removed file."""
    timer = "[Timer]\nOnBootSec=1h\n[Install]\nWantedBy=timers.target\n"
    unit = "[Unit]\nDescription=x\n[Service]\nType=oneshot\nExecStart=/bin/true\n"
    return (
        with_peer(told, 4, "10.0.0.77")
        .changed(TABLE, "counter name ping accept", 'counter name ping accept comment "rich"')
        .changed(HAPROXY, "timeout queue 10s", "timeout queue 11s")
        .added("/etc/systemd/system/farshore-rich.timer", timer)
        .added("/etc/systemd/system/farshore-rich.service", unit)
        .without("/etc/farshore/tunnel.env")
        .said(units=[*told.document["units"], "farshore-rich.timer"])
    )


def is_old(machine: MachineSpot, told: Bundle) -> None:
    """State that a host is what it was, whole: files, what runs, and nothing kept of what was tried."""
    found = status(machine)
    assert (found["state"], found["digest"], found["drift"]) == ("confirmed", told.digest, [])
    assert standing(machine) == told
    assert key(4) not in peers(machine)
    assert machine.run(["systemctl", "is-enabled", "farshore-rich.timer"]).stdout != "enabled\n"
    assert machine.run(["test", "-e", "/var/lib/farshore/host/old"]).returncode == 1


def is_new(machine: MachineSpot, bundle: Bundle) -> None:
    """State that a host is what it was told, whole, and unconfirmed."""
    found = status(machine)
    assert (found["state"], found["digest"], found["drift"]) == ("pending", bundle.digest, [])
    assert key(4) in peers(machine)
    assert machine.run(["systemctl", "is-active", "farshore-rich.timer"]).stdout == "active\n"
    assert machine.run(["test", "-e", "/etc/farshore/tunnel.env"]).returncode == 1


def points(machine: MachineSpot, bundle: Bundle, how: str) -> int:
    """Return how many points there are, from a run that is stopped at none."""
    code, said = stopped_at(machine, bundle, how, 0)
    assert code == 0, said
    rolled_back(machine)
    return int(re.findall(r"points: (\d+)", said)[-1])


def kill_at_each(machine: MachineSpot, told: Bundle, step: int) -> None:
    """Kill `apply` before every so many-th point and its last; the same command finishes, what is taken back is whole."""
    bundle = rich(told)
    count = points(machine, bundle, "kill")
    assert count >= 20 * 4, count
    for at in sorted({*range(1, count + 1, step), *range(count - LAST, count + 1)}):
        code, said = stopped_at(machine, bundle, "kill", at)
        assert code in {-9, 137}, (at, code, said)
        applied(machine, bundle)
        is_new(machine, bundle)
        rolled_back(machine)
        is_old(machine, told)


def test_a_program_that_is_killed_leaves_what_the_same_command_finishes(wrapped: MachineSpot, told: Bundle) -> None:
    """At some of its points; all of them take minutes."""
    kill_at_each(wrapped, told, 43)


@pytest.mark.long
def test_killed_at_any_point_it_leaves_what_the_same_command_finishes(wrapped: MachineSpot, told: Bundle) -> None:
    """Each file that is written, synced, renamed or removed, and each program that is started."""
    kill_at_each(wrapped, told, 1)


@pytest.mark.long
@pytest.mark.parametrize("step", [17, 1])
def test_killed_and_left_alone_it_is_taken_back_by_hand_or_timer(wrapped: MachineSpot, told: Bundle, step: int) -> None:
    """Whatever the point: what the timer runs makes the host what it was."""
    bundle = rich(told)
    for at in range(1, points(wrapped, bundle, "kill") + 1, step * 3):
        stopped_at(wrapped, bundle, "kill", at)
        rolled_back(wrapped)
        wrapped.run([HOST, "apply"], given=told.sealed, check=True)
        is_old(wrapped, told)


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.long)])
def test_a_disk_that_fills_in_the_middle_takes_it_back(wrapped: MachineSpot, told: Bundle, step: int) -> None:
    """At each place that needs room the host says so, and is what it was; then there is room, and it is done."""
    bundle = rich(told)
    count = points(wrapped, bundle, "full")
    assert count >= 20
    for at in range(1, count, step):
        code, said = stopped_at(wrapped, bundle, "full", at)
        assert code == 2, (at, said)
        assert "No space left on device" in said, (at, said)
        assert "nothing was touched" in said or "taken back" in said, (at, said)
        wrapped.run([HOST, "rollback"], check=True)
        is_old(wrapped, told)


def test_a_full_disk_is_said_and_nothing_is_touched(pair: Deployed, shield: MachineSpot, told: Bundle) -> None:
    """Really full; with room again the same command does it."""
    bundle = rich(told)
    with pair.lab.inject(FillDisk(shield.name)):
        done = apply(shield, bundle)
        assert done.returncode == 2
        assert "No space left on device, allowed: room on the disk; nothing was touched" in done.stderr
        assert key(4) not in peers(shield)
    applied(shield, bundle)
    is_new(shield, bundle)


def test_time_takes_it_back(shield: MachineSpot, told: Bundle) -> None:
    """Nobody confirms: the timer does it, by itself, and the journal says what; a confirmed one stays."""
    bundle = rich(told)
    applied(shield, bundle, "--confirm-within-s", "10")
    until(lambda: True if status(shield)["state"] == "confirmed" else None, 60, "taken back by the timer", every_s=1)
    is_old(shield, told)
    said = shield.run(["journalctl", "-o", "cat", "-u", "farshore-undo.service"]).stdout
    assert f"taken back: {bundle.digest}" in said
    applied(shield, bundle, "--confirm-within-s", "10")
    confirmed(shield, bundle)
    assert shield.run(["systemctl", "is-active", "farshore-undo.timer"]).stdout == "inactive\n"
    assert status(shield)["state"] == "confirmed"


def booted(machine: MachineSpot) -> None:
    """Reboot a host, and wait until it is there again."""
    pid = machine.leader_pid
    machine.run(["systemctl", "reboot"])
    until(lambda: machine.leader_pid not in {None, pid} or None, 60, "another first process")
    machine.wait_born(120)
    until(
        lambda: machine.run(["systemctl", "is-system-running"]).stdout.strip() in {"running", "degraded"} or None,
        90,
        "up",
    )


def test_a_boot_while_unconfirmed_boots_what_was_there(pair: Deployed, shield: MachineSpot, told: Bundle) -> None:
    """Before the firewall and the tunnels come up; a boot of what is confirmed boots that."""
    bundle = rich(told)
    applied(shield, bundle)
    booted(shield)
    is_old(shield, told)
    assert "taken back" in shield.run(["journalctl", "-b", "-o", "cat", "-u", "farshore-rollback.service"]).stdout
    pair.page()
    applied(shield, bundle)
    confirmed(shield, bundle)
    booted(shield)
    found = status(shield)
    assert (found["state"], found["digest"], found["drift"]) == ("confirmed", bundle.digest, [])
    assert key(4) in peers(shield)


def test_a_boot_applies_no_user_data_again_and_leaves_none_on_the_disk(origin: MachineSpot) -> None:
    """The host key, the files and the record are the same; no file of cloud-init's holds a key, before or after."""
    private = origin.run(["cat", "/etc/farshore/keys/fs0g0.key"], check=True).stdout.strip()
    places = "/var/lib/cloud /run/cloud-init /var/log /tmp /var/tmp"
    look = ["sh", "-c", f"grep -rlsF -e '{private}' -e 'PRIVATE KEY' {places}"]
    proof = [
        "sh",
        "-c",
        "sha256sum /etc/ssh/ssh_host_ed25519_key; stat -c '%n %y' /etc/farshore/farshore.nft /opt/press/press.py; ls /var/lib/cloud/instances",
    ]
    before = origin.run(proof, check=True).stdout
    assert before.count("\n") == 4
    for _ in range(2):
        assert origin.run(look).stdout == ""
        assert status(origin)["leftovers"] == []
        booted(origin)
    assert origin.run(proof, check=True).stdout == before
    assert "iid-datasource-none" not in before


def test_leftovers_are_seen_and_wiped(origin: MachineSpot) -> None:
    """The twin: what is there is named, and then it is not there."""
    (folder,) = origin.run(["sh", "-c", "echo /var/lib/cloud/instances/*"]).stdout.split()
    origin.run(["tee", f"{folder}/user-data.txt"], given="PRIVATE KEY\n", check=True)
    assert status(origin)["leftovers"] == [f"{folder}/user-data.txt"]
    assert origin.run([HOST, "wipe-leftovers"], check=True).stdout == "nothing of the user data is left\n"
    assert origin.run(["stat", "-c", "%s", f"{folder}/user-data.txt"]).stdout == "0\n"


def test_of_many_at_once_one_is_at_it_and_the_host_is_whole(shield: MachineSpot, told: Bundle) -> None:
    """The others are told who; what is there afterwards is one of them."""
    bundles = [with_peer(told, 10 + number, f"10.0.0.{80 + number}") for number in range(5)]
    shield.run(["mkdir", "-p", "/run/many"], check=True)
    for number, bundle in enumerate(bundles):
        shield.run(["tee", f"/run/many/{number}"], given=bundle.sealed, check=True)
    script = (
        f"cd /run/many; for n in 0 1 2 3 4; do {HOST} apply <$n >$n.said 2>&1 & done; wait; cat *.said; rm -r /run/many"
    )
    said = shield.run(["sh", "-c", script], within_s=240).stdout
    assert re.search(r"farshore-host: apply \(process \d+\) is at it, allowed: one at a time; try again", said), said
    found = status(shield)
    assert found["drift"] == []
    assert found["digest"] in {bundle.digest for bundle in bundles}


@pytest.mark.parametrize(
    ("path", "change", "said"),
    [
        (TABLE, ("policy drop", "policy dorp"), r"/etc/farshore/farshore.nft: nft refuses line \d+"),
        (HAPROXY, ("mode http", "mode htpp"), r"/etc/haproxy/haproxy.cfg: haproxy refuses it: .*htpp"),
        (SSHD, ("LoginGraceTime 20", "LoginGraceTime soon"), r"/etc/ssh/sshd_config.d/10-farshore.conf: sshd refuses it: .* line \d+: invalid time value"),
        (CONF, ("Table = off", "PostUp = reboot"), r"/etc/wireguard/fs0.conf: line 5: nothing that the program knows"),
        (
            "/etc/systemd/system/farshore-nftables.service", ("ExecReload=/usr", "ExecReload=usr"),
            r"/etc/systemd/system/farshore-nftables.service: systemd-analyze refuses it",
        ),
    ],
)  # fmt: skip
def test_what_a_parser_refuses_touches_nothing(
    shield: MachineSpot, told: Bundle, path: str, change: tuple[str, str], said: str
) -> None:
    """The real parsers, before the switch; of a secret file only the line's number is said."""
    done = apply(shield, told.changed(path, *change))
    assert done.returncode == 2
    assert re.search(said, done.stderr), done.stderr
    assert "dorp" not in done.stderr
    is_old(shield, told)


@pytest.mark.parametrize(
    ("path", "change", "fails"),
    [
        (CONF, ("AllowedIPs = 10.0.0.2/32", "AllowedIPs = 10.0.0.222/32"), "FAILS tunnel fs0 to press, 10.0.0.222: no answer"),
        (TABLE, ('oifname { "fs*", "fm*" } goto into_tunnel', 'oifname { "fm*" } goto into_tunnel'), "FAILS tunnel fs0 to press, 10.0.0.2: no answer"),
    ],
    ids=["allowed-ips", "firewall"],
)  # fmt: skip
def test_what_is_sound_and_breaks_a_tunnel_proves_itself_wrong(
    pair: Deployed, told: Bundle, path: str, change: tuple[str, str], fails: str
) -> None:
    """Every parser takes it; `prove` names what fails, and after the rollback the page is there again."""
    shield = pair.machine("falkenstein")
    applied(shield, told.changed(path, *change))
    done = shield.run([HOST, "prove"], within_s=90)
    assert done.returncode == 1
    assert fails in done.stdout, done.stdout
    rolled_back(shield)
    assert shield.run([HOST, "prove"], within_s=90).returncode == 0
    pair.page()


@pytest.mark.long
def test_an_edge_that_sends_its_visitors_nowhere_proves_itself_wrong(pair: Deployed, told: Bundle) -> None:
    """Haproxy takes it and the tunnel is sound; what has an answer keeps it, or delivery takes the change back."""
    shield = pair.machine("falkenstein")
    proven = shield.run([HOST, "prove"], within_s=90).stdout
    assert "ok    domain secure.example.com\nok    domain www.example.com\n" in proven
    astray = told.changed(HAPROXY, "10.0.0.2:8080", "10.0.0.2:8081")
    done = shield.run(["env", "SSH_ORIGINAL_COMMAND=apply", HOST, "ssh"], given=astray.sealed, within_s=240)
    assert done.returncode == 2
    assert "FAILS domain www.example.com: nobody to send it to\n" in done.stdout, done.stdout
    assert "secure.example.com" not in done.stdout
    is_old(shield, told)
    pair.page()


@pytest.mark.long
def test_who_had_no_answer_before_does_not_keep_a_change_back(pair: Deployed, told: Bundle) -> None:
    """An origin that is down for a day: `prove` says so, and its shield can be told what it likes meanwhile."""
    shield, origin = pair.machine("falkenstein"), pair.machine("press")
    origin.run(["systemctl", "stop", "press.service"], check=True)
    try:
        until(
            lambda: "FAILS domain www" in shield.run([HOST, "prove"], within_s=90).stdout or None, 60, "nobody answers"
        )
        change = with_peer(told, 7, "10.0.0.77")
        done = shield.run(["env", "SSH_ORIGINAL_COMMAND=apply", HOST, "ssh"], given=change.sealed, within_s=240)
        assert done.returncode == 0, done.stdout + done.stderr
        rolled_back(shield)
    finally:
        origin.run(["systemctl", "start", "press.service"], check=True)
    until(lambda: shield.run([HOST, "prove"], within_s=90).returncode == 0 or None, 60, "it answers again")


@pytest.mark.long
def test_an_mtu_that_its_path_does_not_carry_is_named(pair: Deployed, shield: MachineSpot, told: Bundle) -> None:
    """Small packets pass and those of full size do not: the former MTU just fits, the new one is 20 bytes too much."""
    with pair.lab.inject(Blackhole(shield.name, larger_than_bytes=1480)):
        assert shield.run([HOST, "prove"], within_s=90).returncode == 0
        applied(shield, told.changed(CONF, "MTU = 1420", "MTU = 1440"))
        said = shield.run([HOST, "prove"], within_s=90).stdout
        assert "FAILS tunnel fs0 to press, 10.0.0.2: packets of 1440 bytes are lost, small ones are not\n" in said
        rolled_back(shield)
        assert shield.run([HOST, "prove"], within_s=90).returncode == 0


def test_a_step_that_fails_takes_it_back_at_once(shield: MachineSpot, told: Bundle) -> None:
    """A unit that systemd accepts and can't start: the reason, and the host as it was."""
    unit = (
        "[Unit]\nDescription=x\n[Service]\nType=oneshot\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n"
    )
    bundle = (
        with_peer(told, 4, "10.0.0.77")
        .added("/etc/systemd/system/farshore-x.service", unit)
        .said(units=[*told.document["units"], "farshore-x.service"])
    )
    done = apply(shield, bundle)
    assert done.returncode == 2
    assert "started: farshore-x.service: systemctl: Job for farshore-x.service failed" in done.stderr
    assert done.stderr.endswith("taken back\n")
    assert shield.run(["systemctl", "reset-failed"]).returncode == 0
    is_old(shield, told)


def test_a_bundle_for_another_host_is_refused(shield: MachineSpot, told: Bundle) -> None:
    """Name and stack; nothing of it is echoed."""
    done = apply(shield, told.said(host="press"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bundle.host: not this host's, allowed: falkenstein; send it to its own host\n"


def test_a_digest_that_is_not_pending_is_not_confirmed(shield: MachineSpot, told: Bundle) -> None:
    """The pending one is, and once more; another is refused with the right one."""
    bundle = with_peer(told, 4, "10.0.0.77")
    applied(shield, bundle)
    wrong = shield.run([HOST, "confirm", told.digest])
    assert wrong.returncode == 2
    assert wrong.stderr == f"confirm: another digest, allowed: {bundle.digest}, pending; confirm that\n"
    confirmed(shield, bundle)
    confirmed(shield, bundle)


def test_the_seed_takes_the_whole_program_from_the_first_bundle(shield: MachineSpot, told: Bundle) -> None:
    """Where user data had no room for it: the bundle that brings it is applied at once, and nothing else changes."""
    from cloud_init.program import SEED, render_program

    whole = shield.run(["cat", HOST], check=True).stdout
    shield.run(
        ["sh", "-c", f"cat >{HOST}; rm -r /var/lib/farshore/host/confirmed.json"],
        given=render_program(SEED),
        check=True,
    )
    assert shield.run([HOST, "status"]).returncode == 2
    damaged = shield.run([HOST, "apply"], given=told.sealed[:-9])
    assert (damaged.returncode, damaged.stderr) == (
        2,
        "bundle: no whole JSON, allowed: as it was rendered; send it again\n",
    )
    done = apply(shield, told)
    assert (done.returncode, done.stdout) == (0, f"unchanged {told.digest}\n"), done.stderr
    assert shield.run(["cat", HOST], check=True).stdout == whole
    assert status(shield)["state"] == "confirmed"


def test_nobody_but_root_learns_anything(shield: MachineSpot, told: Bundle) -> None:
    """Every file of the program's state is root's alone; another user is refused."""
    applied(shield, with_peer(told, 4, "10.0.0.77"))
    assert shield.run(["find", "/var/lib/farshore/host", "-perm", "/077"]).stdout == ""
    done = shield.run([HOST, "status"], user="nobody")
    assert (done.returncode, done.stderr) == (2, "farshore-host: not root, allowed: root; run it as root\n")
    assert json.loads(shield.run([HOST, "status"], check=True).stdout)["state"] == "pending"

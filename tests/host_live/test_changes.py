"""Changes on a host that works: what they name is changed, and nothing else notices.

```text
  visitor ── falkenstein (haproxy, fs0) ══ press (fs0g0, the page)
                 └ peers that each test adds to fs0, with nobody behind them
```
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.host.stories import key
from tests.host_live.bundles import HOST, Bundle, applied, apply, confirmed, rolled_back, standing, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import MachineSpot
    from tests.first_light.deployed import Deployed

pytestmark = pytest.mark.lab

CONF = "/etc/wireguard/fs0.conf"
TABLE = "/etc/farshore/farshore.nft"
HAPROXY = "/etc/haproxy/haproxy.cfg"
PROOFS = """
import json, os, subprocess
record = json.load(open("/var/lib/farshore/host/confirmed.json"))
stats = {file["path"]: [os.stat(file["path"]).st_ino, os.stat(file["path"]).st_mtime_ns] for file in record["files"]}
units = ["haproxy.service", "wg-quick@fs0.service", "farshore-nftables.service", "ssh.service"]
words = ["systemctl", "show", "--property=ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic", *units]
state = "/var/lib/farshore/host"
print(json.dumps([stats, subprocess.run(words, capture_output=True, text=True).stdout,
                  sorted((path, os.stat(f"{state}/{path}").st_mtime_ns) for path in os.listdir(state))]))
"""


def with_peer(told: Bundle, number: int, address: str, *, endpoint: str = "203.0.113.77:51820") -> Bundle:
    """Return a bundle with one peer more, with a shared key and a route."""
    path = f"/etc/farshore/keys/fs0-extra{number}.psk"
    former = told.content(CONF)
    psk = f"PostUp = wg set %i peer {key(number)} preshared-key {path}\nPostUp = ip -4 route replace {address} dev %i src 10.0.0.1\n"
    section = (
        f"\n# extra{number}\n[Peer]\nPublicKey = {key(number)}\nAllowedIPs = {address}/32\nEndpoint = {endpoint}\n"
    )
    text = former.replace("PostUp = ip -4", f"{psk}PostUp = ip -4", 1) + section
    return told.added(path, f"{key(number + 50)}\n", mode="0600", secret=True).changed(CONF, former, text)


def peers(machine: MachineSpot) -> dict[str, list[str]]:
    """Return the peers of the shield's interface: endpoint, AllowedIPs, last handshake, bytes in and out."""
    lines = machine.run(["wg", "show", "fs0", "dump"], check=True).stdout.splitlines()[1:]
    return {line.split("\t")[0]: line.split("\t")[2:7] for line in lines}


def counters(machine: MachineSpot) -> dict[str, int]:
    """Return the packets that each counter of the table has seen."""
    said = json.loads(machine.run(["nft", "-j", "list", "counters", "table", "inet", "farshore"], check=True).stdout)
    found = [one["counter"] for one in said["nftables"] if "counter" in one]
    return {one["name"]: one["packets"] for one in found}


def test_the_first_bundle_of_the_same_plan_changes_nothing(shield: MachineSpot, told: Bundle) -> None:
    """What was told at birth counts: no file is another, no unit has moved, nothing is armed; a changed one is."""
    before = shield.run(["python3", "-c", PROOFS], check=True).stdout
    done = apply(shield, told)
    assert (done.returncode, done.stdout) == (0, f"unchanged {told.digest}\n")
    assert shield.run(["python3", "-c", PROOFS], check=True).stdout == before
    applied(shield, with_peer(told, 4, "10.0.0.77"))
    assert shield.run(["python3", "-c", PROOFS], check=True).stdout != before


def test_peers_come_change_and_go_while_another_talks(shield: MachineSpot, told: Bundle, tmp_path: Path) -> None:
    """Hundreds of pings through press's tunnel, none lost; its counters go on, and its handshake stays."""
    (press,) = peers(shield)
    before = peers(shield)[press]
    log = tmp_path / "pings"
    pinging = shield.start(["ping", "-n", "-i", "0.01", "-c", "600", "-W", "2", "-s", "1392", "10.0.0.2"], output=log)
    one = with_peer(told, 4, "10.0.0.77")
    two = with_peer(one, 5, "10.0.0.78").changed(CONF, "203.0.113.77:51820", "203.0.113.78:51821")
    swapped = two.changed(CONF, "AllowedIPs = 10.0.0.77/32", "AllowedIPs = 10.0.0.79/32")
    for bundle in (one, two, swapped, told):
        applied(shield, bundle)
        confirmed(shield, bundle)
    assert pinging.poll() is None, "the pings were over before the changes"
    pinging.wait(60)
    assert re.search(r"600 packets transmitted, 600 received", log.read_text()), log.read_text()[-300:]
    after = peers(shield)
    assert set(after) == {press}
    assert after[press][:2] == before[:2]
    assert int(after[press][3]) > int(before[3]) + 500 * 1392
    assert int(after[press][2]) >= int(before[2])
    assert shield.run(["ip", "route", "show", "10.0.0.77"]).stdout == ""


def test_a_bundle_is_on_the_host_as_it_says_and_comes_back_by_hand(shield: MachineSpot, told: Bundle) -> None:
    """A new peer with its endpoint, shared key and route, unconfirmed; then nothing of it."""
    applied(shield, with_peer(told, 4, "10.0.0.77"))
    assert peers(shield)[key(4)][:2] == ["203.0.113.77:51820", "10.0.0.77/32"]
    assert key(54) in shield.run(["wg", "show", "fs0", "preshared-keys"]).stdout
    assert shield.run(["ip", "route", "show", "10.0.0.77"]).stdout.startswith("10.0.0.77 dev fs0")
    found = status(shield)
    assert (found["state"], found["drift"], found["pending_for_s"] > 100) == ("pending", [], True)
    assert "nothing was reopened" in rolled_back(shield)
    assert key(4) not in peers(shield)
    assert shield.run(["test", "-e", "/etc/farshore/keys/fs0-extra4.psk"]).returncode == 1


def test_what_a_rollback_reopens_is_named_and_a_revoked_key_stays_out(shield: MachineSpot, told: Bundle) -> None:
    """The same bundle, taken back once with and once without its key among the revoked ones."""
    more = with_peer(told, 4, "10.0.0.77")
    applied(shield, more)
    confirmed(shield, more)
    applied(shield, told)
    said = rolled_back(shield)
    assert "reopened: fs0: peer extra4\n" in said
    assert key(4) in peers(shield)
    applied(shield, told.said(revoked=[key(4)]))
    assert "extra4" not in rolled_back(shield)
    assert key(4) not in peers(shield)
    left = shield.run(
        ["grep", "-rlF", "-e", key(4), "-e", key(54), "/etc/wireguard", "/etc/farshore", "/var/lib/farshore"]
    )
    assert left.stdout == ""
    assert status(shield)["drift"] == []


def test_counters_stay_over_a_changed_table_and_a_rule_added_by_hand_goes(shield: MachineSpot, told: Bundle) -> None:
    """One transaction: what was counted is not forgotten; a chain that nobody wants is gone."""
    before = counters(shield)
    assert before["wg_rx"] > 0
    shield.run(["nft", "add", "chain", "inet", "farshore", "mine"], check=True)
    shield.run(["nft", "add", "rule", "inet", "farshore", "new_in", "tcp", "dport", "23", "goto", "mine"], check=True)
    drift = status(shield)["drift"]
    assert "firewall: chain new_in changed by hand" in drift
    assert "firewall: chain mine added by hand" in drift
    more = told.changed(
        TABLE,
        "icmp type echo-request counter name ping accept",
        'icmp type echo-request counter name ping accept comment "more"',
    )
    assert "table replaced in one transaction" in applied(shield, more)
    after = counters(shield)
    assert all(after[name] >= count for name, count in before.items())
    listed = shield.run(["nft", "list", "table", "inet", "farshore"]).stdout
    assert 'comment "more"' in listed
    assert "chain mine" not in listed
    assert "dport 23" not in listed


def test_what_was_changed_by_hand_is_shown_and_mended_by_the_same_bundle(shield: MachineSpot, told: Bundle) -> None:
    """A peer, an MTU, a route, a unit, a file, a kernel setting; before, nothing is shown."""
    assert status(shield)["drift"] == []
    for words in (
        ["wg", "set", "fs0", "peer", key(7), "allowed-ips", "10.0.0.99/32"],
        ["ip", "link", "set", "mtu", "1300", "dev", "fs0"],
        ["ip", "route", "add", "10.0.0.99/32", "dev", "fs0"],
        ["systemctl", "stop", "haproxy.service"],
        ["sh", "-c", "echo '# mine' >>/etc/ssh/sshd_config.d/10-farshore.conf"],
        ["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"],
    ):
        shield.run(words, check=True)
    drift = status(shield)["drift"]
    assert drift == [
        "file /etc/ssh/sshd_config.d/10-farshore.conf: written by hand",
        "kernel setting net.ipv4.conf.all.rp_filter",
        "fs0: MTU 1420",
        "fs0: peer nobody knows removed",
        "routes: 1 changed",
        "started: haproxy.service",
    ]
    applied(shield, told)
    confirmed(shield, told)
    assert status(shield)["drift"] == []


DRIP = """
import http.server, time
class Drip(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for number in range(80 if self.path == "/drip" else 1):
            self.wfile.write(b"%d\\n" % number)
            self.wfile.flush()
            time.sleep(0.1)
http.server.ThreadingHTTPServer(("10.0.0.2", 8080), Drip).serve_forever()
"""


@pytest.fixture
def dripping(pair: Deployed) -> Iterator[None]:
    """Have the origin answer with a line every tenth of a second."""
    machine = pair.machine("press")
    machine.run(["systemctl", "stop", "press.service"], check=True)
    machine.run(["systemd-run", "--collect", "--unit=drip", "python3", "-c", DRIP], check=True)
    url = "http://www.example.com/"
    until(lambda: True if pair.fetch(url) == "0\n" else None, 30, "the drip behind the shield")
    yield
    machine.run(["systemctl", "stop", "drip.service"], check=True)
    machine.run(["systemctl", "start", "press.service"], check=True)
    pair.page()


@pytest.mark.usefixtures("dripping")
def test_a_download_outlives_a_reload_of_the_proxy(
    pair: Deployed, shield: MachineSpot, told: Bundle, tmp_path: Path
) -> None:
    """Its first process is the same, its connections end when they end, new ones see the new file."""
    pid = shield.run(["systemctl", "show", "--property=MainPID", "haproxy"]).stdout
    log = tmp_path / "body"
    fetching = pair.lab.place("visitor").start(
        ["curl", "-sSN", "--max-time", "60", "http://www.example.com/drip"], output=log
    )
    until(lambda: log.read_text().count("\n") > 3 or None, 20, "the first lines")
    more = told.changed(
        HAPROXY, "\nbackend nobody", "\nbackend more\n    mode http\n    http-request reject\n\nbackend nobody"
    )
    assert "haproxy: reloaded" in applied(shield, more)
    assert fetching.poll() is None
    assert pair.fetch("http://www.example.com/") == "0\n"
    assert fetching.wait(60) == 0
    assert log.read_text() == "".join(f"{number}\n" for number in range(80))
    assert shield.run(["systemctl", "show", "--property=MainPID", "haproxy"]).stdout == pid


def test_an_interface_of_another_generation_comes_beside_the_first_and_goes(shield: MachineSpot, told: Bundle) -> None:
    """Started as at boot, enabled, ended; the first one is never restarted."""
    former = peers(shield)
    started = ["systemctl", "show", "--property=ActiveEnterTimestampMonotonic", "wg-quick@fs0.service"]
    since = shield.run(started).stdout
    conf = (
        "[Interface]\nAddress = 10.0.0.1/32\nListenPort = 51821\nMTU = 1420\nTable = off\n"
        f"PostUp = wg set %i private-key /etc/farshore/keys/fs1.key\n\n# later\n[Peer]\nPublicKey = {key(6)}\nAllowedIPs = 10.0.0.88/32\n"
    )
    two = (
        told.added("/etc/wireguard/fs1.conf", conf, mode="0600", secret=True)
        .added("/etc/farshore/keys/fs1.key", f"{key(60)}\n", mode="0600", secret=True)
        .said(units=[*told.document["units"], "wg-quick@fs1.service"])
    )
    applied(shield, two)
    confirmed(shield, two)
    assert key(6) in shield.run(["wg", "show", "fs1", "peers"], check=True).stdout
    assert shield.run(["systemctl", "is-enabled", "wg-quick@fs1"]).stdout == "enabled\n"
    applied(shield, told)
    confirmed(shield, told)
    assert shield.run(["wg", "show", "fs1"]).returncode != 0
    assert shield.run(["systemctl", "--failed", "--no-legend"]).stdout == ""
    assert peers(shield).keys() == former.keys()
    assert shield.run(started).stdout == since
    assert standing(shield).document["units"] == told.document["units"]
    kept = shield.run(["sh", "-c", "cat /var/lib/farshore/host/kept/*"]).stdout
    assert key(60) not in kept
    assert len(shield.run(["ls", "/var/lib/farshore/host/kept"]).stdout.split()) <= 3


def test_it_says_what_is_proven_and_what_is_not(shield: MachineSpot) -> None:
    """A line for each thing, and an exit code; a unit that is down and a tunnel that is cut are named."""
    done = shield.run([HOST, "prove"])
    assert done.returncode == 0, done.stdout
    assert "ok    tunnel fs0 to press, 10.0.0.2\n" in done.stdout
    assert "ok    firewall: table inet farshore\n" in done.stdout
    shield.run(["systemctl", "stop", "haproxy"], check=True)
    (press,) = peers(shield)
    shield.run(["wg", "set", "fs0", "peer", press, "allowed-ips", ""], check=True)
    done = shield.run([HOST, "prove"], within_s=90)
    assert done.returncode == 1
    assert "FAILS tunnel fs0 to press, 10.0.0.2: no answer\n" in done.stdout
    assert "FAILS unit haproxy.service: inactive\n" in done.stdout


def test_a_table_that_somebody_deleted_is_loaded_again(shield: MachineSpot, told: Bundle) -> None:
    """Nothing of it is there: that is drift, `prove` says so, and the same bundle closes the host again."""
    shield.run(["nft", "delete", "table", "inet", "farshore"], check=True)
    assert "firewall: chain input changed by hand" in status(shield)["drift"]
    done = shield.run([HOST, "prove"])
    assert done.returncode == 1
    assert "FAILS firewall: table inet farshore: not there\n" in done.stdout
    applied(shield, told)
    confirmed(shield, told)
    assert shield.run([HOST, "prove"]).returncode == 0

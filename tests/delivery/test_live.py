"""An edit of the stack file and `up`: the running hosts have it, nobody else notices, and nothing is replaced."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest

from lab.faults.model import Blackhole

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in (21, 22)]
LAPTOP = {"slot": 200, "public_key": KEYS[0], "reach": ["press/web"]}
DOMAIN = "domains__extra.example.com"
TOLD = "told over SSH by this `pulumi up`"


def rows(said: str) -> dict[str, str]:
    """Return what the engine did to each command, by its name; what it left alone is not there."""
    found = re.findall(r"(\+\+|\+-|[+~-])\s+.*?(?:remote:Command|Command)\s+(farshore-delivery-\S+)", said)
    return {name: sign for sign, name in found}


def test_a_second_up_runs_nothing_on_any_host(live: Live) -> None:
    """Hosts were told at birth what the plan says: everything is unchanged, and nobody is connected to."""
    before = {name: live.says(name, "journalctl", "-q", "-t", "sshd", "-o", "cat") for name in ("falkenstein", "press")}
    live.work.run(["preview", "--expect-no-changes", *live.work.where])
    said = live.changed()
    assert rows(said) == {}
    for name, log in before.items():
        assert live.says(name, "journalctl", "-q", "-t", "sshd", "-o", "cat") == log


def test_an_operator_is_let_in_by_the_running_shield_and_put_out_again(live: Live, tmp_path: Path) -> None:
    """One host is told, its other peer keeps its counters, no server is replaced, and no request is lost."""
    servers = live.servers()
    (press,) = live.peers("falkenstein").items()
    program = live.says("falkenstein", "systemctl", "show", "-P", "MainPID", "haproxy.service")
    with live.visited(tmp_path) as answers:
        said = live.changed(operators__laptop=LAPTOP)
    assert set(answers) == {"200"}
    assert f"falkenstein, press: {TOLD}" in said
    peers = live.peers("falkenstein")
    assert set(peers) == {press[0], KEYS[0]}
    assert peers[press[0]].received_bytes > press[1].received_bytes
    assert peers[press[0]].handshake_s >= press[1].handshake_s > 0
    assert live.servers() == servers
    assert live.says("falkenstein", "systemctl", "show", "-P", "MainPID", "haproxy.service") == program
    live.changed(operators__laptop=None)
    assert set(live.peers("falkenstein")) == {press[0]}


def test_a_host_of_whose_bundle_nothing_changes_is_left_alone(live: Live) -> None:
    """A rule of the origin's own is told to the origin: no operation on the shield."""
    said = live.changed(origins__press__egress={"allow": [{"to": "198.51.100.0/24", "ports": [9418]}]})
    assert {name for name in rows(said) if "falkenstein" in name} == set()
    assert {name for name in rows(said) if "press" in name} == {
        "farshore-delivery-vault.press-apply",
        "farshore-delivery-vault.press-confirm",
    }
    assert "9418" in live.says("press", "nft", "list", "table", "inet", "farshore")
    live.changed(origins__press__egress=None)
    assert "9418" not in live.says("press", "nft", "list", "table", "inet", "farshore")


@pytest.mark.long
def test_nobody_is_told_while_the_stack_file_says_so(live: Live) -> None:
    """No connection is made, and the preview says who waits; taken out again, the next `up` tells it."""
    before = {name: live.says(name, "journalctl", "-q", "-t", "sshd", "-o", "cat") for name in ("falkenstein", "press")}
    said = live.changed(operators__laptop=LAPTOP, delivery="none")
    assert "falkenstein, press: told nothing while farshore:delivery is none" in said
    for name, log in before.items():
        assert live.says(name, "journalctl", "-q", "-t", "sshd", "-o", "cat") == log
    assert KEYS[0] not in live.peers("falkenstein")
    assert f"falkenstein, press: {TOLD}" in live.changed(delivery=None)
    assert KEYS[0] in live.peers("falkenstein")
    live.changed(operators__laptop=None)


def test_what_was_changed_by_hand_is_put_right_where_the_host_is_told_once_more(live: Live, tmp_path: Path) -> None:
    """An `up` has nothing to do, since nothing that was told changed; named, the host's commands run again."""
    press = next(iter(live.peers("falkenstein")))
    live.says("falkenstein", "wg", "set", "fs0", "peer", KEYS[1], "allowed-ips", "10.0.0.99/32")
    live.says("falkenstein", "ip", "route", "add", "10.0.0.99/32", "dev", "fs0")
    assert json.loads(live.says("falkenstein", "farshore-host", "status"))["drift"] != []
    live.changed()
    assert set(live.peers("falkenstein")) == {press, KEYS[1]}
    again = ["--replace", "**::farshore-delivery-edge.falkenstein-*"]
    with live.visited(tmp_path) as answers:
        live.work.run(["up", "--yes", "--skip-preview", *again, *live.work.where])
    assert set(answers) == {"200"}
    assert set(live.peers("falkenstein")) == {press}
    found = json.loads(live.says("falkenstein", "farshore-host", "status"))
    assert (found["drift"], found["state"]) == ([], "confirmed")
    live.work.run(["preview", "--expect-no-changes", *live.work.where])


@pytest.mark.long
def test_ports_domains_and_sizes_change_while_visitors_are_answered(live: Live, tmp_path: Path) -> None:
    """A second service port, a domain for it and another MTU, all in one edit."""
    servers, before = live.servers(), live.mtu_bytes("falkenstein")
    with live.visited(tmp_path) as answers:
        live.changed(
            origins__press__services__extra={"port": 9000},
            shields__falkenstein__wireguard={"mtu_bytes": 1300},
            **{DOMAIN: {"origin": "press", "service": "web", "tls": "none"}},
        )
    assert set(answers) == {"200"}
    assert {live.mtu_bytes("falkenstein"), live.mtu_bytes("press")} == {1300} != {before}
    assert "9000" in live.says("press", "nft", "list", "table", "inet", "farshore")
    assert "extra.example.com" in live.says("falkenstein", "cat", "/etc/haproxy/haproxy.cfg")
    assert live.page("http://extra.example.com/")
    assert live.servers() == servers
    live.changed(origins__press__services__extra=None, shields__falkenstein__wireguard=None, **{DOMAIN: None})
    assert {live.mtu_bytes("falkenstein"), live.mtu_bytes("press")} == {before}


def test_a_host_that_does_not_prove_itself_is_what_it_was_and_stops_the_rest(live: Live) -> None:
    """Packets of a larger size are lost on the way: the shield says so and takes it back, the origin hears nothing.

    What is said has all that the host wrote, and neither a key nor the origin's public address. Once the way carries
    them, the same command finishes.
    """
    large = live.mtu_bytes("falkenstein")
    live.changed(shields__falkenstein__wireguard={"mtu_bytes": 1300})
    file = live.says("falkenstein", "sha256sum", "/etc/wireguard/fs0.conf")
    live.change(shields__falkenstein__wireguard=None)
    with live.lab.inject(Blackhole(live.host("press").server_name, larger_than_bytes=1400)):
        done = live.up()
        assert done.returncode != 0
        said = done.stdout + done.stderr
        assert "farshore-delivery-edge.falkenstein-apply" in said
        # The engine hides the address in it, which is part of a connection.
        assert re.search(
            rf"FAILS tunnel fs0 to press, \S+: packets of {large} bytes are lost, small ones are not", said
        )
        assert "this host is what it was" in said
        assert "vault.press-apply" not in said
        assert {live.mtu_bytes("falkenstein"), live.mtu_bytes("press")} == {1300}
        assert live.says("falkenstein", "sha256sum", "/etc/wireguard/fs0.conf") == file
        assert live.page()
    for host in ("falkenstein", "press"):
        keys = live.says(host, "sh", "-c", "cat /etc/farshore/keys/*").split()
        assert keys
        assert not [key for key in keys if key in said]
    assert live.host("press").ipv4 not in said
    live.changed()
    assert {live.mtu_bytes("falkenstein"), live.mtu_bytes("press")} == {large}

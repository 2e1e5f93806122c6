"""Two generations at one host: routes that stand behind others, and a gate before traffic moves."""

from __future__ import annotations

import json
import struct
import time
from typing import TYPE_CHECKING

import pytest

from cloud_init.host import prove
from cloud_init.host.commands import Deadline
from cloud_init.host.document import Told
from cloud_init.host.echo import _checksum, _is_answer, _request, echoes
from cloud_init.host.interface import interfaces_of, parse_interface
from cloud_init.host.live import LiveInterface, add_routes
from cloud_init.host.prove import FRESH_S, moved, unproven
from cloud_init.host.steps import plan_steps
from tests.host.stories import LAPTOP, PRESS, conf, key, running, section, told
from tests.trees import GOLDEN

if TYPE_CHECKING:
    from cloud_init.host.live import Live

NOW_S = 1_795_296_000.0
FIRST = "PostUp = ip -4 route replace 10.0.0.2 dev %i src 10.0.0.1\n"
BEHIND = "PostUp = ip -4 route replace 10.0.0.2 metric 4096 dev %i src 10.0.0.1\n"
NEWER = section("press", 12, "10.0.0.2/32", "192.0.2.6:51821")


def pair(old: str, new: str) -> Told:
    """Return a host with two generations: fs0, on which a laptop hangs as well, and fs1.

    Args:
        old: Routes into fs0.
        new: Routes into fs1.
    """
    first = told(conf(PRESS, LAPTOP, routes=old))
    second = conf(NEWER, port=51821, routes=new).replace("/fs0", "/fs1").replace(key(2), key(12))
    files = {
        **first.files,
        "/etc/wireguard/fs1.conf": (0o600, second),
        "/etc/farshore/keys/fs1.key": (0o600, f"{key(5)}\n"),
        "/etc/farshore/keys/fs1-press.psk": (0o600, f"{key(6)}\n"),
    }
    return Told(files, (*first.units, "wg-quick@fs1.service"), first.masked)


STAGED, SWITCHED = pair(FIRST, BEHIND), pair(BEHIND, FIRST)


def alive(what: Told, *, since_s: float = 10.0) -> Live:
    """Return a host on which every peer has shaken hands so long ago."""
    live = running(what)
    for one in live.interfaces.values():
        one.peers = {
            name: type(peer)(**{**peer.__dict__, "handshake_s": int(NOW_S - since_s)})
            for name, peer in one.peers.items()
        }
    return live


def test_a_route_behind_another_is_told_from_it() -> None:
    """Its metric is part of what it is called; the kernel's own in IPv6 is none."""
    found = parse_interface("fs1", STAGED.files["/etc/wireguard/fs1.conf"][1])
    assert found.routes == {"10.0.0.2 metric 4096": ("10.0.0.1", 0)}
    live = {"fs1": LiveInterface()}
    route = {"dev": "fs1", "prefsrc": "fd06::1"}
    rows = [{**route, "dst": "fd06::2", "metric": 1024}, {**route, "dst": "fd06::2", "metric": 4096}]
    add_routes(live, json.dumps(rows))
    assert live["fs1"].routes == {"fd06::2": ("fd06::1", 0), "fd06::2 metric 4096": ("fd06::1", 0)}


def test_every_rendered_interface_is_understood() -> None:
    """What `cloud_init` writes for two generations, the host's program reads: each place once before and once behind."""
    for host in ("falkenstein", "press", "db"):
        folder = GOLDEN / "two-generations" / host / "root/etc/wireguard"
        files = {f"/etc/wireguard/{path.name}": (0o600, path.read_text(encoding="utf-8")) for path in folder.iterdir()}
        routes = [place for one in interfaces_of(files).values() for place in one.routes]
        assert len(routes) == len(set(routes)) > 0
        behind = {place.removesuffix(" metric 4096") for place in routes if place.endswith(" metric 4096")}
        assert behind
        assert behind <= set(routes)


def test_a_switch_is_one_batch_in_which_each_route_takes_the_others_place() -> None:
    """First the one that is used moves, then the one behind it; nothing is deleted, and there is no moment without."""
    (command,) = plan_steps(STAGED, SWITCHED, running(STAGED), {}).commands
    assert command.words == ("ip", "-batch", "-")
    lines = command.given.splitlines()
    assert sorted(lines) == [
        "route replace 10.0.0.2 dev fs1 src 10.0.0.1",
        "route replace 10.0.0.2 metric 4096 dev fs0 src 10.0.0.1",
    ]
    (back,) = plan_steps(SWITCHED, STAGED, running(SWITCHED), {}).commands
    assert sorted(back.given.splitlines()) == [
        "route replace 10.0.0.2 dev fs0 src 10.0.0.1",
        "route replace 10.0.0.2 metric 4096 dev fs1 src 10.0.0.1",
    ]
    assert not plan_steps(STAGED, STAGED, running(STAGED), {})


def test_a_route_behind_that_nobody_wants_any_more_goes_by_its_metric() -> None:
    """The one before it, to the same place, stays."""
    bare = pair(FIRST, "")
    (command,) = plan_steps(STAGED, bare, running(STAGED), {}).commands
    assert command.given == "route del 10.0.0.2 metric 4096 dev fs1\n"


def test_traffic_that_moves_is_that_of_peers_who_are_there_and_were_there() -> None:
    """The peer's own address, on an interface that has the peer already, from one whose handshake is fresh."""
    new = interfaces_of(SWITCHED.files)
    assert moved(new["fs1"], alive(STAGED).interfaces, NOW_S) == {(key(12), "10.0.0.2")}
    assert moved(new["fs0"], alive(STAGED).interfaces, NOW_S) == set()
    assert moved(new["fs1"], alive(STAGED, since_s=FRESH_S + 1).interfaces, NOW_S) == set()
    alone = alive(STAGED)
    alone.interfaces["fs1"].peers.clear()  # it comes with this change, as a device does
    assert moved(new["fs1"], alone.interfaces, NOW_S) == set()


def test_nothing_moves_to_a_tunnel_that_does_not_carry_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet of full size is asked for before the switch, on the tunnel that traffic moves to and on no other."""
    asked: list[tuple[str, str, int]] = []
    answers = {1420: True}

    def echo(name: str, address: str, size_bytes: int, _: float) -> bool:
        asked.append((name, address, size_bytes))
        return answers.get(size_bytes, False)

    monkeypatch.setattr(prove, "echoes", echo)
    monkeypatch.setattr(time, "time", lambda: NOW_S)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert unproven(SWITCHED, alive(STAGED), Deadline(0.5)) == []
    assert asked == [("fs1", "10.0.0.2", 1420)]
    answers[1420] = False
    answers[84] = True
    (fault,) = unproven(SWITCHED, alive(STAGED), Deadline(0.05))
    assert fault == (
        "tunnel fs1 to press, 10.0.0.2: packets of 1420 bytes are lost, small ones are not; traffic stays where it is"
    )
    asked.clear()
    assert unproven(STAGED, alive(STAGED), Deadline(0.05)) == []
    assert asked == []


@pytest.mark.parametrize("six", [False, True])
def test_an_echo_is_recognized_by_its_token_alone(six: bool) -> None:  # noqa: FBT001 - a family
    """The answer has what was sent; somebody else's, a request, and a part of one are not it."""
    token = bytes(range(16))
    packet = _request(token, 1000, six=six)
    assert len(packet) == 1008
    header = b"" if six else bytes([0x45, *[0] * 19])
    answer = header + bytes([129 if six else 0]) + packet[1:]
    assert _is_answer(answer, token, six=six)
    assert not _is_answer(answer, bytes(16), six=six)
    assert not _is_answer(header + packet, token, six=six)
    assert not _is_answer(answer[: len(header) + 20], token, six=six)
    assert not _is_answer(b"", token, six=six)


def test_a_request_in_ipv4_has_the_internets_checksum() -> None:
    """RFC 1071's example, and a packet whose sum is nothing with its checksum in it."""
    assert _checksum(bytes.fromhex("0001f203f4f5f6f7")) == bytes.fromhex("220d")
    packet = _request(bytes(range(16)), 101, six=False)
    assert _checksum(packet) == b"\0\0"
    assert struct.unpack("!BB", packet[:2]) == (8, 0)


@pytest.mark.lab
def test_a_packet_of_full_size_goes_out_in_one_piece_or_not_at_all() -> None:
    """Both families; one byte more than the interface takes is not sent, and neither is anything by no interface."""
    for address in ("127.0.0.1", "::1"):
        assert echoes("lo", address, 1420, 5.0)
        assert echoes("lo", address, 65000, 5.0)
        assert not echoes("lo", address, 65537, 5.0)
        assert not echoes("nowhere", address, 84, 5.0)

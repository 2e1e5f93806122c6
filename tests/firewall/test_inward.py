"""Who reaches the host, and who does not.

wan (visitors, peers, strangers) ── eth0 ┐
near (10.0.0.1, 10.0.0.3) ────────── fs0 ┴─ host
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import pytest

from tests.firewall.firewalls import BOTH, PORT, flow, origin, shield

if TYPE_CHECKING:
    from tests.firewall.firewalls import Ends
    from tests.firewall.stage import Stage

pytestmark = pytest.mark.lab
TCP = socket.SOCK_STREAM
PUBLIC, PUBLIC6, OWN, OWN6 = "203.0.113.10", "2001:db8:10::10", "10.0.0.2", "fd5a::2"


@BOTH
def test_visitors_reach_their_ports_and_no_other(stage: Stage, at: Ends) -> None:
    """Port 443 answers everybody; its neighbour, where something listens too, nobody."""
    stage.load(shield())
    with stage.hearing("host", 443) as visited, stage.hearing("host", 444) as hidden:
        with stage.counting(visitor_new=1), stage.say("wan", (at.public, 443), source=(at.world, 0), kind=TCP):
            assert visited.source() == at.world
        with stage.counting(in_drop=1), stage.say("wan", (at.public, 444), source=(at.peer, 0), kind=TCP):
            pass
        assert hidden.silent()


@BOTH
def test_an_origin_answers_no_visitor(stage: Stage, at: Ends) -> None:
    """Where the plan names no visitors' port, none is open, not even to a peer."""
    stage.load(origin())
    with stage.hearing("host", 443) as hidden:
        with stage.counting(in_drop=1), stage.say("wan", (at.public, 443), source=(at.peer, 0), kind=TCP):
            pass
        with stage.counting(in_drop=1), stage.say("wan", (at.public, 443), source=(at.world, 0)):
            pass
        assert hidden.silent()


@BOTH
def test_the_tunnels_port_knows_its_peers(stage: Stage, at: Ends) -> None:
    """A peer's datagram arrives on either port of the pair; a stranger's, byte for byte the same, does not."""
    stage.load(origin())
    with stage.hearing("host", PORT + 1) as second, stage.hearing("host", PORT) as first:
        with stage.counting(wg_rx=1), stage.say("wan", (at.public, PORT), source=(at.peer, 5000)):
            assert first.source() == at.peer
        with stage.counting(wg_rx=1), stage.say("wan", (at.public, PORT + 1), source=(at.peer, 5000)):
            assert second.source() == at.peer
        with stage.counting(wg_denied=1), stage.say("wan", (at.public, PORT), source=(at.world, 5000)):
            pass
        assert first.silent()


@BOTH
def test_a_device_that_roams_may_knock_from_anywhere(stage: Stage, at: Ends) -> None:
    """With `roaming` a stranger's datagram reaches WireGuard, and only WireGuard."""
    stage.load(shield(roaming=True, peers=()))
    with stage.hearing("host", PORT) as first:
        for source in (at.world, at.peer):
            with stage.counting(wg_rx=1), stage.say("wan", (at.public, PORT), source=(source, 0)):
                assert first.source() == source
        with stage.counting(in_drop=1), stage.say("wan", (at.public, PORT), source=(at.world, 0), kind=TCP):
            pass
        assert first.silent()


@BOTH
def test_ssh_answers_named_networks_alone(stage: Stage, at: Ends) -> None:
    """A named source connects; a stranger, and everybody where no source is named, does not."""
    stage.load(shield())
    with stage.hearing("host", 22) as ssh:
        with stage.counting(ssh_new=1), stage.say("wan", (at.public, 22), source=(at.peer, 0), kind=TCP):
            assert ssh.source() == at.peer
        with stage.counting(ssh_denied=1), stage.say("wan", (at.public, 22), source=(at.world, 0), kind=TCP):
            pass
        stage.load(origin())
        with stage.counting(ssh_denied=1), stage.say("wan", (at.public, 22), source=(at.peer, 0), kind=TCP):
            pass
        assert ssh.silent()


@BOTH
def test_a_flow_is_its_source_port_and_protocol(stage: Stage, at: Ends) -> None:
    """Inside the tunnel the named source reaches the named port; another source, port or protocol does not."""
    stage.load(origin(accepts=(flow("10.0.0.1 fd5a::1", "10.0.0.2 fd5a::2", 8443),)))
    with stage.hearing("host", 8443) as app, stage.hearing("host", 8444) as neighbour:
        with stage.counting(flow_new=1), stage.say("near", (at.own, 8443), source=(at.web, 0)):
            assert app.source() == at.web
        with stage.counting(flow_denied=1), stage.say("near", (at.own, 8443), source=(at.other, 0)):
            pass
        with stage.counting(flow_denied=1), stage.say("near", (at.own, 8444), source=(at.web, 0)):
            pass
        with stage.counting(flow_denied=1), stage.say("near", (at.own, 8443), source=(at.web, 0), kind=TCP):
            pass
        assert app.silent()
        assert neighbour.silent()


@BOTH
def test_a_flow_of_any_protocol_has_every_port(stage: Stage, at: Ends) -> None:
    """Without protocol and ports everything from that source arrives; with tcp and no ports, every tcp port."""
    everything = flow("10.0.0.1 fd5a::1", "10.0.0.2 fd5a::2", protocol="any")
    every_port = flow("10.0.0.3 fd5a::3", "10.0.0.2 fd5a::2", protocol="tcp")
    stage.load(origin(accepts=(everything, every_port)))
    with stage.hearing("host", 9999) as app:
        with stage.counting(flow_new=1), stage.say("near", (at.own, 9999), source=(at.web, 0)):
            assert app.source() == at.web
        with stage.counting(flow_new=1), stage.say("near", (at.own, 9999), source=(at.other, 0), kind=TCP):
            assert app.source() == at.other
        with stage.counting(flow_denied=1), stage.say("near", (at.own, 9999), source=(at.other, 0)):
            pass
        assert app.silent()


def test_a_lans_hosts_reach_what_their_network_may(stage: Stage) -> None:
    """A flow from a /24 holds for its first and last host and for nobody beside it; hosts' own flows stay."""
    lan = flow("192.168.9.0/24", "10.0.0.2", 5432, protocol="tcp", name="db")
    stage.load(origin(accepts=(lan, flow("192.168.9.7", "10.0.0.2", 8443))))
    with stage.hearing("host", 5432) as database, stage.hearing("host", 8443) as app:
        for source in ("192.168.9.0", "192.168.9.255"):
            with stage.counting(flow_new=1), stage.say("near", (OWN, 5432), source=(source, 0), kind=TCP):
                pass
        for source in ("192.168.8.255", "192.168.10.0"):
            with stage.counting(flow_denied=1), stage.say("near", (OWN, 5432), source=(source, 0), kind=TCP):
                pass
        with stage.counting(flow_new=1), stage.say("near", (OWN, 8443), source=("192.168.9.7", 0)):
            assert app.source() == "192.168.9.7"
        assert database.silent()


@BOTH
def test_pings_are_answered_inside_alone(stage: Stage, at: Ends) -> None:
    """Whoever is in the tunnel may ping; from outside nothing answers."""
    stage.load(shield())
    with stage.counting(ping=1):
        assert stage.ping("near", at.own)
    with stage.counting(in_drop=1):
        assert not stage.ping("wan", at.public)


@BOTH
def test_an_address_of_ours_is_not_believed_outside(stage: Stage, at: Ends) -> None:
    """From the Internet a tunnel address as source is spoofed, and one as destination asks for clear text."""
    stage.load(shield())
    with stage.hearing("host", 443) as visited, stage.hearing("host", 8443) as app:
        with stage.counting(spoofed=1), stage.say("wan", (at.public, 443), source=(at.web, 0), kind=TCP):
            pass
        with stage.counting(cleartext=1), stage.say("wan", (at.own, 443), source=(at.world, 0), kind=TCP):
            pass
        with stage.counting(spoofed=1), stage.say("wan", (at.own, 8443), source=(at.web, 0)):
            pass
        assert visited.silent()
        assert app.silent()


@BOTH
def test_a_stranger_cannot_speak_into_a_connection_of_ours(stage: Stage, at: Ends) -> None:
    """A datagram with the addresses and ports of a tunnel's own connection is dropped if it comes from outside."""
    stage.load(origin())
    with stage.hearing("host", 8443) as app:
        with stage.counting(flow_new=1), stage.say("near", (at.own, 8443), source=(at.web, 6000)) as ours:
            assert app.source() == at.web
            app.answer()
            ours.sendto(b"more", (at.own, 8443))
            assert app.source() == at.web
        with stage.counting(spoofed=1), stage.say("wan", (at.own, 8443), source=(at.web, 6000)):
            pass
        assert app.silent()


def test_only_a_first_packet_opens_a_connection(stage: Stage) -> None:
    """A lone ACK to an open port is no connection, though conntrack would take it for one."""
    stage.load(shield())

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            raw.bind(("198.51.100.66", 0))
            raw.sendto(_segment("198.51.100.66", PUBLIC, 4321, 443, flags=0x10), (PUBLIC, 0))

    with stage.hearing("host", 443), stage.counting(invalid=1):
        stage.inside("wan", send)


@pytest.mark.parametrize("known", [True, False], ids=["fragmentation needed", "ping"])
def test_path_mtu_messages_reach_untracked_tunnels(stage: Stage, *, known: bool) -> None:
    """ICMP about an outer packet belongs to no connection and is let in; an unasked echo reply is not."""
    stage.load(shield())
    about = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 128, 0, 0, 64, 17, 0, socket.inet_aton(PUBLIC),
                        socket.inet_aton("198.51.100.5")) + struct.pack("!HHHH", PORT, PORT, 108, 0)  # fmt: skip
    body = struct.pack("!BBHHH", 3, 4, 0, 0, 1400) + about if known else struct.pack("!BBHHH", 0, 0, 0, 7, 7)

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            raw.bind(("198.51.100.5", 0))
            raw.sendto(_summed(body), (PUBLIC, 0))

    with stage.counting(**({"icmp_error": 1} if known else {"invalid": 1})):
        stage.inside("wan", send)


def test_an_address_can_be_renewed(stage: Stage) -> None:
    """A DHCP server's answer comes in, broadcast or not; the same from another port does not."""
    stage.load(origin())
    with stage.hearing("host", 68) as client:
        with stage.counting(dhcp=1), stage.say("wan", (PUBLIC, 68), source=("203.0.113.1", 67)):
            assert client.source() == "203.0.113.1"
        with stage.counting(in_drop=1), stage.say("wan", (PUBLIC, 68), source=("203.0.113.1", 69)):
            pass
        assert client.silent()


def test_neighbours_are_found(stage: Stage) -> None:
    """With every neighbour forgotten, IPv6 still reaches the host: discovery passes without a counter."""
    stage.load(shield())
    stage.ip("wan", "-6", "neigh", "flush", "dev", "w0")
    stage.ip("host", "-6", "neigh", "flush", "dev", "eth0")
    with (
        stage.hearing("host", 443) as visited,
        stage.counting(visitor_new=1),
        stage.say("wan", (PUBLIC6, 443), kind=TCP),
    ):
        assert visited.source() == "2001:db8:10::1"


def _sum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _summed(message: bytes) -> bytes:
    """Return an ICMP message with its checksum."""
    return message[:2] + struct.pack("!H", _sum(message)) + message[4:]


def _segment(source: str, destination: str, sport: int, dport: int, *, flags: int) -> bytes:
    """Return a TCP segment without data."""
    header = struct.pack("!HHIIBBHHH", sport, dport, 1, 1, 5 << 4, flags, 1024, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, 6, len(header))
    return header[:16] + struct.pack("!H", _sum(pseudo + header)) + header[18:]

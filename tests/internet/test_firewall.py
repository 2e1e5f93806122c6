"""The cloud firewall at work, outside of the server.

visitor 192.0.2.7 ── inet ── up0 [site: cloud firewall] br0 ── host 203.0.113.10, 2001:db8:10::1
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_network
from typing import TYPE_CHECKING

import pytest

from lab.internet import addresses
from lab.wish import Rule
from tests.internet.standing import HOST_IPV4, HOST_IPV6
from tests.internet.talking import connect, datagrams, listening, reaches, receives

if TYPE_CHECKING:
    from ipaddress import IPv6Address

    from tests.internet.standing import Standing

pytestmark = pytest.mark.lab
ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
HTTPS = Rule(direction="in", protocol="tcp", ports=(443, 443), addresses=ANYWHERE)
BOTH = pytest.mark.parametrize("address", [HOST_IPV4, HOST_IPV6], ids=["ipv4", "ipv6"])


@BOTH
def test_a_port_is_reachable_if_a_rule_names_it(internet: Standing, address: IPv4Address | IPv6Address) -> None:
    """The named port answers; its neighbour, where something listens as well, does not."""
    visitor = internet.backbone.places["visitor"]
    with listening(internet.host, address, 443), listening(internet.host, address, 444):
        assert reaches(visitor, address, 444)
        internet.filter(HTTPS)
        assert reaches(visitor, address, 443)
        assert not reaches(visitor, address, 444)


@BOTH
def test_without_a_firewall_everything_passes(internet: Standing, address: IPv4Address | IPv6Address) -> None:
    """No firewall applied is no filter; one without rules lets nothing in."""
    visitor = internet.backbone.places["visitor"]
    with listening(internet.host, address, 22):
        assert reaches(visitor, address, 22)
        internet.filter()
        assert not reaches(visitor, address, 22)


def test_a_rule_holds_for_its_sources_only(internet: Standing) -> None:
    """Who is named comes in, who is not stays out, by the same port."""
    named = Rule(
        direction="in", protocol="tcp", ports=(22, 22), addresses=(ip_network(f"{addresses.OPERATOR.ipv4}/32"),)
    )
    with listening(internet.host, HOST_IPV4, 22):
        internet.filter(named)
        assert reaches(internet.backbone.places["operator"], HOST_IPV4, 22)
        assert not reaches(internet.backbone.places["attacker"], HOST_IPV4, 22)


@pytest.mark.parametrize(
    ("host", "place"),
    [(HOST_IPV4, addresses.VISITOR.ipv4), (HOST_IPV6, addresses.VISITOR.ipv6)],
    ids=["ipv4", "ipv6"],
)
def test_answers_to_what_the_server_asked_come_in(
    internet: Standing, host: IPv4Address | IPv6Address, place: IPv4Address | IPv6Address
) -> None:
    """The firewall is stateful: the same datagram is let in as an answer and refused as a question."""
    visitor = internet.backbone.places["visitor"]
    internet.filter()
    with datagrams(internet.host, host, 5000) as ours, datagrams(visitor, place, 6000) as theirs:
        theirs.sendto(b"unasked", (str(host), 5000))
        assert receives(ours) is None
        ours.sendto(b"question", (str(place), 6000))
        assert receives(theirs) == b"question"
        theirs.sendto(b"answer", (str(host), 5000))
        assert receives(ours) == b"answer"


def test_a_connection_outlives_a_change_of_rules(internet: Standing) -> None:
    """Taking a rule away keeps new connections out and leaves established ones alone."""
    visitor = internet.backbone.places["visitor"]
    internet.filter(HTTPS)
    with listening(internet.host, HOST_IPV4, 443) as server:
        made = connect(visitor, HOST_IPV4, 443)
        assert made is not None
        accepted, _ = server.accept()
        with made, accepted:
            internet.filter()
            made.sendall(b"still here")
            accepted.settimeout(5)
            assert accepted.recv(100) == b"still here"
        assert not reaches(visitor, HOST_IPV4, 443)


def test_outgoing_rules_shut_out_everything_else(internet: Standing) -> None:
    """Without a rule for `out` a server reaches all; with one, only what it names."""
    visitor, place = internet.backbone.places["visitor"], addresses.VISITOR.ipv4
    web = Rule(direction="out", protocol="tcp", ports=(80, 80), addresses=ANYWHERE)
    with listening(visitor, place, 80), listening(visitor, place, 81):
        internet.filter(HTTPS)
        assert reaches(internet.host, place, 81)
        internet.filter(HTTPS, web)
        assert reaches(internet.host, place, 80)
        assert not reaches(internet.host, place, 81)


@pytest.mark.parametrize("flag", ["-4", "-6"])
def test_ping_needs_a_rule_of_its_own(internet: Standing, flag: str) -> None:
    """A rule for `icmp` lets pings in, in both IP versions; one for tcp does not."""
    icmp = Rule(direction="in", protocol="icmp", ports=None, addresses=ANYWHERE)
    host = str(HOST_IPV4 if flag == "-4" else HOST_IPV6)
    ping = ["ping", flag, "-c", "1", "-W", "1", host]
    internet.filter(HTTPS)
    assert internet.place("visitor").run(ping).returncode == 1
    internet.filter(icmp)
    assert internet.place("visitor").run(ping).returncode == 0


def test_a_server_sends_from_its_own_address_only(internet: Standing) -> None:
    """A datagram from an address that is not the server's goes nowhere; from its own it arrives."""
    place = addresses.VISITOR
    stolen = IPv4Address("203.0.113.99")
    with datagrams(internet.backbone.places["visitor"], place.ipv4, 7000) as theirs:
        with datagrams(internet.host, stolen, 0, transparent=True) as false:
            false.sendto(b"stolen", (str(place.ipv4), 7000))
            assert receives(theirs) is None
        with datagrams(internet.host, HOST_IPV4, 0) as true:
            true.sendto(b"own", (str(place.ipv4), 7000))
            assert receives(theirs) == b"own"


def test_the_sites_own_services_pass_every_firewall(internet: Standing) -> None:
    """Metadata and resolvers are the provider's and behind no firewall of the customer's."""
    nothing_out = Rule(direction="out", protocol="esp", ports=None, addresses=ANYWHERE)
    internet.filter(nothing_out)
    assert reaches(internet.host, addresses.METADATA_IPV4, 80)
    assert reaches(internet.host, addresses.SITE_RESOLVERS[1], 53)
    assert not reaches(internet.host, addresses.MIRROR.ipv4, 80)

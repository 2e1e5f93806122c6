"""What is cut does not get through; what is beside it does."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest

from lab.faults.model import Block, Cut, FaultError, HideMetadata, Narrow, Outage, SilenceResolver
from lab.internet.namespace import run_inside
from tests.lab_faults.standing import ORIGIN, SHIELD, THIRD
from tests.lab_faults.talking import PATIENCE_S, SILENCE_S, asks, connected, datagram_socket, echoing, knocks, receive

if TYPE_CHECKING:
    from lab.faults.model import Fault
    from tests.lab_faults.standing import Standing

pytestmark = pytest.mark.lab
SHIELD_IPV4, SHIELD_IPV6 = "203.0.113.10", "2001:db8:10::1"
ORIGIN_IPV4 = "198.51.100.20"
VISITOR_IPV4, VISITOR_IPV6 = "192.0.2.7", "2001:db8:ff::7"
OPERATOR_IPV4 = "192.0.2.20"
WAYS = {
    "visitor, IPv4": ("visitor", VISITOR_IPV4, SHIELD_IPV4),
    "visitor, IPv6": ("visitor", VISITOR_IPV6, SHIELD_IPV6),
    "operator, IPv4": ("operator", OPERATOR_IPV4, SHIELD_IPV4),
    "origin, IPv4": ("origin", ORIGIN_IPV4, SHIELD_IPV4),
}


def open_ways(internet: Standing, *, closed: set[str]) -> set[str]:
    """Return the ways on which the shield answers a datagram; those that should be closed are not waited for long."""

    def is_open(way: str) -> bool:
        name, source, target = WAYS[way]
        within_s = SILENCE_S if way in closed else PATIENCE_S
        return asks(internet, name, source, target, within_s=within_s) is not None

    with (
        echoing(internet, "shield", SHIELD_IPV4),
        echoing(internet, "shield", SHIELD_IPV6),
        ThreadPoolExecutor() as pool,
    ):
        return {way for way, answered in zip(WAYS, pool.map(is_open, WAYS), strict=True) if answered}


EVERYTHING = set(WAYS)
FROM_THE_VISITOR = {"visitor, IPv4", "visitor, IPv6"}
CASES: dict[str, tuple[Fault, set[str]]] = {
    "the shield's cable": (Cut("shield"), EVERYTHING),
    "the shield's cable, by its id": (Cut("11"), EVERYTHING),
    "the visitor's cable": (Cut("visitor"), FROM_THE_VISITOR),
    "another host's cable": (Cut("origin"), {"origin, IPv4"}),
    "a pair": (Block("visitor", "shield"), FROM_THE_VISITOR),
    "a pair of servers": (Block("shield", "origin"), {"origin, IPv4"}),
    "a pair, one IP version": (Block("visitor", "shield", family="ipv6"), {"visitor, IPv6"}),
    "everybody, one IP version": (Block("shield", family="ipv6"), {"visitor, IPv6"}),
    "UDP": (Block("visitor", "shield", protocol="udp"), FROM_THE_VISITOR),
    "the port": (Block("shield", "visitor", protocol="udp", port=5000), FROM_THE_VISITOR),
    "another port": (Block("shield", "visitor", protocol="udp", port=5001), set()),
    "TCP": (Block("shield", protocol="tcp"), set()),
    "its location": (Outage("ash"), EVERYTHING),
    "another location": (Outage("fsn1"), {"origin, IPv4"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_cut_is_silent_and_nothing_else_is(internet: Standing, case: str) -> None:
    """Exactly the ways that the fault names are closed, both ways, IPv4 and IPv6; healed, all are open."""
    fault, closed = CASES[case]
    internet.inject(fault)
    assert internet.faults() == (fault,)
    assert open_ways(internet, closed=closed) == EVERYTHING - closed
    internet.heal()
    assert internet.faults() == ()
    assert open_ways(internet, closed=set()) == EVERYTHING


def test_a_filter_of_udp_lets_tcp_through(internet: Standing) -> None:
    """As some providers do to WireGuard; the twin filters TCP."""
    internet.inject(Block("origin", "shield", protocol="udp"))
    assert knocks(internet, "origin", "shield", SHIELD_IPV4, 5000)
    assert open_ways(internet, closed={"origin, IPv4"}) == EVERYTHING - {"origin, IPv4"}
    internet.heal()
    internet.inject(Block("origin", "shield", protocol="tcp", port=5000))
    assert not knocks(internet, "origin", "shield", SHIELD_IPV4, 5000, within_s=SILENCE_S)
    assert knocks(internet, "origin", "shield", SHIELD_IPV4, 5001)
    assert open_ways(internet, closed=set()) == EVERYTHING


def test_a_connection_outlives_a_cut(internet: Standing) -> None:
    """What was sent meanwhile arrives when the cable is back: nobody was told of anything."""
    with connected(internet, "visitor", "shield", SHIELD_IPV4) as (near, far):
        internet.inject(Cut("shield"))
        near.sendall(b"late")
        far.settimeout(SILENCE_S)
        with pytest.raises(TimeoutError):
            far.recv(4)
        internet.heal()
        far.settimeout(10)
        assert receive(far, 4) == b"late"


def test_faults_add_up_and_are_healed_one_by_one(internet: Standing) -> None:
    """Each has a name; the one that is healed takes nothing of the others with it."""
    pair, version = Block("visitor", "shield", family="ipv4"), Block("shield", family="ipv6")
    internet.inject(pair, version)
    assert internet.faults() == (pair, version)
    assert open_ways(internet, closed=FROM_THE_VISITOR) == {"operator, IPv4", "origin, IPv4"}
    internet.heal("block visitor shield ipv4")
    assert internet.faults() == (version,)
    assert open_ways(internet, closed={"visitor, IPv6"}) == EVERYTHING - {"visitor, IPv6"}


def test_a_cut_host_has_lost_its_provider_as_well(internet: Standing) -> None:
    """DHCP, resolvers and metadata are behind the same cable; a host beside it has them."""
    internet.inject(Cut("shield"))
    assert not resolver_answers(internet, "shield", SHIELD_IPV4, silent=True)
    assert resolver_answers(internet, "origin", ORIGIN_IPV4)
    internet.heal()
    assert resolver_answers(internet, "shield", SHIELD_IPV4)


def test_silent_resolvers_are_silent_to_their_host_alone(internet: Standing) -> None:
    """A host's, and a place's; everything else of theirs works."""
    internet.inject(SilenceResolver("shield"), SilenceResolver("visitor"))
    assert not resolver_answers(internet, "shield", SHIELD_IPV4, silent=True)
    assert not resolver_answers(internet, "shield", SHIELD_IPV6, PROVIDERS6, silent=True)
    assert not resolver_answers(internet, "visitor", VISITOR_IPV4, "192.0.2.53", silent=True)
    assert resolver_answers(internet, "origin", ORIGIN_IPV4)
    assert resolver_answers(internet, "operator", OPERATOR_IPV4, "192.0.2.53")
    assert open_ways(internet, closed=set()) == EVERYTHING
    internet.heal()
    assert resolver_answers(internet, "shield", SHIELD_IPV4)
    assert resolver_answers(internet, "shield", SHIELD_IPV6, PROVIDERS6)
    assert resolver_answers(internet, "visitor", VISITOR_IPV4, "192.0.2.53")


PROVIDERS, PROVIDERS6 = "185.12.64.1", "2a01:4ff:ff00::add:1"
QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x00\x00\x01\x00\x01"


def resolver_answers(
    internet: Standing, name: str, source: str, resolver: str = PROVIDERS, *, silent: bool = False
) -> bool:
    """Tell whether a resolver answers a DNS query, whatever it says."""
    with datagram_socket(internet.namespace(name), source, 0) as made:
        made.settimeout(SILENCE_S if silent else PATIENCE_S)
        made.sendto(QUERY, (resolver, 53))
        try:
            return made.recv(512)[:2] == QUERY[:2]
        except TimeoutError:
            return False


def test_the_metadata_service_is_hidden_by_silence_or_by_refusal(internet: Standing) -> None:
    """The two are different to whoever asks; the host beside it gets its answer."""
    assert metadata(internet, "shield") == "answer"
    internet.inject(HideMetadata("shield"))
    assert metadata(internet, "shield") == "silence"
    assert metadata(internet, "origin") == "answer"
    internet.inject(HideMetadata("shield", answer="refusal"))
    assert len(internet.faults()) == 1
    assert metadata(internet, "shield") == "refusal"
    assert metadata(internet, "shield", "fe80::a9fe:a9fe") == "refusal"
    internet.heal()
    assert metadata(internet, "shield") == "answer"
    assert metadata(internet, "shield", "fe80::a9fe:a9fe") == "answer"


def metadata(internet: Standing, name: str, address: str = "169.254.169.254") -> str:
    """Return what comes of a connection to the metadata service."""

    def connect() -> str:
        scope = socket.if_nametoindex("eth0")
        target = (address, 80, 0, scope) if ":" in address else (address, 80)
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as made:
            made.settimeout(SILENCE_S)
            try:
                made.connect(target)
            except TimeoutError:
                return "silence"
            except ConnectionRefusedError:
                return "refusal"
            return "answer"

    return run_inside(internet.namespace(name), connect)


def test_a_server_that_is_ordered_into_an_outage_is_in_it(internet: Standing) -> None:
    """And one that is ordered elsewhere is not."""
    internet.inject(Outage("fsn1"))
    internet.order(THIRD)
    with echoing(internet, "third", str(THIRD.ipv4)):
        assert asks(internet, "visitor", VISITOR_IPV4, str(THIRD.ipv4), within_s=SILENCE_S) is None
    internet.delete(THIRD.server_id)
    internet.order(replace(THIRD, location="nbg1"))
    with echoing(internet, "third", str(THIRD.ipv4)):
        assert asks(internet, "visitor", VISITOR_IPV4, str(THIRD.ipv4)) is not None
    internet.delete(THIRD.server_id)


def test_a_fault_goes_with_its_server_and_stays_with_its_cable(internet: Standing) -> None:
    """Another address is another site of the same server; another server of the name is another one."""
    internet.order(THIRD)
    internet.inject(Block("visitor", "third"), Cut("third"))
    moved = replace(THIRD, ipv4=IPv4Address("198.51.100.31"))
    internet.order(moved)
    with echoing(internet, "third", str(moved.ipv4)):
        assert asks(internet, "visitor", VISITOR_IPV4, str(moved.ipv4), within_s=SILENCE_S) is None
        internet.heal("cut third")
        assert asks(internet, "visitor", VISITOR_IPV4, str(moved.ipv4), within_s=SILENCE_S) is None
        assert asks(internet, "operator", OPERATOR_IPV4, str(moved.ipv4)) is not None
    internet.delete(THIRD.server_id)
    assert internet.faults() == ()
    internet.order(THIRD)
    with echoing(internet, "third", str(THIRD.ipv4)):
        assert asks(internet, "visitor", VISITOR_IPV4, str(THIRD.ipv4)) is not None
    internet.delete(THIRD.server_id)


def test_a_fault_outlives_a_reboot_of_its_host(internet: Standing) -> None:
    """The next boot has another cable; it is cut as the former was."""
    internet.inject(Cut("shield"))
    internet.order(replace(SHIELD, boot=2))
    assert open_ways(internet, closed=EVERYTHING) == set()
    internet.heal()
    assert open_ways(internet, closed=set()) == EVERYTHING


def test_what_is_not_there_can_have_no_fault(internet: Standing) -> None:
    """The message has what was named, who there is, and what a place can't have; nothing is wrong afterwards."""
    with pytest.raises(
        FaultError,
        match=r"^host 'press': 0 found, allowed: one of origin \(22\), shield \(11\), visitor, operator, attacker, mirror; name it, or its id$",
    ):
        internet.inject(Cut("press"))
    with pytest.raises(FaultError, match=r"^narrow: 'visitor' is a place, allowed: a server; name one$"):
        internet.inject(Narrow("visitor", mtu_bytes=1400))
    assert internet.faults() == ()
    internet.order(replace(THIRD, name="origin"))
    with pytest.raises(FaultError, match=r"^host 'origin': 2 found, allowed: one of "):
        internet.inject(Cut("origin"))
    internet.delete(THIRD.server_id)
    assert ORIGIN.name == "origin"

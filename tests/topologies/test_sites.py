"""Site to site through a shield: what is named passes, nothing else does, and a gateway behind NAT stays reachable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from lab.client import until
from lab.internet.flows import read_flows
from tests.topologies.capture import capturing
from tests.topologies.outside import connecting, connects, hearing, ip, nft
from tests.topologies.sites import (
    ARCHIVE,
    AT_PRINTERS,
    DESKS,
    FORGETS_AFTER_S,
    PRINTERS,
    ROUTER_IPV4,
)

if TYPE_CHECKING:
    from lab.internet.flows import Flow
    from tests.topologies.sites import Sites

pytestmark = pytest.mark.lab
WIREGUARD: Final = 51820
FAMILIES = pytest.mark.parametrize("family", [0, 1], ids=["ipv4", "ipv6"])


@FAMILIES
def test_a_lan_reaches_the_named_service_of_another(sites: Sites, family: int) -> None:
    """Both ways, under the host's own address: nothing is translated where both LANs know the way back."""
    with hearing(sites.archive, ARCHIVE[family], 8080) as archive:
        assert connects(sites.desks, ARCHIVE[family], 8080, within_s=10)
        assert archive.source() == DESKS[family]
    with hearing(sites.desks, DESKS[family], 631) as desk:
        assert connects(sites.archive, DESKS[family], 631, within_s=10)
        assert desk.source() == ARCHIVE[family]


@FAMILIES
def test_a_lan_reaches_nothing_else_of_another(sites: Sites, family: int) -> None:
    """Another port that listens is dropped, by each carrier for what its own LAN begins."""
    with hearing(sites.archive, ARCHIVE[family], 8081) as archive, hearing(sites.desks, DESKS[family], 632) as desk:
        tried = connecting((sites.desks, ARCHIVE[family], 8081), (sites.archive, DESKS[family], 632))
        assert tried == [False, False]
        assert archive.silent()
        assert desk.silent()


def test_a_lan_reaches_a_service_of_an_origin_by_name(sites: Sites) -> None:
    """The desks read the page of press by its tunnel address; the archive, which nobody named, does not."""
    assert connects(sites.desks, "10.0.0.2", 8080, within_s=10)
    others = ((sites.desks, "10.0.0.2", 22), (sites.desks, "10.0.0.1", 443), (sites.archive, "10.0.0.1", 22))
    assert connecting(*others) == [False, False, False]


def test_a_lan_without_a_way_back_sees_the_gateway(sites: Sites) -> None:
    """`nat: true`: the printer is asked by its own gateway, and so it can answer; it can ask nobody itself."""
    with hearing(sites.printers, PRINTERS, 9100) as printer:
        assert connects(sites.archive, PRINTERS, 9100, within_s=10)
        assert printer.source() == AT_PRINTERS
    ip(sites.printers, "route", "add", "default", "via", AT_PRINTERS)
    try:
        with hearing(sites.archive, ARCHIVE[0], 8080) as archive:
            assert not connects(sites.printers, ARCHIVE[0], 8080)
            assert archive.silent()
    finally:
        ip(sites.printers, "route", "del", "default")


def test_without_translation_its_answer_finds_no_way(sites: Sites) -> None:
    """The same flow with the gateway's own table less that one rule: asked by a stranger's address, no answer comes."""
    nft(sites.office.namespace, "flush chain inet farshore_gateway nat")
    try:
        with hearing(sites.printers, PRINTERS, 9100) as printer:
            assert not connects(sites.archive, PRINTERS, 9100)
            assert printer.silent()
    finally:
        sites.hang_up()
        sites.dial()


def test_nothing_of_the_internet_gets_into_a_lan(sites: Sites) -> None:
    """Not even from the provider's own network, which can send whatever it likes to a host that forwards."""
    shield, press = sites.host("falkenstein"), sites.host("press")
    with hearing(sites.archive, ARCHIVE[0], 8080) as archive, hearing(sites.desks, DESKS[0], 631) as desk:
        ways = ((press, ARCHIVE[0], 8080), (shield, DESKS[0], 631), (shield, ARCHIVE[0], 8080))
        providers = [sites.provider_of(host.name) for host, _, _ in ways]
        for provider, (host, address, _) in zip(providers, ways, strict=True):
            ip(provider, "route", "add", f"{address}/32", "via", host.ipv4, "dev", "br0", "onlink")
        try:
            tried = [(provider, address, port) for provider, (_, address, port) in zip(providers, ways, strict=True)]
            assert connecting(*tried) == [False, False, False]
        finally:
            for provider, (_, address, _) in zip(providers, ways, strict=True):
                ip(provider, "route", "del", f"{address}/32")
        attacker = sites.lab.place("attacker").namespace
        assert connecting(*((attacker, ROUTER_IPV4, port) for port in (631, 9100, WIREGUARD))) == [False, False, False]
        assert archive.silent()
        assert desk.silent()


def test_keepalive_keeps_the_nats_mapping(sites: Sites) -> None:
    """The gateway says nothing for far longer than the NAT remembers, and is still found: by the very same mapping."""
    before = mapping(sites)
    with capturing(sites.office.namespace, "eth0") as uplink:
        # Nobody asks for anything: these are keepalives, one each second, and the last comes when a flow that had been
        # silent since the first would be forgotten.
        until(lambda: True if uplink.count(WIREGUARD) > FORGETS_AFTER_S + 1 else None, 30, "keepalives of the gateway")
    assert mapping(sites) == before
    with hearing(sites.desks, DESKS[0], 631):
        assert connects(sites.archive, DESKS[0], 631, within_s=10)


def test_without_keepalive_a_silent_gateway_is_lost(sites: Sites) -> None:
    """The NAT forgets it, nobody can reach its LANs, until it speaks again."""
    key = sites.shield_key()
    with hearing(sites.desks, DESKS[0], 631) as desk:
        sites.office.run(["wg", "set", "office", "peer", key, "persistent-keepalive", "0"], check=True)
        try:
            until(lambda: True if mappings(sites) == [] else None, 30, "the NAT to forget")
            assert not connects(sites.archive, DESKS[0], 631)
            assert desk.silent()
        finally:
            sites.office.run(["wg", "set", "office", "peer", key, "persistent-keepalive", "1"], check=True)
        until(lambda: True if connects(sites.archive, DESKS[0], 631) else None, 20, "the office, reachable again")


def mappings(sites: Sites) -> list[Flow]:
    """Return what the NAT remembers of the tunnel."""
    shield = sites.host("falkenstein").ipv4
    return [
        flow for flow in read_flows(sites.router) if (flow.destination, flow.destination_port) == (shield, WIREGUARD)
    ]


def mapping(sites: Sites) -> tuple[str, int]:
    """Return the one mapping's inner address and port, when that of an earlier socket is forgotten."""
    (found,) = until(lambda: kept if len(kept := mappings(sites)) == 1 else None, 30, "one mapping of the gateway")
    assert found.answered
    return found.source, found.source_port

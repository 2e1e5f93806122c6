"""What passes through the host: between tunnels, LANs and the Internet.

near (10.0.0.1, .3, .200) ── fs0 ┐         ┌ fm0g0 ── far (10.0.0.4)
lan (192.168.7.9) ──────── lan0 ─┴─ host ──┴ eth0 ── wan
"""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from cloud_init import Material
from cloud_init.nftables import render_nftables
from plan.model.firewall import Expiry
from tests.firewall.firewalls import BOTH, flow, origin, shield
from tests.firewall.hearing import IN_TIME_S
from tests.firewall.stage import TUNNEL_MTU_BYTES

if TYPE_CHECKING:
    from tests.firewall.firewalls import Ends
    from tests.firewall.stage import Stage

pytestmark = pytest.mark.lab
TCP = socket.SOCK_STREAM
DEVICE = "10.0.0.200 fd5a::200"


def networks(text: str) -> tuple[object, ...]:
    """Return networks that are written with spaces between them."""
    return tuple(ip_network(part) for part in text.split())


@BOTH
def test_tunnels_are_apart_unless_a_flow_joins_them(stage: Stage, at: Ends) -> None:
    """The named source reaches the named port behind another tunnel; another source or port does not."""
    stage.load(shield(forwards=(flow(DEVICE, "10.0.0.4 fd5a::4", 5432),)))
    with stage.hearing("far", 5432) as database:
        with stage.counting(forward_new=1), stage.say("near", (at.far, 5432), source=(at.device, 0)):
            assert database.source() == at.device
        with stage.counting(forward_denied=1), stage.say("near", (at.far, 5432), source=(at.other, 0)):
            pass
        with stage.counting(forward_denied=1), stage.say("near", (at.far, 5433), source=(at.device, 0)):
            pass
        with stage.counting(forward_denied=1), stage.say("near", (at.world, 5432), source=(at.device, 0)):
            pass
        assert database.silent()


@BOTH
def test_nobody_outside_reaches_what_lies_behind(stage: Stage, at: Ends) -> None:
    """The Internet gets nothing forwarded, under its own address or under one of ours."""
    stage.load(shield(forwards=(flow(DEVICE, "10.0.0.4 fd5a::4", 5432),)))
    with stage.hearing("far", 5432) as database:
        with stage.counting(forward_drop=1), stage.say("wan", (at.far, 5432), source=(at.world, 0)):
            pass
        with stage.counting(spoofed=1), stage.say("wan", (at.far, 5432), source=(at.device, 0)):
            pass
        assert database.silent()


@BOTH
def test_a_forwarded_connection_is_believed_inside_alone(stage: Stage, at: Ends) -> None:
    """The same datagram of a forwarded connection passes from the tunnel and not from the Internet."""
    stage.load(shield(forwards=(flow(DEVICE, "10.0.0.4 fd5a::4", 5432),)))
    with stage.hearing("far", 5432, at.far) as database:
        with stage.counting(forward_new=1), stage.say("near", (at.far, 5432), source=(at.device, 7001)) as ours:
            database.source()
            database.answer()
            ours.settimeout(IN_TIME_S)
            assert ours.recv(100) == b"answer"
        with stage.counting(spoofed=1), stage.say("wan", (at.far, 5432), source=(at.device, 7001)):
            pass
        assert database.silent()


@BOTH
def test_a_full_tunnel_leads_to_the_internet(stage: Stage, at: Ends) -> None:
    """The device's datagram arrives under the host's own address and is answered; others have no Internet here."""
    stage.load(shield(internet=networks(DEVICE)))
    with stage.hearing("wan", 9000, at.world) as site:
        with stage.counting(internet_new=1), stage.say("near", (at.world, 9000), source=(at.device, 7002)) as asked:
            assert site.source() == at.public
            site.answer()
            asked.settimeout(IN_TIME_S)
            assert asked.recv(100) == b"answer"
        with stage.counting(forward_denied=1), stage.say("near", (at.world, 9000), source=(at.other, 0)):
            pass
        with stage.counting(forward_denied=1), stage.say("near", (at.far, 9000), source=(at.device, 0)):
            pass
        assert site.silent()


@pytest.mark.parametrize("private", ["192.168.7.9", "172.17.0.2", "10.9.9.9", "100.64.0.1", "fdaa:7::9", "fd00:1::1"])
def test_a_full_tunnel_leads_to_no_private_network(stage: Stage, private: str) -> None:
    """Not to the LAN behind the host, its containers, its provider's networks, or metadata."""
    stage.load(shield(internet=networks(DEVICE)))
    source = "fd5a::200" if ":" in private else "10.0.0.200"
    with stage.counting(forward_denied=1), stage.say("near", (private, 80), source=(source, 0)):
        pass
    with stage.counting(metadata_drop=1), stage.say("near", ("169.254.169.254", 80), source=("10.0.0.200", 0)):
        pass


def test_a_full_tunnels_device_visits_the_host_as_anybody(stage: Stage) -> None:
    """The public address answers visitors' ports through the tunnel too; the tunnel address does not."""
    stage.load(shield(internet=networks(DEVICE)))
    with stage.hearing("host", 443) as visited:
        with (
            stage.counting(visitor_new=1),
            stage.say("near", ("203.0.113.10", 443), source=("10.0.0.200", 0), kind=TCP),
        ):
            assert visited.source() == "10.0.0.200"
        with stage.counting(flow_denied=1), stage.say("near", ("10.0.0.2", 443), source=("10.0.0.200", 0), kind=TCP):
            pass
        with stage.counting(flow_denied=1), stage.say("near", ("203.0.113.10", 443), source=("10.0.0.3", 0), kind=TCP):
            pass
        assert visited.silent()


@pytest.mark.parametrize("nat", [True, False])
def test_a_lan_is_reached_by_its_flow(stage: Stage, *, nat: bool) -> None:
    """A tunnel's peer reaches the LAN, under the host's own address where the LAN knows no way back."""
    lan = networks("192.168.7.0/24 fdaa:7::/64")
    into = flow("10.0.0.1 fd5a::1", "192.168.7.0/24 fdaa:7::/64", 9100, protocol="any", name="office")
    stage.load(origin(forwards=(into,), masquerades=lan if nat else ()))
    with stage.hearing("lan", 9100) as meter:
        for source, to, own in (("10.0.0.1", "192.168.7.9", "192.168.7.1"), ("fd5a::1", "fdaa:7::9", "fdaa:7::1")):
            for kind in (TCP, socket.SOCK_DGRAM):
                with stage.counting(forward_new=1), stage.say("near", (to, 9100), source=(source, 0), kind=kind):
                    assert meter.source() == (own if nat else source)
        with stage.counting(forward_denied=1), stage.say("near", ("192.168.7.9", 9100), source=("10.0.0.3", 0)):
            pass
        with stage.counting(forward_denied=1), stage.say("near", ("192.168.7.9", 9101), source=("10.0.0.1", 0)):
            pass
        assert meter.silent()


def test_a_lan_speaks_under_its_own_addresses_from_its_own_side(stage: Stage) -> None:
    """A LAN's host reaches the far tunnel; the same address from the Internet does not, nor a LAN without a flow."""
    out = flow("192.168.7.0/24 fdaa:7::/64", "10.0.0.4 fd5a::4", 5432, name="db")
    stage.load(origin(forwards=(out,)))
    with stage.hearing("far", 5432) as database:
        for source, to in (("192.168.7.9", "10.0.0.4"), ("fdaa:7::9", "fd5a::4")):
            with stage.counting(forward_new=1), stage.say("lan", (to, 5432), source=(source, 0)):
                assert database.source() == source
            with stage.counting(spoofed=1), stage.say("wan", (to, 5432), source=(source, 0)):
                pass
        with stage.counting(forward_drop=1), stage.say("lan", ("10.0.0.4", 5433)):
            pass
        with stage.counting(forward_drop=1), stage.say("lan", ("198.51.100.66", 5432)):
            pass
        with stage.counting(metadata_drop=1), stage.say("lan", ("169.254.169.254", 80)):
            pass
        assert database.silent()


def test_what_is_forwarded_never_leaves_in_clear(stage: Stage) -> None:
    """With the far tunnel down its connections end here, new ones and those that were established."""
    stage.load(shield(forwards=(flow("10.0.0.1", "10.0.0.4", 5432),)))
    with (
        stage.hearing("far", 5432, "10.0.0.4") as database,
        stage.say("near", ("10.0.0.4", 5432), source=("10.0.0.1", 7003)) as ours,
    ):
        database.source()
        database.answer()
        ours.settimeout(IN_TIME_S)
        ours.recv(100)
        stage.ip("host", "route", "replace", "10.0.0.4/32", "via", "203.0.113.1")
        try:
            with stage.counting(leak_drop=1):
                ours.sendto(b"more", ("10.0.0.4", 5432))
            with stage.counting(leak_drop=1, forward_new=1):
                stage.say("near", ("10.0.0.4", 5432), source=("10.0.0.1", 0)).close()
        finally:
            stage.route()


@pytest.mark.parametrize("port", [7777, 7778])
def test_segments_fit_the_tunnel_that_they_go_into(stage: Stage, port: int) -> None:
    """A SYN into the tunnel, and the answer to one, say what fits; towards the LAN nothing is changed."""
    everything = flow("192.168.7.0/24", "10.0.0.0/16", protocol="tcp")
    back = flow("10.0.0.0/16", "192.168.7.0/24", protocol="tcp")
    stage.load(origin(forwards=(everything, back)))
    fits, ethernet = TUNNEL_MTU_BYTES - 40 - 12, 1500 - 40 - 12  # less IP and TCP, less time stamps
    with stage.hearing("far", port) as database, stage.say("lan", ("10.0.0.4", port), kind=TCP):
        database.source()
        assert _segment(database.accepted[0]) == fits
    with stage.hearing("lan", port) as meter:
        asked = stage.say("near", ("192.168.7.9", port), source=("10.0.0.1", 0), kind=TCP)
        with asked:
            meter.source()
            assert _segment(meter.accepted[0]) == ethernet
            asked.settimeout(IN_TIME_S)
            meter.accepted[0].sendall(b"x")
            assert asked.recv(1) == b"x"
            assert _segment(asked) == fits


@BOTH
def test_an_expired_device_is_let_in_no_more(stage: Stage, at: Ends) -> None:
    """On its last day the device has its flow; the day after nothing, not even what it had established."""
    today = datetime.now(UTC).date()
    addresses = tuple(ip_address(text) for text in DEVICE.split())
    into = flow("10.0.0.0/16 fd5a::/48", "10.0.0.4 fd5a::4", 5432)
    stage.load(shield(forwards=(into,), expiries=(Expiry(addresses=addresses, until=today),)))
    with stage.hearing("far", 5432, at.far) as database:
        with stage.counting(forward_new=1), stage.say("near", (at.far, 5432), source=(at.device, 7004)) as ours:
            database.source()
            database.answer()
            ours.settimeout(IN_TIME_S)
            ours.recv(100)
            stage.load(
                shield(forwards=(into,), expiries=(Expiry(addresses=addresses, until=today - timedelta(days=1)),))
            )
        with stage.counting(expired=1):
            stage.say("near", (at.far, 5432), source=(at.device, 7004)).close()
        with stage.counting(expired=1):
            database.answer()
        with stage.counting(forward_new=1), stage.say("near", (at.far, 5432), source=(at.other, 0)):
            assert database.source() == at.other
    with (
        stage.counting(expired=1),
        stage.say("near", (at.own, 22), source=(at.device, 0)),
    ):
        pass


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_a_day_ends_at_midnight_in_utc_wherever_the_table_is_read(stage: Stage, zone: str) -> None:
    """The kernel is told the same moment in every time zone: the first second of the next day in UTC."""
    import os
    import re
    import subprocess

    from lab.internet.namespace import namespace_path

    until = datetime(2027, 6, 30, tzinfo=UTC).date()
    text = render_nftables(shield(expiries=(Expiry(addresses=(ip_address("10.0.0.200"),), until=until),)), Material({}))
    inside = ["nsenter", f"--net={namespace_path(stage.name('host'))}", "nft", "--debug=netlink", "-f", "-"]
    done = subprocess.run(
        inside, input=text, env=os.environ | {"TZ": zone}, capture_output=True, text=True, timeout=20, check=True
    )
    found = re.search(r"cmp gte reg 1 0x(\w{8}) 0x(\w{8})", done.stdout)
    assert found
    told = int.from_bytes(b"".join(bytes.fromhex(word)[::-1] for word in found.groups()), "big")
    assert told == int(datetime(2027, 7, 1, tzinfo=UTC).timestamp()) * 10**9


def _segment(made: socket.socket) -> int:
    """Return the largest segment that this end sends, after what the other end said in its SYN."""
    return made.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)

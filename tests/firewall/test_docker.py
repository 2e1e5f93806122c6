"""Docker beside the table: what it publishes does not get past us, what it needs works, and its rules survive.

wan ── eth0 ┐
near ── fs0 ┴─ host ── docker0 ── box (172.17.0.2, port 80, published as 8443)
"""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from cloud_init.nftables import CLOSED
from tests.firewall.firewalls import BOTH, ORIGIN, SIX, flow, origin, permit, shield
from tests.firewall.hearing import IN_TIME_S

if TYPE_CHECKING:
    from tests.firewall.firewalls import Ends
    from tests.firewall.stage import Stage

pytestmark = pytest.mark.lab
TCP = socket.SOCK_STREAM
# What `docker run -p 8443:80/tcp -p 8443:80/udp` leaves behind (iptables-nft, Docker 26), IPv6 alike.
DOCKER = """
table {family} nat {{
  chain PREROUTING {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump DOCKER
  }}
  chain POSTROUTING {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "docker0" {family} saddr {network} masquerade
  }}
  chain DOCKER {{
    iifname != "docker0" meta l4proto {{ tcp, udp }} th dport 8443 dnat to {box}:80
  }}
}}
table {family} filter {{
  chain FORWARD {{
    type filter hook forward priority filter; policy drop;
    jump DOCKER-USER
    oifname "docker0" ct state related,established accept
    oifname "docker0" iifname != "docker0" {family} daddr {address} th dport 80 accept
    iifname "docker0" oifname != "docker0" accept
    iifname "docker0" oifname "docker0" accept
  }}
  chain DOCKER-USER {{
    return
  }}
}}
"""
DOCKERS = DOCKER.format(family="ip", network="172.17.0.0/16", box="172.17.0.2", address="172.17.0.2") + DOCKER.format(
    family="ip6", network="fdbb::/64", box="[fdbb::2]", address="fdbb::2"
)
WEB = (flow("10.0.0.1 fd5a::1", "10.0.0.2 fd5a::2", 8443, protocol="tcp"),)


@BOTH
def test_a_published_port_is_closed_to_the_internet(stage: Stage, at: Ends) -> None:
    """Without our table the container answers anybody; with it nobody outside, by whatever address they ask."""
    assert stage.nft(DOCKERS).returncode == 0
    with stage.hearing("box", 80) as app:
        with stage.say("wan", (at.public, 8443), kind=TCP):
            app.source()
        stage.load(origin(accepts=WEB))
        with stage.counting(forward_drop=1), stage.say("wan", (at.public, 8443), kind=TCP):
            pass
        with stage.counting(cleartext=1), stage.say("wan", (at.own, 8443), kind=TCP):
            pass
        with stage.counting(spoofed=1), stage.say("wan", (at.own, 8443), source=(at.web, 0), kind=TCP):
            pass
        assert app.silent()


@BOTH
def test_a_published_port_answers_the_flows_that_allow_it(stage: Stage, at: Ends) -> None:
    """The shield reaches the container by the tunnel address; another source, protocol or the container's own does not."""
    assert stage.nft(DOCKERS).returncode == 0
    stage.load(origin(accepts=WEB))
    with stage.hearing("box", 80) as app:
        with stage.counting(published_new=1), stage.say("near", (at.own, 8443), source=(at.web, 0), kind=TCP) as asked:
            assert app.source() == at.web
            app.accepted[0].sendall(b"page")
            asked.settimeout(IN_TIME_S)
            assert asked.recv(100) == b"page"
        for source, to, kind in (
            (at.other, (at.own, 8443), TCP),
            (at.web, (at.own, 8443), socket.SOCK_DGRAM),
            (at.web, (at.box, 80), TCP),
            (at.web, (at.public, 8443), TCP),
        ):
            with stage.counting(forward_denied=1), stage.say("near", to, source=(source, 0), kind=kind):
                pass
        assert app.silent()


def test_a_shields_container_may_be_its_edge(stage: Stage) -> None:
    """Visitors' ports that a container publishes are visitors' ports; its others are closed."""
    edge = DOCKERS.replace("8443", "443") + DOCKERS.replace("th dport 8443", "th dport 8080")
    assert stage.nft(edge).returncode == 0
    stage.load(shield())
    with stage.hearing("box", 80) as app:
        with stage.counting(visitor_new=1), stage.say("wan", ("203.0.113.10", 443), kind=TCP):
            app.source()
        with stage.counting(forward_drop=1), stage.say("wan", ("203.0.113.10", 8080), kind=TCP):
            pass
        assert app.silent()


@BOTH
def test_containers_are_held_to_the_hosts_egress(stage: Stage, at: Ends) -> None:
    """A container reaches what everybody may, is refused the rest with an error, and never sees a user's permit."""
    assert stage.nft(DOCKERS).returncode == 0
    permits = (permit("198.51.100.5 2001:db8:5::5", 53), permit("anywhere", 443, user="root", protocol="tcp"))
    stage.load(origin(egress=permits))
    with (
        stage.hearing("wan", 53, at.peer) as world,
        stage.counting(container_new=1),
        stage.say("box", (at.peer, 53)) as asked,
    ):
        assert world.source() == at.public
        world.answer()
        asked.settimeout(IN_TIME_S)
        assert asked.recv(100) == b"answer"
    with stage.counting(egress_denied=1):
        assert stage.refusal("box", (at.world, 443)) == (errno.EACCES if at is SIX else errno.EHOSTUNREACH)
    stage.load(shield())
    with (
        stage.hearing("wan", 443) as world,
        stage.counting(container_new=1),
        stage.say("box", (at.world, 443), kind=TCP),
    ):
        assert world.source() == at.public


@BOTH
def test_containers_use_the_tunnels_and_never_the_metadata_service(stage: Stage, at: Ends) -> None:
    """Through a tunnel a container speaks under the host's address; user data is nothing for it."""
    assert stage.nft(DOCKERS).returncode == 0
    stage.load(origin())
    with (
        stage.hearing("near", 9000, at.web) as shielded,
        stage.counting(container_new=1),
        stage.say("box", (at.web, 9000)),
    ):
        assert shielded.source() == at.own
    if at.public == "203.0.113.10":
        with stage.counting(metadata_drop=1), stage.say("box", ("169.254.169.254", 80), kind=TCP):
            pass


def test_the_hosts_own_programs_reach_its_containers(stage: Stage) -> None:
    """A proxy beside Docker speaks to a container's own address, however restricted its egress is."""
    assert stage.nft(DOCKERS).returncode == 0
    stage.load(origin())
    with stage.hearing("box", 80) as app, stage.counting(), stage.say("host", ("172.17.0.2", 80), uid=65534, kind=TCP):
        assert app.source() == "172.17.0.1"


def test_dockers_tables_survive_every_reload(stage: Stage) -> None:
    """Ours is loaded, loaded again, closed and loaded: everybody else's tables are byte for byte as they were."""
    assert stage.nft(DOCKERS).returncode == 0
    others = ("ip nat", "ip filter", "ip6 nat", "ip6 filter")

    def kept() -> list[str]:
        return [stage.nft(f"list table {table}").stdout for table in others]

    before = kept()
    assert all("docker0" in text for text in before)
    for firewall in (ORIGIN, shield(masquerades=(ip_network("192.168.7.0/24"),)), ORIGIN):
        stage.load(firewall)
        assert kept() == before
    assert stage.nft(CLOSED).returncode == 0
    assert kept() == before

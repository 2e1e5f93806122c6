"""The tables of faults: what they say, and that nft takes them."""

from __future__ import annotations

import subprocess
from ipaddress import IPv4Address, IPv6Network

import pytest

from lab.faults.filter import (
    Detour,
    Drop,
    End,
    Hush,
    SiteFaults,
    render_router,
    render_site_faults,
)

SHIELD = End(name="shield", interface="s11", ipv4=IPv4Address("203.0.113.10"), ipv6=IPv6Network("2001:db8:10::/64"))
PRESS = End(name="press", interface="s22", ipv4=IPv4Address("198.51.100.20"), ipv6=None)
VISITOR = End(name="visitor", interface="p-visitor", ipv4=IPv4Address("192.0.2.7"), ipv6=IPv6Network("2001:db8:ff::7"))
NOTHING = "table inet faults\ndelete table inet faults\n"


def rules(text: str) -> list[str]:
    """Return the rules of a table, without its chains' frames."""
    lines = [line.strip() for line in text.splitlines()[3:-1]]
    return [line for line in lines if not line.startswith(("chain", "type", "}"))]


def test_a_world_without_faults_has_no_table() -> None:
    """The former one is removed, and none takes its place."""
    assert render_router((), (), ()) == NOTHING
    assert render_site_faults(SiteFaults()) == NOTHING


def test_a_pair_is_dropped_both_ways_in_the_versions_that_both_have() -> None:
    """One of the two has no IPv6: nothing is said of it."""
    assert rules(render_router([Drop(one=SHIELD, other=PRESS)], (), ())) == [
        "ip saddr 203.0.113.10 ip daddr 198.51.100.20 counter drop",
        "ip daddr 203.0.113.10 ip saddr 198.51.100.20 counter drop",
    ]
    assert rules(render_router([Drop(one=SHIELD, other=PRESS, family="ipv6")], (), ())) == []


def test_a_port_is_either_ends() -> None:
    """Who dialled whom is not the filter's to know."""
    text = render_router([Drop(one=SHIELD, other=VISITOR, protocol="udp", port=51820, family="ipv6")], (), ())
    onward = "ip6 saddr 2001:db8:10::/64 ip6 daddr 2001:db8:ff::7/128"
    back = "ip6 daddr 2001:db8:10::/64 ip6 saddr 2001:db8:ff::7/128"
    assert rules(text) == [
        f"{onward} udp dport 51820 counter drop",
        f"{onward} udp sport 51820 counter drop",
        f"{back} udp dport 51820 counter drop",
        f"{back} udp sport 51820 counter drop",
    ]


def test_icmp_is_called_otherwise_in_ipv6() -> None:
    """One word of the fault is both protocols."""
    assert rules(render_router([Drop(one=SHIELD, protocol="icmp")], (), ())) == [
        "ip saddr 203.0.113.10 meta l4proto icmp counter drop",
        "ip daddr 203.0.113.10 meta l4proto icmp counter drop",
        "ip6 saddr 2001:db8:10::/64 meta l4proto ipv6-icmp counter drop",
        "ip6 daddr 2001:db8:10::/64 meta l4proto ipv6-icmp counter drop",
    ]


def test_a_packet_takes_each_detour_once() -> None:
    """Whoever comes back from the first may take the second, and not the other way round."""
    first = Detour(one=SHIELD, other=PRESS, onward=1000, back=1001, devices=("w0a", "w0b"))
    second = Detour(one=PRESS, other=None, onward=1002, back=1003, devices=("w1a", "w1b"))
    every, later = '{ "w0a", "w0b", "w1a", "w1b" }', '{ "w1a", "w1b" }'
    assert rules(render_router((), [first, second], ())) == [
        f"iifname != {every} ip saddr 203.0.113.10 ip daddr 198.51.100.20 meta mark set 0x3e8 accept",
        f"iifname != {every} ip daddr 203.0.113.10 ip saddr 198.51.100.20 meta mark set 0x3e9 accept",
        f"iifname != {later} ip saddr 198.51.100.20 meta mark set 0x3ea accept",
        f"iifname != {later} ip daddr 198.51.100.20 meta mark set 0x3eb accept",
    ]


EVERYTHING = (
    render_router(
        [Drop(one=SHIELD, other=VISITOR), Drop(one=PRESS, protocol="icmp"), Drop(one=SHIELD, protocol="tcp", port=80)],
        [Detour(one=SHIELD, other=None, onward=1000, back=1001, devices=("w0a", "w0b"))],
        [Hush(end=SHIELD, mtu_bytes=1400), Hush(end=PRESS, mtu_bytes=1300)],
        [VISITOR],
    ),
    render_site_faults(SiteFaults(unplugged=True, metadata="refusal", deaf=True, hushed_mtu_bytes=1400)),
    render_site_faults(SiteFaults(metadata="silence")),
    NOTHING,
)


@pytest.mark.lab
@pytest.mark.parametrize("text", EVERYTHING)
def test_nft_takes_every_table_twice(text: str) -> None:
    """Into an empty namespace, and over itself; the twin: with one word wrong it takes none."""
    load = ["unshare", "--net", "sh", "-c", 'printf %s "$1" | nft -f - && printf %s "$1" | nft -f -', "sh"]
    done = subprocess.run([*load, text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    wrong = subprocess.run(
        [*load, text + "table inet faults { chain x { drip\n } }\n"], capture_output=True, check=False
    )
    assert wrong.returncode != 0

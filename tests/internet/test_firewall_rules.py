"""The cloud firewall as text: which nftables rules an API rule becomes."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network, ip_network

import pytest

from lab.internet.firewall import render_firewall
from lab.wish import Rule

ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
SOME = (ip_network("198.51.100.0/24"), ip_network("192.0.2.7/32"), ip_network("2001:db8:ff::/48"))


def rendered(*rules: Rule) -> list[str]:
    """Return the lines that the rules become, without the frame."""
    text = render_firewall(rules, ipv4=IPv4Address("203.0.113.10"), ipv6=IPv6Network("2001:db8:10::/64"))
    accepting = [line.strip() for line in text.splitlines() if line.endswith(" accept") and "ct state" not in line]
    return [line for line in accepting if line != "accept"]  # that one is all of the other direction


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        (
            Rule(direction="in", protocol="tcp", ports=(443, 443), addresses=ANYWHERE),
            ["meta nfproto ipv4 tcp dport 443 accept", "meta nfproto ipv6 tcp dport 443 accept"],
        ),
        (
            Rule(direction="in", protocol="udp", ports=(51820, 51821), addresses=SOME),
            [
                "ip saddr { 192.0.2.7/32, 198.51.100.0/24 } udp dport 51820-51821 accept",
                "ip6 saddr { 2001:db8:ff::/48 } udp dport 51820-51821 accept",
            ],
        ),
        (
            Rule(direction="in", protocol="icmp", ports=None, addresses=ANYWHERE),
            ["meta nfproto ipv4 meta l4proto icmp accept", "meta nfproto ipv6 meta l4proto ipv6-icmp accept"],
        ),
        (
            Rule(direction="out", protocol="tcp", ports=None, addresses=SOME[:1]),
            ["ip daddr { 198.51.100.0/24 } meta l4proto tcp accept"],
        ),
        (
            Rule(direction="in", protocol="gre", ports=None, addresses=SOME[2:]),
            ["ip6 saddr { 2001:db8:ff::/48 } meta l4proto gre accept"],
        ),
    ],
)
def test_a_rule_becomes_one_line_for_each_ip_version_it_names(rule: Rule, lines: list[str]) -> None:
    """A rule of the API lets through what it names, in the IP versions it names, and nothing else."""
    assert rendered(rule) == lines


def test_the_ruleset_is_replaced_in_one_transaction() -> None:
    """The table is declared, deleted and defined in one file, so there is no moment without it."""
    text = render_firewall((), ipv4=IPv4Address("203.0.113.10"), ipv6=None)
    assert text.startswith("table inet cloud\ndelete table inet cloud\ntable inet cloud {\n")


def test_a_server_without_ipv6_sends_none() -> None:
    """Whoever has no address of a version can't send from any."""
    text = render_firewall(None, ipv4=IPv4Address("203.0.113.10"), ipv6=None)
    assert 'iifname "br0" meta nfproto ipv6 counter drop comment "spoofed"' in text
    assert 'iifname "br0" ip saddr != 203.0.113.10 counter drop comment "spoofed"' in text

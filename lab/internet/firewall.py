"""The cloud firewall: Hetzner's rules as one nftables transaction in the server's site, outside of the machine.

Pure: rules in, text out. What the site itself answers (DHCP, DNS, metadata) is not forwarded and so never filtered,
as at Hetzner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Network

    from lab.wish import Rule

_NFPROTO = {"ip": "ipv4", "ip6": "ipv6"}


def render_firewall(rules: tuple[Rule, ...] | None, *, ipv4: IPv4Address | None, ipv6: IPv6Network | None) -> str:
    """Return the ruleset for `nft -f -`, which replaces the former one at once; flows it allowed go on.

    Args:
        rules: Of all firewalls applied; None if none is.
        ipv4: The server's address: it can send from no other.
        ipv6: The server's prefix: it can send from no other.
    """
    lines = [
        "table inet cloud",
        "delete table inet cloud",
        "table inet cloud {",
        "  chain forward {",
        "    type filter hook forward priority filter; policy drop;",
        f'    iifname "br0" {_not_from("ip", ipv4)} counter drop comment "spoofed"',
        f'    iifname "br0" {_not_from("ip6", ipv6)} counter drop comment "spoofed"',
        "    ct state established,related accept",
        '    iifname "up0" goto inward',
        '    iifname "br0" goto outward',
        "  }",
        *_chain("inward", rules, "in"),
        *_chain("outward", rules, "out"),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _not_from(family: str, own: IPv4Address | IPv6Network | None) -> str:
    if own is None:
        return f"meta nfproto {_NFPROTO[family]}"
    return f"{family} saddr != {own}"


def _chain(name: str, rules: tuple[Rule, ...] | None, direction: str) -> list[str]:
    relevant = [rule for rule in rules or () if rule.direction == direction]
    everything = rules is None or (direction == "out" and not relevant)
    verdicts = ["accept"] if everything else [*(line for rule in relevant for line in _accepts(rule)), "counter drop"]
    return [f"  chain {name} {{", *(f"    {verdict}" for verdict in verdicts), "  }"]


def _accepts(rule: Rule) -> list[str]:
    """Return a rule for each IP version that the addresses have."""
    side = "saddr" if rule.direction == "in" else "daddr"
    lines = []
    for version, family, icmp in ((4, "ip", "icmp"), (6, "ip6", "ipv6-icmp")):
        networks = sorted(str(network) for network in rule.addresses if network.version == version)
        if not networks:
            continue
        anywhere = any(network.endswith("/0") for network in networks)
        where = f"meta nfproto {_NFPROTO[family]}" if anywhere else f"{family} {side} {{ {', '.join(networks)} }}"
        lines.append(f"{where} {_protocol(rule, icmp)} accept")
    return lines


def _protocol(rule: Rule, icmp: str) -> str:
    if rule.protocol in {"tcp", "udp"}:
        if rule.ports is None:
            return f"meta l4proto {rule.protocol}"
        first, last = rule.ports
        return f"{rule.protocol} dport {first}-{last}" if first != last else f"{rule.protocol} dport {first}"
    return f"meta l4proto {icmp if rule.protocol == 'icmp' else rule.protocol}"

"""What reaches the host itself: visitors, the tunnels' outer packets, flows inside them, SSH.

Pure. The connection's state is looked at first; what follows is for new connections alone, but for one look at where
a packet comes from: an address of ours is believed inside a tunnel only, whatever connection it claims to be part of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloud_init.nftables.flows import render_flows
from cloud_init.nftables.words import NOT_FROM_TUNNELS, TUNNEL_PREFIXES, TUNNELS, chain, matches, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_init.nftables.flows import Elements
    from plan.addresses import Address
    from plan.model.firewall import Firewall

NEW_ONLY: Final = "tcp flags & (fin | syn | rst | ack) != syn counter name invalid drop"

# Neighbour and router discovery, and multicast listeners, count as untracked (RFC 4861, RFC 3810).
DISCOVERY: Final = (
    "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255",
    (
        "icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } "
        "ip6 saddr { ::, fe80::/10 }"
    ),
)

# Limits of one source, an IPv4 address or an IPv6 /64. Behind one address may be a university or a mobile network:
# 500 people at once, six connections each, make 3,000; they open some tens a second. haproxy takes about 32,000 on
# our shields and some 4,300 new ones a second, so one source alone gets an eighth of the room and a twentieth of the
# pace. A source is forgotten 30 s after its last try; with 65,536 sources in mind, new ones are no longer counted,
# and let in: a full set shuts nobody out. The kernel refuses another size or time-out for a set that is there:
# change the name with them.
VISITOR_RATE_PER_S: Final = 200
VISITOR_BURST: Final = 1000
VISITOR_OPEN_MAX: Final = 4000
_SOURCES_MAX: Final = 65536
VISITOR_SETS: Final = tuple(
    line
    for version in (4, 6)
    for line in (
        (
            f"  set visitor_rate{version} {{ type ipv{version}_addr; size {_SOURCES_MAX}; flags dynamic,timeout; "
            "timeout 30s; }"
        ),
        f"  set visitor_open{version} {{ type ipv{version}_addr; size {_SOURCES_MAX}; flags dynamic; }}",
    )
)
_SOURCES: Final = ((4, "ip saddr"), (6, "ip6 saddr & ffff:ffff:ffff:ffff::"))


def render_inward(firewall: Firewall, peers: Sequence[Address], accepts: Elements, expiring: list[str]) -> list[str]:
    """Return the chains that decide about packets to this host.

    Args:
        firewall: What the plan says.
        peers: Public addresses of known peers.
        accepts: Its flows to the host itself.
        expiring: Rules for addresses whose time ends.
    """
    return [
        *_raw(firewall),
        *chain(
            "input",
            *expiring,
            "ct state established,related goto kept_in",
            "ct state vmap { new : goto new_in, untracked : goto untracked_in, invalid : goto invalid_in }",
            hook="type filter hook input priority filter; policy drop;",
        ),
        *chain("kept_in", *_kept(firewall)),
        *(chain("own_source", 'iifname "lo" accept', "counter name spoofed drop") if firewall.inside else []),
        *chain("new_in", *_new(firewall)),
        *chain("tunnel_in", *_from_tunnels(firewall, accepts)),
        *(chain("visitors", *_visitors()) if firewall.visitor_ports else []),
        *chain("untracked_in", *_untracked(firewall, peers)),
        *chain("invalid_in", *_INVALID),
    ]


def _raw(firewall: Firewall) -> list[str]:
    """Return the chain that keeps the tunnels' outer packets out of conntrack: they are told by the peers' set."""
    if not firewall.wireguard_ports:
        return []
    ports = numbers(firewall.wireguard_ports)
    return chain(
        "raw_in",
        f"udp dport {ports} {NOT_FROM_TUNNELS} notrack",
        hook="type filter hook prerouting priority raw; policy accept;",
    )


def _kept(firewall: Firewall) -> list[str]:
    """Return what is still asked of a connection that was let in: two short matches inside a tunnel."""
    return [
        *(f"iifname {prefix} accept" for prefix in TUNNEL_PREFIXES),
        *(f"{match} goto own_source" for match in matches("saddr", firewall.inside)),
        "accept",
    ]


def _new(firewall: Firewall) -> list[str]:
    ssh = [f"tcp dport 22 {match} counter name ssh_new accept" for match in matches("saddr", firewall.ssh_sources)]
    visitors = f"tcp dport {numbers(firewall.visitor_ports)} goto visitors" if firewall.visitor_ports else ""
    return [
        'iifname "lo" accept',
        NEW_ONLY,
        f"iifname {TUNNELS} goto tunnel_in",
        *(f"{match} counter name spoofed drop" for match in matches("saddr", firewall.inside)),
        *(f"{match} counter name cleartext drop" for match in matches("daddr", firewall.inside)),
        *([visitors] if visitors else []),
        *ssh,
        "tcp dport 22 counter name ssh_denied drop",
        "udp sport 67 udp dport 68 counter name dhcp accept",
        "ip6 saddr fe80::/10 udp sport 547 udp dport 546 counter name dhcp accept",
        "counter name in_drop drop",
    ]


def _from_tunnels(firewall: Firewall, accepts: Elements) -> list[str]:
    """Return what new connections inside a tunnel may reach.

    A device that uses the Internet through this host is a visitor of its public address as well.
    """
    inside = matches("daddr", firewall.inside)
    visiting = [
        *(f"{match} counter name flow_denied drop" for match in inside),
        *(
            f"{match} tcp dport {numbers(firewall.visitor_ports)} goto visitors"
            for match in matches("saddr", firewall.internet)
        ),
    ]
    return [
        *render_flows(accepts, "counter name flow_new accept"),
        "icmp type echo-request counter name ping accept",
        "icmpv6 type echo-request counter name ping accept",
        *(visiting if firewall.internet and firewall.visitor_ports else []),
        "counter name flow_denied drop",
    ]


def _visitors() -> list[str]:
    return [
        *(
            f"update @visitor_rate{version} {{ {source} limit rate over {VISITOR_RATE_PER_S}/second "
            f"burst {VISITOR_BURST} packets }} counter name visitor_fast drop"
            for version, source in _SOURCES
        ),
        *(
            f"add @visitor_open{version} {{ {source} ct count over {VISITOR_OPEN_MAX} }} counter name visitor_many drop"
            for version, source in _SOURCES
        ),
        "counter name visitor_new accept",
    ]


def _untracked(firewall: Firewall, peers: Sequence[Address]) -> list[str]:
    """Return what is let in without a connection: the tunnels' outer packets first, they are the most."""
    port = f"udp dport {numbers(firewall.wireguard_ports)}" if firewall.wireguard_ports else ""
    known = [f"{port} "] if firewall.roaming else [f"{port} {match} " for match in matches("saddr", peers)]
    outer = [*(f"{match}counter name wg_rx accept" for match in known), f"{port} counter name wg_denied drop"]
    return [
        *(outer if port else []),
        *(f"{match} accept" for match in DISCOVERY),
        'iifname "lo" accept',
        "counter name in_drop drop",
    ]


# Errors about untracked outer packets belong to no connection: path MTU needs them.
_INVALID: Final = (
    'iifname "lo" accept',
    "icmp type destination-unreachable limit rate 50/second counter name icmp_error accept",
    "icmpv6 type { packet-too-big, destination-unreachable } limit rate 50/second counter name icmp_error accept",
    "counter name invalid drop",
)

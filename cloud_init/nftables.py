"""A host's firewall in nft(8)'s language: one table of our own, default drop, IPv4 and IPv6.

Pure. The shape keeps what every packet pays small: WireGuard's outer packets skip conntrack, one verdict map on the
connection's state comes first, and every other rule is for new flows alone. The file declares, empties and defines
the table in one transaction, so that it can be loaded over itself, keeps its counters, and touches nobody else's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloud_init.material import Material
    from plan.model import Address, Firewall, Network

COUNTERS: Final = (
    "wg_rx", "wg_denied", "visitor_new", "flow_new", "flow_denied", "ssh_new",
    "spoofed", "invalid", "in_drop", "forward_drop", "metadata_drop", "leak_drop",
)  # fmt: skip

# Loaded before everything else, and all there is when the real table is refused: what a host needs to have an
# address at all, and nothing more.
FALLBACK: Final = """\
#!/usr/sbin/nft -f
# Farshore: closed. Loaded before the network; the real table replaces it.
table inet farshore {
  chain input {
    type filter hook input priority filter; policy drop;
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
  }
}
flush table inet farshore
table inet farshore {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "lo" accept
    udp sport 67 udp dport 68 accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } ip6 hoplimit 255 accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
  }
}
"""


def render_nftables(firewall: Firewall, material: Material) -> str:
    """Return the table of one host; ends with a newline."""
    peers = [material.address(ref) for ref in firewall.peers]
    sets = {
        "peers": _by_version(peers),
        "tunnels": _by_version(firewall.inside),
        "ssh_sources": _by_version(firewall.ssh_sources),
    }
    ports = ", ".join(str(port) for port in firewall.wireguard_ports)
    return "\n".join(
        [
            "#!/usr/sbin/nft -f",
            "# Farshore's own table. Change the stack file, not this file: it is written again.",
            "table inet farshore {",
            *_sets(sets, filled=False),
            "}",
            "flush table inet farshore",
            *(f"flush set inet farshore {name}{version}" for name in sets for version in (4, 6)),
            "table inet farshore {",
            *_sets(sets, filled=True),
            *(f"  counter {name} {{}}" for name in COUNTERS),
            *_raw_chains(ports),
            *_input_chains(firewall, ports),
            *_other_chains(),
            "}",
            "",
        ]
    )


def _by_version(members: Iterable[Address | Network]) -> dict[int, list[str]]:
    """Return addresses or networks as text, in order, by IP version."""
    ordered = sorted(members, key=lambda member: (member.version, str(member)))
    return {version: [str(m) for m in ordered if m.version == version] for version in (4, 6)}


def _sets(sets: dict[str, dict[int, list[str]]], *, filled: bool) -> list[str]:
    """Return the declarations of all sets, with or without their elements."""
    lines = []
    for name, members in sets.items():
        for version, elements in members.items():
            filling = f" elements = {{ {', '.join(elements)} }};" if filled and elements else ""
            lines.append(f"  set {name}{version} {{ type ipv{version}_addr; flags interval;{filling} }}")
    return lines


def _raw_chains(ports: str) -> list[str]:
    """Return the chains that keep the tunnel's outer packets out of conntrack."""
    if not ports:
        return []
    return [
        "  chain raw_in {",
        "    type filter hook prerouting priority raw; policy accept;",
        f'    iifname != "fs*" udp dport {{ {ports} }} notrack',
        "  }",
        "  chain raw_out {",
        "    type filter hook output priority raw; policy accept;",
        f'    oifname != "fs*" udp sport {{ {ports} }} notrack',
        "  }",
    ]


def _input_chains(firewall: Firewall, ports: str) -> list[str]:
    """Return everything that decides about packets for this host."""
    outer = [
        f"    udp dport {{ {ports} }} ip saddr @peers4 counter name wg_rx accept",
        f"    udp dport {{ {ports} }} ip6 saddr @peers6 counter name wg_rx accept",
        f"    udp dport {{ {ports} }} counter name wg_denied drop",
    ]
    flows = [
        f"    {'ip' if version == 4 else 'ip6'} saddr {{ {', '.join(sources)} }} {flow.protocol} dport {flow.ports[0]} "
        f"counter name flow_new accept  # {flow.name}"
        for flow in firewall.accepts
        for version, sources in _by_version(flow.sources).items()
        if sources
    ]
    visitors = ", ".join(str(port) for port in firewall.visitor_ports)
    ssh = [
        "    tcp dport 22 ip saddr @ssh_sources4 counter name ssh_new accept",
        "    tcp dport 22 ip6 saddr @ssh_sources6 counter name ssh_new accept",
    ]
    return [
        "  chain untracked {",
        *(outer if ports else []),
        # Neighbour and router discovery count as untracked, never as new (RFC 4861: hop limit 255 proves the link).
        "    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } ip6 hoplimit 255 accept",
        (
            "    icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } "
            "ip6 saddr fe80::/10 accept"
        ),
        "  }",
        "  chain stray {",
        # Path MTU messages about untracked outer packets belong to no connection.
        "    icmp type destination-unreachable limit rate 50/second accept",
        "    icmpv6 type packet-too-big limit rate 50/second accept",
        "    counter name invalid drop",
        "  }",
        "  chain tunnelled {",
        *flows,
        "    icmp type echo-request accept",
        "    icmpv6 type echo-request accept",
        "    counter name flow_denied drop",
        "  }",
        "  chain fresh {",
        '    iifname "lo" accept',
        "    tcp flags & (fin | syn | rst | ack) != syn counter name invalid drop",
        '    iifname "fs*" jump tunnelled',
        "    ip saddr @tunnels4 counter name spoofed drop",
        "    ip6 saddr @tunnels6 counter name spoofed drop",
        "    ip daddr @tunnels4 counter name spoofed drop",
        "    ip6 daddr @tunnels6 counter name spoofed drop",
        *([f"    tcp dport {{ {visitors} }} counter name visitor_new accept"] if visitors else []),
        *(ssh if firewall.ssh_sources else []),
        "    udp sport 67 udp dport 68 accept",
        "    ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
        "  }",
        "  chain input {",
        "    type filter hook input priority filter; policy drop;",
        (
            "    ct state vmap { established : accept, related : accept, invalid : jump stray, "
            "untracked : jump untracked, new : jump fresh }"
        ),
        "    counter name in_drop drop",
        "  }",
    ]


def _other_chains() -> list[str]:
    """Return what decides about packets that pass through, and those that leave."""
    return [
        "  chain forward {",
        "    type filter hook forward priority filter; policy drop;",
        "    counter name forward_drop drop",
        "  }",
        "  chain output {",
        "    type filter hook output priority filter; policy accept;",
        "    ct state established,untracked accept",
        '    oifname "lo" accept',
        # User data stays readable at the metadata service for the server's life: root alone may ask.
        "    ip daddr 169.254.169.254 meta skuid != 0 counter name metadata_drop reject",
        "    ip6 daddr fe80::a9fe:a9fe meta skuid != 0 counter name metadata_drop reject",
        # A tunnel that is down must not let its traffic out in clear.
        '    oifname != "fs*" ip daddr @tunnels4 counter name leak_drop drop',
        '    oifname != "fs*" ip6 daddr @tunnels6 counter name leak_drop drop',
        "  }",
    ]

"""Faults as nftables transactions: one table in the router's namespace, one in each server's site.

Pure: values in, text for `nft -f -` out. Each text replaces the table of the one before at once.

Two hosts, or a host and a place, are told by their addresses, not by the router's interfaces: a packet that takes a
detour comes back by another one. The site's own firewall sees to it that nobody borrows an address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.internet import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from ipaddress import IPv4Address, IPv6Network
    from typing import Literal

TABLE = "inet faults"


@dataclass(frozen=True, kw_only=True)
class End:
    """A server or a place, as the router sees it.

    Args:
        name: For comments.
        interface: The router's, with the end's cable in it.
        ipv4: Its address.
        ipv6: Its prefix.
    """

    name: str
    interface: str
    ipv4: IPv4Address | None
    ipv6: IPv6Network | None


@dataclass(frozen=True, kw_only=True)
class Drop:
    """Packets between two ends that are lost; `other` None is everybody."""

    one: End
    other: End | None = None
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: int | None = None
    family: Literal["ipv4", "ipv6"] | None = None


@dataclass(frozen=True, kw_only=True)
class Detour:
    """Packets between two ends that are routed elsewhere by their mark.

    Args:
        one: An end.
        other: The other one; None is everybody.
        onward: Mark of what `one` sends.
        back: Mark of what it is sent.
        devices: The interfaces that they come back by.
    """

    one: End
    other: End | None
    onward: int
    back: int
    devices: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Hush:
    """An MTU that nobody is told of: no ICMP, and no fragments either.

    Args:
        end: Whose link it is.
        mtu_bytes: Of the link.
    """

    end: End
    mtu_bytes: int


def render_router(
    drops: Iterable[Drop], detours: Iterable[Detour], hushes: Iterable[Hush], deaf: Iterable[End] = ()
) -> str:
    """Return the router's table.

    Args:
        drops: What is lost.
        detours: What goes elsewhere, in turn: each packet takes each of them once at most.
        hushes: Links whose MTU nobody is told of.
        deaf: Places that the resolver answers nothing.
    """
    early, output, local = [], [], []
    for drop in drops:
        early += [f"{match} counter drop" for match in _drops(drop)]
    for hush in hushes:
        early.append(f'iifname "{hush.end.interface}" {_fragment(hush.mtu_bytes)} counter drop')
        output += [f"{match} counter drop" for match in _too_big_about(hush.end)]
    late = list(detours)
    for number, detour in enumerate(late):
        own = ", ".join(f'"{device}"' for later in late[number:] for device in later.devices)
        for match, mark in _marks(detour):
            early.append(f"iifname != {{ {own} }} {match} meta mark set {mark:#x} accept")
    local += [f'iifname "{end.interface}" meta l4proto {{ tcp, udp }} th dport 53 counter drop' for end in deaf]
    return _table(
        _chain("early", "filter hook prerouting priority raw", early),
        _chain("local", "filter hook input priority filter", local),
        _chain("told", "filter hook output priority filter", output),
    )


@dataclass(frozen=True, kw_only=True)
class SiteFaults:
    """What is wrong at one server's site.

    Args:
        unplugged: Nothing comes from the machine, and nothing gets to it.
        metadata: What the metadata service does with a request; None is to answer it.
        deaf: The resolvers answer nothing.
        hushed_mtu_bytes: Of the uplink, if nobody is told of it.
    """

    unplugged: bool = False
    metadata: Literal["silence", "refusal"] | None = None
    deaf: bool = False
    hushed_mtu_bytes: int | None = None


def render_site_faults(faults: SiteFaults) -> str:
    """Return the table of a server's site."""
    early, late, local, output = [], [], [], []
    if faults.unplugged:
        early.append('iifname "br0" counter drop')
        late.append('oifname "br0" counter drop')
    if faults.metadata is not None:
        verdict = "drop" if faults.metadata == "silence" else "reject with tcp reset"
        local += [
            f'iifname "br0" {family} daddr {address} tcp dport 80 counter {verdict}'
            for family, address in (("ip", addresses.METADATA_IPV4), ("ip6", addresses.METADATA_IPV6))
        ]
    if faults.deaf:
        local += [
            f"{family} daddr {{ {', '.join(map(str, hosts))} }} meta l4proto {{ tcp, udp }} th dport 53 counter drop"
            for family, hosts in (("ip", addresses.SITE_RESOLVERS), ("ip6", addresses.SITE_RESOLVERS6))
        ]
    if faults.hushed_mtu_bytes is not None:
        early.append(f'iifname "up0" {_fragment(faults.hushed_mtu_bytes)} counter drop')
        output += ["icmp type destination-unreachable icmp code frag-needed counter drop"]
        output += ["icmpv6 type packet-too-big counter drop"]
    return _table(
        _chain("early", "filter hook prerouting priority -450", early),  # before fragments are put together
        _chain("late", "filter hook postrouting priority raw", late),
        _chain("local", "filter hook input priority filter", local),
        _chain("told", "filter hook output priority filter", output),
    )


def _table(*chains: list[str]) -> str:
    lines = [f"table {TABLE}", f"delete table {TABLE}"]
    if any(chains):
        lines += [f"table {TABLE} {{", *(line for chain in chains for line in chain), "}"]
    return "\n".join(lines) + "\n"


def _chain(name: str, where: str, rules: list[str]) -> list[str]:
    if not rules:
        return []
    return [f"  chain {name} {{", f"    type {where}; policy accept;", *(f"    {rule}" for rule in rules), "  }"]


def _between(one: End, other: End | None, family: str | None) -> Iterator[tuple[str, str, str]]:
    """Yield for each IP version that the ends have: its name, a match of what goes to the other, one of what comes."""
    for name, word in (("ipv4", "ip"), ("ipv6", "ip6")):
        if family not in {None, name}:
            continue
        near, far = getattr(one, name), getattr(other, name, None)
        if near is None or (other is not None and far is None):
            continue
        to, source = (f" {word} daddr {far}", f" {word} saddr {far}") if far is not None else ("", "")
        yield name, f"{word} saddr {near}{to}", f"{word} daddr {near}{source}"


def _drops(drop: Drop) -> Iterator[str]:
    for family, onward, back in _between(drop.one, drop.other, drop.family):
        protocol = "ipv6-icmp" if (drop.protocol, family) == ("icmp", "ipv6") else drop.protocol
        for way in (onward, back):
            if drop.port is not None:
                yield f"{way} {protocol} dport {drop.port}"
                yield f"{way} {protocol} sport {drop.port}"
            else:
                yield f"{way} meta l4proto {protocol}" if protocol else way


def _marks(detour: Detour) -> Iterator[tuple[str, int]]:
    for _, onward, back in _between(detour.one, detour.other, None):
        yield onward, detour.onward
        yield back, detour.back


def _fragment(mtu_bytes: int) -> str:
    """Match what a link of this MTU makes of a packet that is too large: all of its fragments but the last."""
    return f"ip frag-off & 0x2000 != 0 ip length > {mtu_bytes - 8}"


def _too_big_about(end: End) -> Iterator[str]:
    """Match the ICMP errors that say what fits, about packets to this end: its address stands in what they quote."""
    if end.ipv4 is not None:  # 8 bytes of ICMP, then the packet, whose destination is at 16
        quoted = f"@th,{(8 + 16) * 8},32 {int(end.ipv4):#x}"
        yield f"icmp type destination-unreachable icmp code frag-needed {quoted}"
    if end.ipv6 is not None:  # the same with 24
        length = end.ipv6.prefixlen
        quoted = f"@th,{(8 + 24) * 8},{length} {int(end.ipv6.network_address) >> (128 - length):#x}"
        yield f"icmpv6 type packet-too-big {quoted}"

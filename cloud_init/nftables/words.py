"""The words that every part of the table shares: families, networks, sets, comments, and names of interfaces.

Pure. Whatever comes from a stack file passes through here: addresses and numbers by their own types, names through
`comment` and `user_set`, so that no text can change what the file means.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from typing import TYPE_CHECKING, Final

from plan.addresses import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from plan.addresses import Address, Network

# Interfaces by the beginnings of their names: ours to shields and origins, and in meshes. On the way of every packet
# a prefix is one comparison of two bytes, cheaper than a set.
TUNNEL_PREFIXES: Final = ('"fs*"', '"fm*"')
NOT_FROM_TUNNELS: Final = " ".join(f"iifname != {prefix}" for prefix in TUNNEL_PREFIXES)
NOT_TO_TUNNELS: Final = " ".join(f"oifname != {prefix}" for prefix in TUNNEL_PREFIXES)
TUNNELS: Final = '{ "fs*", "fm*" }'
# Bridges of Docker's networks, and of podman's.
CONTAINERS: Final = '{ "docker*", "br-*", "podman*" }'
INNER: Final = '{ "fs*", "fm*", "docker*", "br-*", "podman*", "lo" }'

# Where providers let a machine ask for its user data: Hetzner and most others, by IPv4 and by IPv6, Amazon, Alibaba.
METADATA: Final = (
    ("ip", "{ 169.254.169.254, 169.254.170.2, 100.100.100.200 }"),
    ("ip6", "{ fe80::a9fe:a9fe, fd00:ec2::254 }"),
)

# What a full tunnel to the Internet never leads to: RFC 6890, less the prefixes for documentation, which labs use.
NOT_PUBLIC: Final[tuple[Network, ...]] = (
    *(
        IPv4Network(text)
        for text in (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3",
        )
    ),
    *(IPv6Network(text) for text in ("::/96", "::ffff:0:0/96", "64:ff9b:1::/48", "fc00::/6")),
)  # fmt: skip

_ELEMENTS_A_LINE: Final = 4
_COMMENT_MAX: Final = 100  # the kernel keeps 128 bytes
_STRANGE = re.compile(r"[^A-Za-z0-9 ._/@:+-]")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
FAMILIES: Final = {4: "ip", 6: "ip6"}


# One host's table names the same networks in dozens of rules, and the hosts of one stack mostly the same ones.
@lru_cache(maxsize=1024)
def by_family(members: tuple[Network | Address, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return `ip` and `ip6` with their networks as text: merged, in order; a family without any is left out."""
    four = collapse_addresses(
        [IPv4Network(int(one)) if isinstance(one, IPv4Address) else one for one in members if one.version == 4]
    )
    six = collapse_addresses(
        [IPv6Network(int(one)) if isinstance(one, IPv6Address) else one for one in members if one.version == 6]
    )
    texts = (("ip", tuple(map(as_text, four))), ("ip6", tuple(map(as_text, six))))
    return tuple((family, networks) for family, networks in texts if networks)


def one_of(members: Sequence[str]) -> str:
    """Return the right side of a match: the only member itself, which is cheaper, or a set."""
    return members[0] if len(members) == 1 else listed(members, a_line=_ELEMENTS_A_LINE)


def listed(members: Sequence[str], *, a_line: int = 1) -> str:
    """Return a set or a map, on one line where it is short."""
    if len(members) <= a_line:
        return f"{{ {', '.join(members)} }}"
    lines = [", ".join(members[at : at + a_line]) for at in range(0, len(members), a_line)]
    body = ",\n".join(f"      {line}" for line in lines)
    return f"{{\n{body},\n    }}"


def matches(side: str, members: Iterable[Network | Address]) -> list[str]:
    """Return a match for each family that has members; one for all of it where a member is all of it.

    Args:
        side: `saddr` or `daddr`.
        members: Networks and addresses of either family.
    """
    return [
        f"meta nfproto {'ipv4' if family == 'ip' else 'ipv6'}"
        if texts[0] in {"0.0.0.0/0", "::/0"}
        else f"{family} {side} {one_of(texts)}"
        for family, texts in by_family(tuple(members))
    ]


def numbers(values: Iterable[int]) -> str:
    """Return ports as the right side of a match, in order and once."""
    return one_of([str(value) for value in sorted(set(values))])


def comment(text: str) -> str:
    """Return a text as a quoted string that holds nothing but harmless characters, and not too many."""
    return f'"{_STRANGE.sub("?", text)[:_COMMENT_MAX]}"'


def user_set(user: str) -> str:
    """Return the name of the set that holds a user's number.

    Raises:
        ValueError: It is no user's name.
    """
    if not _USER.fullmatch(user):
        raise ValueError(f"egress: user {user!r}, allowed: what useradd(8) takes; name a local user")
    return f"user_{user}"


def chain(name: str, *rules: str, hook: str = "") -> list[str]:
    """Return one chain's lines.

    Args:
        name: Its.
        rules: In order.
        hook: Of a base chain, with its policy.
    """
    return [f"  chain {name} {{", *([f"    {hook}"] if hook else []), *(f"    {rule}" for rule in rules), "  }"]

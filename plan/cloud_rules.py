"""The provider's firewall, the second layer: it says what nftables says, as far as its limits let it.

Pure. Beyond the limits it gives up what nftables tells best, in this order: which ports of a range are tunnels', which
addresses are peers', from which networks SSH comes. What it gave up is said in every preview.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from plan.addresses import ANYWHERE
from plan.model.firewall import CloudRule
from plan.passages import SSH_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from plan.addresses import Address, Network
    from plan.model.firewall import Firewall
    from plan.model.refs import Ref

# https://docs.hetzner.com/cloud/firewalls/faq/: effective rules, each address of a rule counted.
ADDRESSES_MAX: Final = 500
RULES_MAX: Final = 50  # https://docs.hetzner.cloud/reference/cloud#firewalls
SOURCES_MAX: Final = 100  # of one rule, the same page


@dataclass(frozen=True, kw_only=True)
class _Way:
    """One way to write a part of the firewall, and what it leaves to nftables alone; empty for nothing."""

    rules: tuple[CloudRule, ...]
    left: str = ""


def make_cloud_rules(firewall: Firewall) -> tuple[tuple[CloudRule, ...], str]:
    """Return the provider's firewall, and what its limits leave to nftables alone; empty for nothing.

    Never without rules: the provider's plugin does not send an empty list, which would leave everything open.
    """
    visitors = tuple(
        CloudRule(description=f"visitors, {what}", protocol="tcp", port=port, sources=ANYWHERE)
        for port, what in zip(firewall.visitor_ports, ("http", "https"), strict=False)
    )
    tried = [
        ((*visitors, *tunnels.rules, *ssh.rules), ", and ".join(part for part in (tunnels.left, ssh.left) if part))
        for ssh in _ssh(firewall)
        for tunnels in _tunnels(firewall)
    ]
    rules, left = next(one for one in tried if _fits(one[0]))
    if not left:
        return rules, ""
    exact = tried[0][0]
    return rules, (
        f"the provider's firewall takes {ADDRESSES_MAX} addresses in {RULES_MAX} rules, and {_addresses(exact)} in "
        f"{len(exact)} are needed; there {left}"
    )


def _tunnels(firewall: Firewall) -> Iterator[_Way]:
    """Yield ways to let the tunnels' outer packets in, the most exact first."""
    ports, peers = firewall.wireguard_ports, firewall.peers
    if not ports:
        yield _Way(rules=())
        return
    first, last = min(ports), max(ports)
    as_one = f"udp {first} to {last} are one range, and nftables alone tells the tunnels' ports from those between"
    if not firewall.roaming:
        yield _Way(rules=tuple(rule for port in ports for rule in _rules("tunnels", "udp", port, peers)))
        if first < last:
            yield _Way(rules=_rules("tunnels", "udp", first, peers, last=last), left=as_one)
    strangers = (
        ""
        if firewall.roaming
        else "the tunnels' ports are open to everybody, and nftables alone tells peers from strangers"
    )
    yield _Way(rules=tuple(rule for port in ports for rule in _rules("tunnels", "udp", port, ANYWHERE)), left=strangers)
    both = ", and ".join(part for part in (strangers, as_one) if part)
    yield _Way(rules=_rules("tunnels", "udp", first, ANYWHERE, last=last), left=both)


def _ssh(firewall: Firewall) -> Iterator[_Way]:
    """Yield ways to let the operator's SSH in, the most exact first."""
    yield _Way(rules=_rules("operator", "tcp", SSH_PORT, firewall.ssh_sources))
    if firewall.ssh_sources:
        left = "tcp 22 is open to everybody, and nftables alone tells the operator's networks from others"
        yield _Way(rules=_rules("operator", "tcp", SSH_PORT, ANYWHERE), left=left)


def _rules(
    what: str,
    protocol: Literal["tcp", "udp"],
    port: int,
    sources: Sequence[Network | Address | Ref],
    *,
    last: int | None = None,
) -> tuple[CloudRule, ...]:
    """Return one rule for as many sources as one takes."""
    return tuple(
        CloudRule(
            description=what,
            protocol=protocol,
            port=port,
            last_port=last,
            sources=tuple(sources[start : start + SOURCES_MAX]),
        )
        for start in range(0, len(sources), SOURCES_MAX)
    )


def _fits(rules: Sequence[CloudRule]) -> bool:
    return len(rules) <= RULES_MAX and _addresses(rules) <= ADDRESSES_MAX


def _addresses(rules: Sequence[CloudRule]) -> int:
    return sum(len(rule.sources) for rule in rules)

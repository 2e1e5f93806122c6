"""Firewall rules: which ones the API takes, and what they mean to a packet.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#firewalls-create-a-firewall (50 rules a firewall, 100
addresses a rule, descriptions of 255 characters, 500 effective rules). How effective rules are counted is not
published; the lab counts a rule once for each of its addresses.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from lab.cloud.call import Body
from lab.cloud.records import FirewallRule
from lab.cloud.reply import invalid_input
from lab.wish import Rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.cloud.reply import Json

RULES_MAX = 50
EFFECTIVE_RULES_MAX = 500
ADDRESSES_MAX = 100
DESCRIPTION_CHARS_MAX = 255
PORT_MAX = 65535
PORTED = frozenset({"tcp", "udp"})
ANY_PORT = "any"
_PORTS = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


class RuleBody(Body):
    """One rule as a client writes it."""

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: str | None = None
    source_ips: list[str] = Field(default_factory=list)
    destination_ips: list[str] = Field(default_factory=list)
    description: str | None = None


def read_rules(wanted: Sequence[RuleBody]) -> list[FirewallRule]:
    """Return rules as they are kept.

    Raises:
        ApiError: `invalid_input`, naming every field that is wrong.
    """
    faults = [("rules", f"more than {RULES_MAX} rules")] if len(wanted) > RULES_MAX else []
    if sum(max(1, len(rule.source_ips) + len(rule.destination_ips)) for rule in wanted) > EFFECTIVE_RULES_MAX:
        faults.append(("rules", f"more than {EFFECTIVE_RULES_MAX} effective rules"))
    for position, rule in enumerate(wanted):
        faults += [(f"rules.{position}.{name}", fault) for name, fault in _faults(rule)]
    if faults:
        raise invalid_input(*faults)
    return [
        FirewallRule(
            direction=rule.direction,
            protocol=rule.protocol,
            port=rule.port,
            source_ips=list(rule.source_ips),
            destination_ips=list(rule.destination_ips),
            description=rule.description,
        )
        for rule in wanted
    ]


def show_rule(rule: FirewallRule) -> Json:
    """Return a rule as a client sees it."""
    return {
        "direction": rule.direction,
        "protocol": rule.protocol,
        "port": rule.port,
        "source_ips": list(rule.source_ips),
        "destination_ips": list(rule.destination_ips),
        "description": rule.description,
    }


def wished_rule(rule: FirewallRule) -> Rule:
    """Return what a rule asks of the world."""
    addresses = rule.source_ips if rule.direction == "in" else rule.destination_ips
    return Rule(
        direction=rule.direction,
        protocol=rule.protocol,
        ports=None if rule.port in (None, ANY_PORT) else _ports(rule.port),
        addresses=tuple(ip_network(address) for address in addresses),
    )


def _faults(rule: RuleBody) -> list[tuple[str, str]]:
    faults = []
    if rule.protocol in PORTED and rule.port is None:
        faults.append(("port", f"is required for {rule.protocol}"))
    if rule.protocol not in PORTED and rule.port is not None:
        faults.append(("port", f"is not allowed for {rule.protocol}"))
    if rule.port not in (None, ANY_PORT) and _ports(rule.port) is None:
        faults.append(("port", f"{rule.port!r} is no port and no range of ports from 1 to {PORT_MAX}"))
    for name, addresses in (("source_ips", rule.source_ips), ("destination_ips", rule.destination_ips)):
        if len(addresses) > ADDRESSES_MAX:
            faults.append((name, f"more than {ADDRESSES_MAX} addresses"))
        faults += [(name, fault) for address in addresses if (fault := _address_fault(address))]
    if rule.description is not None and len(rule.description) > DESCRIPTION_CHARS_MAX:
        faults.append(("description", f"is longer than {DESCRIPTION_CHARS_MAX} characters"))
    return faults


def _address_fault(address: str) -> str | None:
    """Return what is wrong with an address in CIDR notation, or None."""
    if "/" not in address:
        return f"{address!r} is not in CIDR notation"
    try:
        network = ip_network(address, strict=False)
    except ValueError:
        return f"{address!r} is not in CIDR notation"
    if not address.partition("/")[2].isdecimal():
        return f"{address!r} is not in CIDR notation"
    if ip_network(address.partition("/")[0]).network_address != network.network_address:
        return f"{address} is not the start of the cidr block {network}"
    return None


def _ports(text: str | None) -> tuple[int, int] | None:
    """Return the first and last port of `80` or `80-85`, or None where it is neither."""
    match = _PORTS.fullmatch(text or "")
    if match is None:
        return None
    first = int(match[1])
    last = int(match[2] or match[1])
    return (first, last) if 1 <= first <= last <= PORT_MAX else None

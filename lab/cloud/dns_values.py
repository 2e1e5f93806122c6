"""What a DNS zone may hold: names, lifetimes, types, and values of the types that are checked.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#zones and #zone-rrsets; RFC 1035, RFC 2181.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from lab.cloud.reply import invalid_input

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TTL_S_MIN = 60
TTL_S_MAX = 2147483647
APEX = "@"
TYPES = frozenset(
    {"A", "AAAA", "CAA", "CNAME", "DS", "HINFO", "HTTPS", "MX", "NS", "PTR", "RP", "SOA", "SRV", "SVCB", "TLSA", "TXT"}
)

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ZONE = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)+{_LABEL}")
_OWNER = re.compile(rf"(?=.{{1,253}}$)(?:\*|{_LABEL})(?:\.{_LABEL})*")
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?|@", re.IGNORECASE)
_TEXT = re.compile(r'"(?:[^"\\]|\\.){0,255}"(?:\s+"(?:[^"\\]|\\.){0,255}")*')
_EXCHANGE = re.compile(r"(?P<preference>\d{1,5})\s+(?P<host>\S+)")


def check_zone_name(name: str) -> None:
    """Refuse what is no domain in lower case and ASCII, without a final dot.

    Raises:
        ApiError: `invalid_input`.
    """
    if not _ZONE.fullmatch(name):
        raise invalid_input(("name", "must be a domain name in lower case, without a final dot"))


def check_owner(name: str) -> None:
    """Refuse what is no name inside a zone: `@`, or labels without the zone's own name.

    Raises:
        ApiError: `invalid_input`.
    """
    if name != APEX and not _OWNER.fullmatch(name):
        raise invalid_input(("name", "must be @ or a name in lower case, relative to the zone"))


def check_ttl(ttl_s: int | None) -> None:
    """Refuse a lifetime that is out of bounds; None is always allowed.

    Raises:
        ApiError: `invalid_input`.
    """
    if ttl_s is not None and not TTL_S_MIN <= ttl_s <= TTL_S_MAX:
        raise invalid_input(("ttl", f"must be from {TTL_S_MIN} to {TTL_S_MAX}"))


def check_type(kind: str) -> None:
    """Refuse a type that the API does not know.

    Raises:
        ApiError: `invalid_input`.
    """
    if kind not in TYPES:
        raise invalid_input(("type", f"{kind!r} is not one of {', '.join(sorted(TYPES))}"))


def check_values(kind: str, values: Sequence[str]) -> None:
    """Refuse values that don't fit their type, that come twice, or that are none at all.

    Raises:
        ApiError: `invalid_input` naming `records`.
    """
    if not values:
        raise invalid_input(("records", "at least one is needed"))
    if len(set(values)) != len(values):
        raise invalid_input(("records", "a value comes twice"))
    if kind == "CNAME" and len(values) > 1:
        raise invalid_input(("records", "a CNAME has one value"))
    fits = _FITS.get(kind, bool)
    wrong = [(f"records.{index}.value", f"is no value of {kind}") for index, v in enumerate(values) if not fits(v)]
    if wrong:
        raise invalid_input(*wrong)


def _is_ipv4(value: str) -> bool:
    return _parses(IPv4Address, value)


def _is_ipv6(value: str) -> bool:
    return _parses(IPv6Address, value)


def _parses(parse: Callable[[str], object], value: str) -> bool:
    try:
        parse(value)
    except ValueError:
        return False
    return True


def _is_host(value: str) -> bool:
    return bool(_HOST.fullmatch(value))


def _is_text(value: str) -> bool:
    return bool(_TEXT.fullmatch(value))


def _is_exchange(value: str) -> bool:
    match = _EXCHANGE.fullmatch(value)
    # RFC 7505: a single dot says that no mail is taken.
    return bool(match and int(match["preference"]) < 1 << 16 and (match["host"] == "." or _is_host(match["host"])))


_FITS: Mapping[str, Callable[[str], bool]] = {
    "A": _is_ipv4,
    "AAAA": _is_ipv6,
    "CNAME": _is_host,
    "MX": _is_exchange,
    "NS": _is_host,
    "PTR": _is_host,
    "TXT": _is_text,
}

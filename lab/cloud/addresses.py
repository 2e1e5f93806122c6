"""Public addresses: which one is given out next, and which hardware address a server has.

Pure. All come from ranges kept for documentation (RFC 5737, RFC 3849), so that a lab which leaks reaches
nobody. Locations of different countries have different ranges.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from lab.cloud.reply import ApiError

if TYPE_CHECKING:
    from lab.cloud.records import Ledger

FIRST_HOST = 10  # leaves the low addresses of a range to routers and to people
IPV6_GROUP_MAX = 0xFFFF


def take_ipv4(ledger: Ledger, ip_range: str) -> str:
    """Take the next address of a range: a never used one, else the one that has been free the longest.

    Raises:
        ApiError: `resource_unavailable`: every address of the range is in use.
    """
    network = IPv4Network(ip_range)
    used = ledger.fresh_ipv4.get(ip_range, 0)
    if FIRST_HOST + used < network.num_addresses - 1:
        ledger.fresh_ipv4[ip_range] = used + 1
        return str(network[FIRST_HOST + used])
    freed = ledger.freed_ipv4.get(ip_range)
    if freed:
        return freed.pop(0)
    raise ApiError("resource_unavailable", f"no IPv4 address is left in {ip_range}")


def give_back_ipv4(ledger: Ledger, ip_range: str, ip: str) -> None:
    """Return an address to its range, behind all others."""
    ledger.freed_ipv4.setdefault(ip_range, []).append(ip)


def take_ipv6(ledger: Ledger) -> str:
    """Take the next /64; a prefix is never given out twice.

    Raises:
        ApiError: `resource_unavailable`: all prefixes were given out.
    """
    group = ledger.next_ipv6
    if group > IPV6_GROUP_MAX:
        raise ApiError("resource_unavailable", "no IPv6 network is left")
    ledger.next_ipv6 = group + 1
    return f"2001:db8:{group:x}::/64"


def hardware_address(server_id: int) -> str:
    """Return the MAC address of a server's public interface, in the block that Hetzner's servers show."""
    return ":".join(f"{byte:02x}" for byte in (0x96, 0x00, *server_id.to_bytes(4, "big")))


def take_private_mac(ledger: Ledger) -> str:
    """Take the hardware address of a new private interface; each attachment gets one of its own."""
    number = ledger.next_private_mac
    ledger.next_private_mac = number + 1
    return ":".join(f"{byte:02x}" for byte in (0x86, 0x00, *number.to_bytes(4, "big")))

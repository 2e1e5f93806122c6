"""Addresses whose time ends: nothing is accepted from them, or sent through to them, after a day.

Pure. One look-up for all of them, at hosts that have any; the end of the day is in UTC, as seconds since 1970, which
nft(8) reads the same in every time zone.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from cloud_init.nftables.words import FAMILIES, chain, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plan.addresses import Address
    from plan.model.firewall import Expiry

_LAST: Final = date(2261, 12, 31)  # the kernel counts nanoseconds in 63 bits


def expiry_rules(expiries: Sequence[Expiry], side: str) -> list[str]:
    """Return the rules that look addresses up.

    Args:
        expiries: Addresses and their last days.
        side: `saddr` or `daddr`.
    """
    ends = _ends(expiries)
    rules = []
    for version, family in FAMILIES.items():
        members = [f"{address} : jump {_chain(ends[address])}" for address in ends if address.version == version]
        if members:
            rules.append(f"{family} {side} vmap {listed(members)}")
    return rules


def expiry_chains(expiries: Sequence[Expiry]) -> list[str]:
    """Return a chain for each last day."""
    lines = []
    for last in sorted(set(_ends(expiries).values())):
        end_s = max(0, calendar.timegm((last + timedelta(days=1)).timetuple()))
        lines += chain(_chain(last), f"meta time >= {end_s} counter name expired drop")
    return lines


def _ends(expiries: Sequence[Expiry]) -> dict[Address, date]:
    """Return each address's last day, the earliest where several are named; days that no clock reaches are none."""
    found: dict[Address, date] = {}
    for expiry in expiries:
        if expiry.until <= _LAST:
            for address in expiry.addresses:
                found[address] = min(expiry.until, found.get(address, expiry.until))
    return dict(sorted(found.items(), key=lambda item: (item[0].version, int(item[0]))))


def _chain(last: date) -> str:
    return f"until_{last:%Y%m%d}"

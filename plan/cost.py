"""What a deployment costs a month, by the price table and its date.

Pure: a finished plan in, money out. What the table does not know is named, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from plan.tables import hetzner_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plan.model import Host, Plan
    from plan.tables import PriceTable

NAMED: Final = 5  # hosts without a price that one line names; of more it tells the number


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The sum of a month, in EUR without VAT.

    Args:
        servers: How many servers have a price.
        servers_eur: Theirs together.
        ipv4s: How many public IPv4 addresses there are, also of servers without a price; IPv6 is free.
        ipv4s_eur: Theirs together.
        volumes_gb: Gigabytes of all data volumes.
        volumes_eur: Theirs together.
        unknown: Hosts whose server has no price in the table.
    """

    servers: int
    servers_eur: Decimal
    ipv4s: int
    ipv4s_eur: Decimal
    volumes_gb: int
    volumes_eur: Decimal
    unknown: tuple[Host, ...]

    @property
    def total_eur(self) -> Decimal:
        """Return all that is known."""
        return self.servers_eur + self.ipv4s_eur + self.volumes_eur


def find_cost(hosts: Sequence[Host], prices: PriceTable) -> Cost:
    """Return what hosts cost a month if all of them are ordered now.

    Args:
        hosts: The plan's.
        prices: Of the provider.
    """
    known = [prices.servers_eur.get((host.server_type, host.location)) for host in hosts]
    told = [price for price in known if price is not None]
    ipv4s = sum("ipv4" in host.families for host in hosts)
    volumes_gb = sum(host.data.size_gb for host in hosts if host.data)
    return Cost(
        servers=len(told),
        servers_eur=sum(told, Decimal(0)),
        ipv4s=ipv4s,
        ipv4s_eur=ipv4s * prices.ipv4_eur,
        volumes_gb=volumes_gb,
        volumes_eur=volumes_gb * prices.volume_gb_eur,
        unknown=tuple(host for host, price in zip(hosts, known, strict=True) if price is None),
    )


def tell_cost(plan: Plan) -> str:
    """Return one line: the sum, its parts, the table's date, and the hosts that are not in it."""
    prices = hetzner_prices()
    cost = find_cost(plan.hosts, prices)
    whose = f"by Hetzner's prices of {prices.day}"
    if not cost.servers:
        return f"cost a month: unknown {whose}, which have none for {_names(cost.unknown)}"
    parts = [f"{_count(cost.servers, 'server')} {cost.servers_eur:.2f}"]
    if cost.ipv4s:
        parts.append(f"{_count(cost.ipv4s, 'IPv4 address', 'es')} {cost.ipv4s_eur:.2f}")
    if cost.volumes_gb:
        parts.append(f"{cost.volumes_gb} GB of volumes {cost.volumes_eur:.2f}")
    missing = f"; without {_names(cost.unknown)}, for which they have none" if cost.unknown else ""
    return f"about {cost.total_eur:.2f} EUR a month without VAT {whose}: {', '.join(parts)}{missing}"


def _names(hosts: Sequence[Host]) -> str:
    named = [f"{host.name} ({host.server_type} in {host.location})" for host in hosts[:NAMED]]
    if len(hosts) > NAMED:
        named.append(f"{len(hosts) - NAMED} more")
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else plural}"

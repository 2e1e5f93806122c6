"""What a deployment costs a month is told by the table alone: what it does not know is named, never guessed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from plan.cost import find_cost, tell_cost
from plan.tables import PriceTable, hetzner, hetzner_prices
from tests.stacks import SMALLEST, changed, planned

OF = f"without VAT by Hetzner's prices of {hetzner_prices().day}"
TABLE = PriceTable(
    source="https://example.com/",
    day=date(2026, 1, 2),
    servers_eur={("cx23", "fsn1"): Decimal("3.10"), ("cx23", "hel1"): Decimal("4.20"), ("cx33", "hel1"): Decimal(7)},
    ipv4_eur=Decimal("0.30"),
    volume_gb_eur=Decimal("0.01"),
)
FALKENSTEIN = SMALLEST["shields"]["falkenstein"]
PRESS = SMALLEST["origins"]["press"]


def test_a_shield_and_an_origin_are_two_servers_with_an_address_each() -> None:
    """The line has the sum, its parts and the table's date."""
    assert tell_cost(planned()) == f"about 11.98 EUR a month {OF}: 2 servers 10.98, 2 IPv4 addresses 1.00"


def test_each_server_has_the_price_of_its_own_type_and_place() -> None:
    """One type costs something else elsewhere, another type something else there."""
    assert find_cost(planned().hosts, TABLE).servers_eur == Decimal("7.30")
    bigger = find_cost(planned(changed(origins__press__server_type="cx33")).hosts, TABLE)
    assert (bigger.servers_eur, bigger.ipv4s_eur, bigger.total_eur) == (
        Decimal("10.10"),
        Decimal("0.60"),
        Decimal("10.70"),
    )
    assert bigger.unknown == ()


def test_a_host_without_ipv4_has_no_address_to_pay_for() -> None:
    """IPv6 is free; one address is one, not one of a plural."""
    one = planned(changed(origins__press__families=["ipv6"], shields__falkenstein__families=["ipv4", "ipv6"]))
    assert tell_cost(one) == f"about 11.48 EUR a month {OF}: 2 servers 10.98, 1 IPv4 address 0.50"
    none = planned(changed(origins__press__families=["ipv6"], shields__falkenstein__families=["ipv6"]))
    assert tell_cost(none) == f"about 10.98 EUR a month {OF}: 2 servers 10.98"


def test_several_shields_are_paid_for_one_by_one() -> None:
    """A deployment of four hosts in two places."""
    second = {**FALKENSTEIN, "slot": 1, "location": "nbg1", "server_type": "cpx12"}
    config = changed(shields__nuremberg=second, origins__drop={**PRESS, "slot": 3, "shields": ["nuremberg"]})
    assert tell_cost(planned(config)) == f"about 29.96 EUR a month {OF}: 4 servers 27.96, 4 IPv4 addresses 2.00"


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ({"server_type": "cx999"}, "cx999 in fsn1"),
        ({"location": "sin"}, "cx23 in sin"),
        ({"location": "mars1", "country": "SE"}, "cx23 in mars1"),
    ],
)
def test_a_host_that_is_not_in_the_table_is_named_and_not_guessed(host: dict[str, Any], why: str) -> None:
    """A type or a place that it does not know; the address of the host is known all the same."""
    config = changed(shields__falkenstein={**FALKENSTEIN, **host})
    assert tell_cost(planned(config)) == (
        f"about 6.49 EUR a month {OF}: 1 server 5.49, 2 IPv4 addresses 1.00; "
        f"without falkenstein ({why}), for which they have none"
    )


def test_a_deployment_of_unknown_hosts_has_no_sum() -> None:
    """The addresses alone would look like the price of the whole."""
    config = changed(shields__falkenstein__server_type="cx999", origins__press__server_type="cx998")
    assert tell_cost(planned(config)) == (
        f"cost a month: unknown by Hetzner's prices of {hetzner_prices().day}, which have none for "
        "falkenstein (cx999 in fsn1) and press (cx998 in hel1)"
    )


def test_of_many_unknown_hosts_some_are_named_and_the_rest_counted() -> None:
    """The line stays a line."""
    more = {f"s{slot}": {**FALKENSTEIN, "slot": slot, "server_type": "cx999"} for slot in range(1, 8)}
    said = tell_cost(planned(changed(shields={"falkenstein": FALKENSTEIN, **more})))
    assert "without s1 (cx999 in fsn1), s2 (cx999 in fsn1)" in said
    assert said.endswith("s5 (cx999 in fsn1) and 2 more, for which they have none")
    assert "s6" not in said


def test_every_price_is_of_something_that_the_provider_has() -> None:
    """A misspelt type or place would never be found; a price is money, to the cent, and no older than the table says."""
    prices, offered = hetzner_prices(), hetzner()
    assert prices.servers_eur
    for (server_type, location), price in prices.servers_eur.items():
        assert server_type in offered.server_types
        assert location in offered.locations
        assert price > 0
        assert price == round(price, 2)
    assert prices.day <= offered.day
    assert prices.source.startswith("https://")
    assert Decimal(0) < prices.volume_gb_eur < prices.ipv4_eur

"""A slow way is as slow as asked, and what goes over it does not notice when it begins and ends."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lab.faults.model import Slow
from lab.internet.namespace import configure
from tests.lab_faults.talking import asks, connected, datagram_socket, echoing, receive

if TYPE_CHECKING:
    import socket

    from tests.lab_faults.standing import Standing

pytestmark = pytest.mark.lab
SHIELD, SHIELD_IPV6 = "203.0.113.10", "2001:db8:10::1"
VISITOR, VISITOR_IPV6, OPERATOR = "192.0.2.7", "2001:db8:ff::7", "192.0.2.20"


def round_trip_ms(internet: Standing, name: str = "visitor", source: str = VISITOR, target: str = SHIELD) -> float:
    """Return the shortest of five round trips."""
    with echoing(internet, "shield", target):
        measured = [asks(internet, name, source, target) for _ in range(5)]
    return min(answer for answer in measured if answer is not None)


def test_latency_is_added_in_each_direction_and_to_that_pair_alone(internet: Standing) -> None:
    """Twice 20 ms is a round trip of 40 ms or a little more; the operator has none of it; it can be changed."""
    internet.inject(Slow("visitor", "shield", latency_ms=20))
    assert 40 <= round_trip_ms(internet) < 80
    assert 40 <= round_trip_ms(internet, source=VISITOR_IPV6, target=SHIELD_IPV6) < 80
    assert round_trip_ms(internet, "operator", OPERATOR) < 40
    internet.inject(Slow("visitor", "shield", latency_ms=40))
    assert len(internet.faults()) == 1
    assert 80 <= round_trip_ms(internet) < 160
    internet.heal()
    assert round_trip_ms(internet) < 40


def test_slow_ways_add_up(internet: Standing) -> None:
    """A pair's, the host's and the place's: a packet takes each of them once."""
    internet.inject(
        Slow("visitor", "shield", latency_ms=10), Slow("shield", latency_ms=20), Slow("visitor", latency_ms=40)
    )
    assert 140 <= round_trip_ms(internet) < 280
    assert 40 <= round_trip_ms(internet, "operator", OPERATOR) < 80
    internet.heal("slow shield")
    assert 100 <= round_trip_ms(internet) < 140
    assert round_trip_ms(internet, "operator", OPERATOR) < 40


def test_nothing_is_left_of_a_slow_way(internet: Standing) -> None:
    """No device, no rule and no route in the router's namespace; the twin: while it lasts they are there."""

    def parts() -> tuple[set[str], int]:
        return configure(
            internet.router,
            lambda netlink: (
                {link.get_attr("IFLA_IFNAME") for link in netlink.get_links()},
                len([*netlink.get_rules(family=2), *netlink.get_rules(family=10)]),
            ),
        )

    links, rules = parts()
    internet.inject(Slow("visitor", "shield", latency_ms=1))
    assert parts() == (links | {"w0a", "w0b"}, rules + 4)
    internet.heal()
    assert parts() == (links, rules)


def test_a_connection_outlives_the_beginning_the_change_and_the_end_of_a_slow_way(internet: Standing) -> None:
    """A stream of 8 MiB runs over all of it, on one connection, and every byte arrives in its place."""
    total = bytes(range(256)) * (1 << 15)
    with connected(internet, "visitor", "shield", SHIELD) as (near, far):
        sending = threading.Thread(target=near.sendall, args=(total,))
        got = b""
        for fault in (None, Slow("visitor", "shield", latency_ms=5), Slow("visitor", "shield", jitter_ms=3), None):
            if fault is not None:
                internet.inject(fault)
            elif got:
                internet.heal()
            if not got:
                sending.start()
            got += receive(far, 1 << 20)
        got += receive(far, len(total) - len(got))
        sending.join()
    assert got == total


def flood(internet: Standing, count: int, *, every_s: float = 0.0, size_bytes: int = 1000) -> list[tuple[int, float]]:
    """Send numbered datagrams from the visitor; return the number and the time of each that the shield gets."""
    got: list[tuple[int, float]] = []
    with (
        datagram_socket(internet.namespace("shield"), SHIELD, 5001) as far,
        datagram_socket(internet.namespace("visitor"), VISITOR, 0) as near,
    ):
        reading = threading.Thread(target=_read_all, args=(far, got))
        reading.start()
        for number in range(count):
            near.sendto(number.to_bytes(4) + bytes(size_bytes - 32), (SHIELD, 5001))
            if every_s:
                time.sleep(every_s)
        reading.join()
    return got


def _read_all(far: socket.socket, got: list[tuple[int, float]]) -> None:
    far.settimeout(0.5)
    try:
        while True:
            got.append((int.from_bytes(far.recv(1 << 16)[:4]), time.monotonic()))
    except TimeoutError:
        return


@pytest.mark.parametrize(("loss_ratio", "least", "most"), [(0, 400, 400), (0.3, 220, 340), (1, 0, 0)])
def test_as_many_packets_are_lost_as_asked(internet: Standing, loss_ratio: float, least: int, most: int) -> None:
    """Of 400; of 280 expected, 60 more or less is six standard deviations."""
    internet.inject(Slow("visitor", "shield", loss_ratio=loss_ratio))
    assert least <= len(flood(internet, 400, every_s=0.0005)) <= most


def test_a_rate_holds_and_its_queue_is_short(internet: Standing) -> None:
    """100 packets of 1000 bytes take 100 ms at 8 Mbit/s; of 400 at once, those beyond 200 ms of queue are lost."""
    internet.inject(Slow("visitor", "shield", rate_mbit=8))
    few = flood(internet, 100)
    assert [number for number, _ in few] == list(range(100))
    assert few[-1][1] - few[0][1] >= 0.09
    many = flood(internet, 400)
    assert 200 <= len(many) < 400
    internet.inject(Slow("visitor", "shield", rate_mbit=80))
    faster = flood(internet, 100)
    assert len(faster) == 100
    assert faster[-1][1] - faster[0][1] < few[-1][1] - few[0][1]


def test_packets_keep_their_order_unless_asked_otherwise(internet: Standing) -> None:
    """Jitter alone overtakes nothing; with a part that has no latency, that part overtakes the rest."""
    internet.inject(Slow("visitor", "shield", latency_ms=20, jitter_ms=15))
    numbers = [number for number, _ in flood(internet, 100, every_s=0.001)]
    assert numbers == list(range(100))
    internet.inject(Slow("visitor", "shield", latency_ms=20, reorder_ratio=0.3))
    numbers = [number for number, _ in flood(internet, 100, every_s=0.001)]
    assert sorted(numbers) == list(range(100))
    assert numbers != list(range(100))


def test_jitter_varies_the_latency_both_ways(internet: Standing) -> None:
    """Of 40 round trips at 20 ms, give or take 15 each way, the shortest is below 40 ms and none is below 10 ms."""
    internet.inject(Slow("visitor", "shield", latency_ms=20, jitter_ms=15))
    with echoing(internet, "shield", SHIELD):
        measured = [asks(internet, "visitor", VISITOR, SHIELD) or 0 for _ in range(40)]
    assert min(measured) >= 10
    assert min(measured) < 40 < max(measured)
    assert statistics.pstdev(measured) > 3

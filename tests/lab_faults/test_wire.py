"""When a packet arrives over a slow wire: the arithmetic, without a wire."""

from __future__ import annotations

import random

from lab.faults.wire import QUEUE_S, Pace, Way

LUCK = random.Random(7)  # noqa: S311 - the same packets are lucky in each run


def arrivals(pace: Pace, sent_at_s: list[float], *, length_bytes: int = 1000) -> list[float | None]:
    """Return when packets arrive that are sent at these times, in milliseconds."""
    way = Way(LUCK)
    times = [way.arrival(length_bytes, at, pace) for at in sent_at_s]
    return [None if time is None else round(time * 1000, 3) for time in times]


def test_a_wire_without_figures_is_no_wire() -> None:
    """Each packet arrives when it is sent."""
    assert arrivals(Pace(), [0, 0.001, 0.5]) == [0, 1, 500]


def test_latency_is_a_delay_and_nothing_else() -> None:
    """The spaces between packets stay."""
    assert arrivals(Pace(latency_ms=40), [0, 0.001, 0.5]) == [40, 41, 540]


def test_a_rate_sends_one_packet_after_the_other() -> None:
    """1000 bytes take a millisecond at 8 Mbit/s; a wire that was idle has nothing saved up."""
    assert arrivals(Pace(rate_mbit=8), [0, 0, 0, 0.5]) == [1, 2, 3, 501]
    assert arrivals(Pace(rate_mbit=8, latency_ms=10), [0, 0]) == [11, 12]


def test_the_queue_of_a_rate_has_an_end() -> None:
    """Of packets sent at once, those that would wait longer than the queue is are lost; then there is room again."""
    got = arrivals(Pace(rate_mbit=8), [0.0] * 300 + [0.1])
    kept = int(QUEUE_S * 1000)
    assert got[:kept] == [float(number) for number in range(1, kept + 1)]
    assert got[kept + 1 : 300] == [None] * (299 - kept)
    assert got[300] is not None


def test_jitter_keeps_the_order_and_reordering_does_not() -> None:
    """A packet that is luckier than the one before waits for it; one that overtakes has no latency."""
    sent = [number / 1000 for number in range(200)]
    jittered = [time for time in arrivals(Pace(latency_ms=20, jitter_ms=15), sent) if time is not None]
    assert jittered == sorted(jittered)
    assert len({round(time - at * 1000) for time, at in zip(jittered, sent, strict=True)}) > 5
    overtaking = arrivals(Pace(latency_ms=20, reorder_ratio=0.3), sent)
    early = [number for number, time in enumerate(overtaking) if time == round(sent[number] * 1000, 3)]
    assert 30 <= len(early) <= 90


def test_a_jitter_larger_than_the_latency_delivers_nothing_before_it_is_sent() -> None:
    """The shortest delay is none."""
    sent = [number / 10 for number in range(50)]
    got = arrivals(Pace(latency_ms=1, jitter_ms=50), sent)
    assert all(time is not None and time >= round(at * 1000, 3) for time, at in zip(got, sent, strict=True))


def test_a_wire_that_is_made_quicker_overtakes_nothing() -> None:
    """What is on its way already arrives first."""
    way = Way(LUCK)
    assert way.arrival(100, 0, Pace(latency_ms=500)) == 0.5
    assert way.arrival(100, 0.1, Pace()) == 0.5
    assert way.arrival(100, 0.6, Pace()) == 0.6

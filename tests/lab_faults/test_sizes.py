"""Large packets: lost without a word, or refused with one."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING

import pytest

from lab.faults.model import Blackhole, Narrow
from tests.lab_faults.talking import SILENCE_S, asks, connected, echoing, receive

if TYPE_CHECKING:
    import socket

    from tests.lab_faults.standing import Standing

pytestmark = pytest.mark.lab
FAMILIES = {"IPv4": ("192.0.2.7", "203.0.113.10"), "IPv6": ("2001:db8:ff::7", "2001:db8:10::1")}


def passes(internet: Standing, source: str, target: str, size_bytes: int) -> str:
    """Return what comes of two unfragmentable packets of a size: an answer, silence, or word of what fits."""
    try:
        for _ in range(2):  # the second one, if the first was answered by ICMP, is refused on the spot
            if asks(internet, "visitor", source, target, size_bytes=size_bytes, within_s=SILENCE_S) is not None:
                return "answer"
    except OSError as error:
        if error.errno != errno.EMSGSIZE:
            raise
        return "told"
    return "silence"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_black_hole_swallows_what_is_larger_and_says_nothing(internet: Standing, family: str) -> None:
    """The largest that fits passes, one byte more is gone, and so it stays however often it is tried."""
    source, target = FAMILIES[family]
    with echoing(internet, "shield", target):
        assert passes(internet, source, target, 1500) == "answer"
        internet.inject(Blackhole("shield", larger_than_bytes=1400))
        assert passes(internet, source, target, 1400) == "answer"
        assert passes(internet, source, target, 1401) == "silence"
        assert passes(internet, source, target, 1500) == "silence"
        internet.heal()
        assert passes(internet, source, target, 1500) == "answer"


@pytest.mark.parametrize("family", FAMILIES)
def test_an_honest_router_says_what_fits(internet: Standing, family: str) -> None:
    """The twin: the sender's own kernel knows from then on."""
    source, target = FAMILIES[family]
    with echoing(internet, "shield", target):
        internet.inject(Narrow("shield", mtu_bytes=1400))
        assert passes(internet, source, target, 1400) == "answer"
        assert passes(internet, source, target, 1401) == "told"


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_host_itself_sends_meets_the_same(internet: Standing, family: str) -> None:
    """From inside, too: silence behind a black hole, word from an honest router."""
    target, source = FAMILIES[family]
    with echoing(internet, "visitor", target):

        def meets(size_bytes: int) -> str:
            try:
                answers = [
                    asks(internet, "shield", source, target, size_bytes=size_bytes, within_s=SILENCE_S)
                    for _ in range(2)
                ]
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                return "told"
            return "answer" if all(answers) else "silence"

        internet.inject(Blackhole("shield", larger_than_bytes=1300))
        assert (meets(1300), meets(1301)) == ("answer", "silence")
        internet.heal()
        internet.inject(Narrow("shield", mtu_bytes=1300))
        assert (meets(1300), meets(1301)) == ("answer", "told")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_black_hole_stalls_a_connection_that_does_not_know_of_it(internet: Standing, family: str) -> None:
    """A clamped one beside it carries a MiB, in bursts as large as the kernel likes; the other one gets nothing over."""
    target = FAMILIES[family][1]
    whole = bytes(1 << 20)
    internet.inject(Blackhole("shield", larger_than_bytes=1300))
    with (
        connected(internet, "visitor", "shield", target) as (stalled, starved),
        connected(internet, "visitor", "shield", target, segment_bytes=1200) as (near, far),
    ):
        stalled.settimeout(None)
        for connection in (stalled, near):
            threading.Thread(target=send, args=(connection, whole)).start()
        assert receive(far, len(whole)) == whole
        starved.settimeout(0.1)
        with pytest.raises(TimeoutError):
            starved.recv(1)
        internet.heal()
        starved.settimeout(30)
        assert receive(starved, len(whole)) == whole


def send(connection: socket.socket, whole: bytes) -> None:
    """Send all of it."""
    connection.sendall(whole)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_honest_router_stalls_nobody(internet: Standing, family: str) -> None:
    """A connection that begins with larger segments is told, and carries its MiB."""
    target = FAMILIES[family][1]
    internet.inject(Narrow("shield", mtu_bytes=1300))
    with connected(internet, "visitor", "shield", target) as (near, far):
        threading.Thread(target=send, args=(near, bytes(1 << 20))).start()
        assert len(receive(far, 1 << 20)) == 1 << 20


def test_the_narrower_of_two_counts(internet: Standing) -> None:
    """Behind a black hole of 1400 bytes and an honest router of 1350, whoever sends 1400 is told."""
    source, target = FAMILIES["IPv4"]
    internet.inject(Blackhole("shield", larger_than_bytes=1400), Narrow("shield", mtu_bytes=1350))
    with echoing(internet, "shield", target):
        assert passes(internet, source, target, 1400) == "told"
        internet.heal("narrow shield")
        internet.forget_paths()
        assert passes(internet, source, target, 1400) == "answer"
        assert passes(internet, source, target, 1401) == "silence"

"""One visitor cannot take everybody's room.

wan (visitors) ── eth0 ── host
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from cloud_init import Material
from cloud_init.nftables import render_nftables
from cloud_init.nftables.inward import VISITOR_BURST, VISITOR_OPEN_MAX, VISITOR_RATE_PER_S
from tests.firewall.firewalls import BOTH, SHIELD, SIX

if TYPE_CHECKING:
    from tests.firewall.firewalls import Ends
    from tests.firewall.stage import Stage

pytestmark = pytest.mark.lab
TCP = socket.SOCK_STREAM
# The same table with limits that a test can reach without a thousand sockets.
OPEN_MAX, BURST = 8, 5


def limited(*, rate: bool = False, many: bool = False) -> str:
    """Return a shield's table whose one limit is small; the other stays as it is."""
    text = render_nftables(SHIELD, Material({}))
    pace = f"rate over {VISITOR_RATE_PER_S}/second burst {VISITOR_BURST} packets"
    assert text.count(pace) == 2
    assert text.count(f"ct count over {VISITOR_OPEN_MAX} ") == 2
    if rate:
        text = text.replace(pace, f"rate over 1/minute burst {BURST} packets")
    if many:
        text = text.replace(f"ct count over {VISITOR_OPEN_MAX} ", f"ct count over {OPEN_MAX} ")
    return text


@BOTH
@pytest.mark.parametrize("kind", ["rate", "many"])
def test_a_greedy_visitor_is_held_back_and_others_are_not(stage: Stage, kind: str, at: Ends) -> None:
    """After its share one source gets no more, from the rest of its /64 neither; another source does."""
    assert stage.nft(limited(**{kind: True})).returncode == 0
    stage.ip("wan", "addr", "replace", "2001:db8:66::67/128", "dev", "w0", "nodad")
    near = "2001:db8:66::67" if at is SIX else at.world
    allowed = BURST if kind == "rate" else OPEN_MAX
    refused = "visitor_fast" if kind == "rate" else "visitor_many"
    held = []
    with stage.hearing("host", 443) as visited:
        with stage.counting(visitor_new=allowed):
            for _ in range(allowed):
                held.append(stage.say("wan", (at.public, 443), source=(at.world, 0), kind=TCP))
                visited.source()
        with stage.counting(**{refused: 1}), stage.say("wan", (at.public, 443), source=(near, 0), kind=TCP):
            pass
        with stage.counting(visitor_new=1), stage.say("wan", (at.public, 443), source=(at.peer, 0), kind=TCP):
            assert visited.source() == at.peer
        # What was let in before goes on.
        with stage.counting():
            held[0].sendall(b"still here")
            visited.accepted[0].settimeout(5)
            assert visited.accepted[0].recv(100) == b"still here"
    for one in held:
        one.close()


def test_a_crowd_behind_one_address_is_let_in(stage: Stage) -> None:
    """A hundred connections at once from one source, as a school makes them, are below every limit."""
    stage.load(SHIELD)
    held = []
    with stage.hearing("host", 443) as visited, stage.counting(visitor_new=100):
        for _ in range(100):
            held.append(stage.say("wan", ("203.0.113.10", 443), source=("198.51.100.66", 0), kind=TCP))
            visited.source()
    for one in held:
        one.close()


def test_what_is_remembered_of_visitors_is_bounded(stage: Stage) -> None:
    """Every dynamic set has a size, and forgets: by a time-out, or with the last connection of a source."""
    stage.load(SHIELD)
    found = {e["set"]["name"]: e["set"] for e in stage.listed("sets", "table", "inet", "farshore") if "set" in e}
    assert {name: (one["size"], one.get("timeout")) for name, one in found.items()} == {
        "visitor_rate4": (65536, 30),
        "visitor_rate6": (65536, 30),
        "visitor_open4": (65536, None),
        "visitor_open6": (65536, None),
    }

"""Somebody interrupts a run in which the API gives no answer: it ends in words, and the same command finishes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failures.cases import Case
from tests.failures.checking import check_agreement, mend

if TYPE_CHECKING:
    from tests.failures.standing import Standing

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.xdist_group("guide")]

HELD_S = 60.0


@pytest.mark.parametrize(
    ("verb", "method", "path"),
    [
        ("refresh", "GET", "/servers/*"),
        ("destroy", "DELETE", "/servers/*"),
    ],
)
def test_an_interrupt_ends_a_run_that_waits(standing: Standing, verb: str, method: str, path: str) -> None:
    """Once or twice, within seconds; then `up` finds everything there or makes it anew."""
    case = Case("Server", "delete", "latency")
    case.begin(standing)
    standing.arm(method=method, path=path, account="vault", delay_s=HELD_S)
    ended = standing.interrupted(verb)
    standing.disarm()
    assert ended.code != 0
    assert "Traceback" not in ended.said, ended.said
    assert "update canceled" in ended.said, ended.said
    standing.check_silent(ended.said)
    mend(standing)
    standing.up("--refresh")
    assert standing.names() == standing.whole()
    check_agreement(standing)

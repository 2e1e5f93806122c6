"""How long a lab is waited for: no longer than it may take on a machine that is as busy as this one."""

from __future__ import annotations

import os
import time
from itertools import count
from unittest.mock import Mock

import pytest

from lab.client import until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which each look is a second later than the one before."""
    seconds = count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.parametrize(("load", "within_s"), [(0.0, 10), (2.0, 10), (8.0, 40)])
@pytest.mark.usefixtures("clock")
def test_a_wait_is_longer_by_as_much_as_processors_are_asked_for(
    load: float, within_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quiet machine and one with work for both processors give ten seconds, one with four times that forty."""
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    nobody = Mock(return_value=None)
    with pytest.raises(TimeoutError, match=f"^the page: not seen within {within_s} s$"):
        until(nobody, 10, "the page")
    assert nobody.call_count == within_s + 1


@pytest.mark.usefixtures("clock")
def test_what_is_seen_in_time_is_returned() -> None:
    """The first answer that is not None."""
    answers = iter([None, None, 0])
    assert until(lambda: next(answers), 10, "the page") == 0

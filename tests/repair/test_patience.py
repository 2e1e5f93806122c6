"""How long a deletion waits for what an orphan holds: as the provider itself, and no longer."""

from __future__ import annotations

import time

import pytest

from lab.engine.plugins.hcloud.api import RETRIES, ApiError, retried


def test_an_address_that_stays_assigned_is_given_up_after_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten tries, the pauses doubling up to a minute: then the deletion fails with the account's words."""
    pauses_s: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses_s.append)

    def refused() -> None:
        raise ApiError("primary IP is assigned", "must_be_unassigned", 422)

    with pytest.raises(ApiError, match=r"primary IP is assigned \(must_be_unassigned\)"):
        retried(2 * RETRIES, refused, lambda failure: failure.code != "protected")
    assert pauses_s == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_what_is_protected_is_given_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for that can't come."""
    pauses_s: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses_s.append)

    def refused() -> None:
        raise ApiError("primary IP is protected", "protected", 403)

    with pytest.raises(ApiError, match="protected"):
        retried(2 * RETRIES, refused, lambda failure: failure.code != "protected")
    assert pauses_s == []

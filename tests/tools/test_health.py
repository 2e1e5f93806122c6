"""What of a host's answer somebody has to do something about."""

from __future__ import annotations

from typing import Any

import pytest

from tools.health import Health, findings, read_health

DAY_S = 86_400
HOSTS = {"falkenstein", "press"}
SOUND: dict[str, Any] = {
    "state": "confirmed",
    "drift": [],
    "handshake_age_s": {"fs0": {"press": 100, "laptop": None}},
    "key_age_s": {"/etc/farshore/keys/fs0.key": 300 * DAY_S, "/etc/farshore/keys/fs0-press.psk": 10 * DAY_S},
    "leftovers": [],
}


def said(**differs: Any) -> list[str]:
    """Return the findings of a host that is sound but for what differs."""
    return list(findings(read_health("falkenstein", SOUND | differs), max_key_age_days=365, hosts=HOSTS))


def test_a_sound_host_has_no_finding() -> None:
    """A device that was never there is none; the oldest key is the one whose age is shown."""
    assert said() == []
    assert read_health("falkenstein", SOUND).oldest_key_days == 300


@pytest.mark.parametrize(
    ("differs", "finding"),
    [
        ({"state": "pending"}, "falkenstein: an unconfirmed change, allowed: none for long; run `up`, or it is taken back by itself"),
        (
            {"drift": ["a", "b", "c", "d", "e"]},
            "falkenstein: changed by hand (a; b; c and 2 more), allowed: what it was told; `up` with --replace of its delivery, see docs/day2.md",
        ),
        (
            {"handshake_age_s": {"fs0": {"press": 181}}},
            "falkenstein: last handshake of fs0 with press 181 s ago, allowed: 180 s; see that both run, and the way between them",
        ),
        (
            {"handshake_age_s": {"fs0": {"press": None}}},
            "falkenstein: last handshake of fs0 with press never, allowed: 180 s; see that both run, and the way between them",
        ),
        (
            {"key_age_s": {"/etc/farshore/keys/fs0.key": 366 * DAY_S}},
            "falkenstein: a key is 366 days old, allowed: 365; farshore rotate",
        ),
        (
            {"leftovers": ["/var/lib/cloud/x"]},
            "falkenstein: user data on its disk (/var/lib/cloud/x), allowed: none; farshore-host wipe-leftovers there",
        ),
    ],
)  # fmt: skip
def test_each_is_told_with_what_to_do(differs: dict[str, Any], finding: str) -> None:
    """One line, in the form of every message."""
    assert said(**differs) == [finding]


def test_a_host_that_was_not_asked_says_why_and_nothing_else() -> None:
    """Its reason is the finding."""
    assert list(findings(Health("press", unasked="why"), max_key_age_days=1, hosts=HOSTS)) == ["why"]

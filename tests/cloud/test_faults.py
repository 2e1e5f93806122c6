"""Faults: which request meets one, and when it is used up."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lab.cloud.faults import Fault, Faults, bent
from lab.cloud.settings import Settings


def armed(*faults: Fault) -> Faults:
    """Return faults that wait."""
    waiting = Faults()
    for fault in faults:
        waiting.add(fault)
    return waiting


def test_a_fault_strikes_its_request_once() -> None:
    """Others pass before and after."""
    fault = Fault(method="POST", path="/servers", account="a", status=500)
    faults = armed(fault)
    assert faults.strike("GET", "/servers", "a") is None
    assert faults.strike("POST", "/servers/1", "a") is None
    assert faults.strike("POST", "/servers", "b") is None
    assert faults.strike("POST", "/servers", None) is None
    assert faults.strike("POST", "/servers", "a") is fault
    assert faults.strike("POST", "/servers", "a") is None
    assert faults.waiting() == ()


def test_a_fault_without_limits_strikes_all() -> None:
    """Any method, path, project, and requests without one; it never wears out."""
    fault = Fault(times=None, delay_s=1)
    faults = armed(fault)
    for method, path, account in (("GET", "/servers", "a"), ("PUT", "/x/1", None), ("GET", "/servers", "b")):
        assert faults.strike(method, path, account) is fault
    assert faults.waiting() == (fault,)
    faults.clear()
    assert faults.strike("GET", "/servers", "a") is None


def test_a_fault_can_wait_and_repeat() -> None:
    """Two pass, three are struck, the rest pass; requests that don't fit are not counted."""
    fault = Fault(path="/servers/*", after=2, times=3, drop="before")
    faults = armed(fault)
    struck = []
    for _ in range(7):
        assert faults.strike("GET", "/servers", "a") is None
        struck.append(faults.strike("GET", "/servers/1/actions", "a") is fault)
    assert struck == [False, False, True, True, True, False, False]


def test_the_first_fault_that_fits_strikes() -> None:
    """One request meets one fault; the next is there for the next."""
    one, two = Fault(status=500), Fault(status=502)
    faults = armed(one, two)
    assert [faults.strike("GET", "/x", "a") for _ in range(3)] == [one, two, None]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"code": "conflict"},
        {"status": 200},
        {"status": 700},
        {"drop": "sometimes"},
        {"delay_s": -1},
        {"status": 500, "times": 0},
        {"status": 500, "after": -1},
        {"status": 500, "nonsense": 1},
        {"endless": False, "no_boot": False},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    """A mistyped fault would let a test pass that should not."""
    with pytest.raises(ValidationError):
        Fault.model_validate(fields)


def test_settings_are_bent_for_one_request() -> None:
    """What a fault changes holds inside, what was set before comes back, an error notwithstanding."""
    settings = Settings(no_capacity={("cx23", "hel1")})
    fault = Fault(action="action_failed", endless=True, sold_out="fsn1", no_boot=True)
    with bent(settings, fault):
        assert settings == Settings(
            action_faults={"*": ("action_failed", "the lab was asked to fail here")},
            endless_actions={"*"},
            no_capacity={("cx23", "hel1"), ("*", "fsn1")},
            no_boot=True,
        )
    with pytest.raises(RuntimeError), bent(settings, fault):
        raise RuntimeError
    assert settings == Settings(no_capacity={("cx23", "hel1")})
    with bent(settings, None), bent(settings, Fault(status=500)):
        assert settings == Settings(no_capacity={("cx23", "hel1")})

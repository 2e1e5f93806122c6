"""What the last run left is asked of the engine, under the name that its backend knows the stack by."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from components import find_standing, reading
from plan.standing import Standing, told_to
from tests.components.recording import LOOP, Recorder
from tests.stacks import planned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pulumi.runtime import mocks


class Remembering(Recorder):
    """Answer as an engine would that has these outputs of the stack, and keep what it was asked."""

    def __init__(self, outputs: dict[str, Any]) -> None:
        super().__init__()
        self.outputs = outputs
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.failures: list[str] = []

    def call(self, args: mocks.MockCallArgs) -> Any:
        """Return the stack's outputs."""
        self.calls.append((args.token, dict(args.args)))
        if self.failures:
            raise OSError(self.failures.pop())
        return {"name": args.args["name"], "outputs": self.outputs, "secretOutputNames": []}


@pytest.fixture(autouse=True)
def _loop() -> Iterator[None]:
    asyncio.set_event_loop(LOOP)
    yield
    asyncio.set_event_loop(None)


def asked(outputs: dict[str, Any], organization: str) -> tuple[Standing, list[tuple[str, dict[str, Any]]]]:
    """Return what was found, and what the engine was asked."""
    engine = Remembering(outputs)
    pulumi.runtime.set_mocks(engine, project="farshore", stack="live", organization=organization)
    return find_standing(), engine.calls


@pytest.mark.parametrize(
    ("organization", "name"), [("organization", "live"), ("acme", "acme/farshore/live")], ids=["file", "cloud"]
)
def test_the_engine_is_asked_once_for_this_stack(organization: str, name: str) -> None:
    """A backend of one's own knows stacks by their names, Pulumi's by the whole path."""
    _, calls = asked({}, organization)
    assert calls == [("pulumi:pulumi:readStackOutputs", {"name": name})]


def test_a_stack_that_never_ran_left_nothing() -> None:
    """No outputs, or none of ours: nothing stands."""
    assert asked({}, "organization")[0] == Standing()
    assert asked({"standing": "somebody else's"}, "organization")[0] == Standing()


def test_numbers_come_back_as_they_were() -> None:
    """The engine hands every number over as a float; a slot is whole again."""
    plan = planned()
    told = told_to(plan, plan.origins[0], "0123456789abcdef", "fedcba9876543210").as_output() | {
        "slot": 2.0,
        "server": "42",
    }
    found, _ = asked({"standing": {"hosts": {"press": told}, "devices": {"laptop": {"edge": "10.0.0.200"}}}}, "acme")
    assert (found.hosts["press"].slot, found.hosts["press"].server) == (2, "42")
    assert found.devices == {"laptop": {"edge": "10.0.0.200"}}


def failing(*failures: str) -> Remembering:
    """Have an engine fail so often before it answers."""
    engine = Remembering({"standing": {"hosts": {}, "devices": {"laptop": {"edge": "10.0.0.200"}}}})
    engine.failures += failures
    pulumi.runtime.set_mocks(engine, project="farshore", stack="live", organization="organization")
    return engine


def test_a_checkpoint_that_is_just_written_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks are few, and any other failure is the first and last."""
    monkeypatch.setattr(reading, "LOOKS_APART_S", 0.0)
    torn = "failed to load checkpoint: EOF"
    engine = failing(torn, torn)
    assert find_standing().devices == {"laptop": {"edge": "10.0.0.200"}}
    assert len(engine.calls) == 3
    engine = failing(*[torn] * 99)
    with pytest.raises(Exception, match="failed to load checkpoint"):
        find_standing()
    assert len(engine.calls) == reading.LOOKS
    engine = failing("no such stack")
    with pytest.raises(Exception, match="no such stack"):
        find_standing()
    assert len(engine.calls) == 1

"""The engine does what the real one did, operation by operation, in every recorded scenario."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.vectors import ROOT, SCENARIOS, VECTORS, expected, load, recorder, renamed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab
# Under other names in the default run: those in which names decide most. `make test-long` runs all of them.
BY_NAME = {"08-aliases"}
Record = Callable[["Path"], Any]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    """Run one scenario with the stand-in, with a home of its own."""
    folder = tmp_path_factory.mktemp("vectors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_HOME", str(folder / "home"))
        patch.setenv("PYTHONPATH", str(ROOT))
        run = recorder().record
        yield lambda scenario: run(scenario, sys.prefix)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_goes_as_recorded(name: str, record: Record) -> None:
    """Exit codes, operations, log, outputs and state are those of the real engine."""
    assert list(load("compare").differences(name, expected(VECTORS / name), record(VECTORS / name))) == []


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in BY_NAME else pytest.mark.long) for name in SCENARIOS]
)
def test_a_scenario_goes_as_recorded_under_other_names(name: str, record: Record, tmp_path: Path) -> None:
    """Names mean nothing: with all of them changed, and their order reversed, the same happens."""
    other = renamed(VECTORS / name, tmp_path / name)
    assert list(load("compare").differences(name, expected(other), record(other))) == []


def test_renaming_changes_program_and_expectation_alike(tmp_path: Path) -> None:
    """The renamed scenario is another text, or the test above would prove nothing."""
    folder = renamed(VECTORS / "02-component", tmp_path)
    assert (folder / "1.py").read_text() != (VECTORS / "02-component" / "1.py").read_text()
    assert "::g-first" not in (folder / "expected.json").read_text()
    assert "n9-first" in (folder / "expected.json").read_text()


def test_a_recording_that_differs_is_told_from_one_that_agrees() -> None:
    """The comparison can fail: one operation less, and it says which."""
    want = expected(VECTORS / "01-create-same-update-delete")
    seen = expected(VECTORS / "01-create-same-update-delete")
    seen[1]["ops"].remove("create command:local:Command::a")
    [found] = load("compare").differences("01-create-same-update-delete", want, seen)
    assert "command:local:Command::a: None, recorded ['create']" in found

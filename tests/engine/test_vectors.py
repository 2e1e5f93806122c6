"""The engine does what the real one did, operation by operation, in every recorded scenario."""

from __future__ import annotations

import os
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.engine.vectors import ROOT, SCENARIOS, VECTORS, expected, load, recorder, renamed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab
AT_ONCE = 2
WITHIN_S = 300


@pytest.fixture(scope="module")
def recordings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Any]]]:
    """Record every collected scenario, two at a time, while the tests wait for theirs."""
    folder = tmp_path_factory.mktemp("vectors")
    given = {key: os.environ.get(key) for key in ("PULUMI_HOME", "PYTHONPATH")}
    os.environ["PULUMI_HOME"] = str(folder / "home")
    os.environ["PYTHONPATH"] = str(ROOT)
    record = recorder().record
    wanted = {item.name for item in request.session.items}
    pool = ThreadPoolExecutor(AT_ONCE)
    futures = {}
    for name in SCENARIOS:
        if f"test_a_scenario_goes_as_recorded[{name}]" in wanted:
            futures[name] = pool.submit(record, VECTORS / name, sys.prefix)
        if f"test_a_scenario_goes_as_recorded_under_other_names[{name}]" in wanted:
            futures[f"renamed {name}"] = pool.submit(
                record, renamed(VECTORS / name, folder / "renamed" / name), sys.prefix
            )
    try:
        yield futures
    finally:
        pool.shutdown(cancel_futures=True)
        for key, value in given.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_goes_as_recorded(name: str, recordings: dict[str, Future[Any]]) -> None:
    """Exit codes, operations, log, outputs and state are those of the real engine."""
    seen = recordings[name].result(WITHIN_S)
    assert list(load("compare").differences(name, expected(VECTORS / name), seen)) == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_goes_as_recorded_under_other_names(
    name: str, recordings: dict[str, Future[Any]], tmp_path: Path
) -> None:
    """Names mean nothing: with all of them changed, and their order reversed, the same happens."""
    seen = recordings[f"renamed {name}"].result(WITHIN_S)
    want = expected(renamed(VECTORS / name, tmp_path))
    assert list(load("compare").differences(name, want, seen)) == []


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

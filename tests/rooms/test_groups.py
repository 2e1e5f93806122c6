"""Tests of one group share a worker, and so the labs of its session: the pinned pytest and pytest-xdist fit each other."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """\
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(8))
def test_together(number):
    with pathlib.Path(os.environ["SEEN"]).open("a") as seen:
        seen.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


@pytest.mark.lab
@pytest.mark.parametrize("grouped", [True, False])
def test_a_group_runs_on_one_worker(tmp_path: Path, *, grouped: bool) -> None:
    """Eight tests of one group see one worker; without a group they see both."""
    mark = 'pytestmark = pytest.mark.xdist_group("one")\n' if grouped else ""
    (tmp_path / "test_it.py").write_text(TESTS.replace("\n\n", f"\n{mark}\n", 1), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = xdist_group\n", encoding="utf-8")
    seen = tmp_path / "seen"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", str(tmp_path)],
        cwd=tmp_path,
        env={**environment, "SEEN": str(seen)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    workers = seen.read_text(encoding="utf-8").split()
    assert len(workers) == 8
    assert len(set(workers)) == (1 if grouped else 2)

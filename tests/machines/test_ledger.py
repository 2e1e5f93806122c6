"""The ledger: exactly what was noted is undone, and nothing else."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.internet.namespace import make_namespace, namespace_path
from lab.ledger import Ledger, start_time
from tests.labs import lab_name

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab


def sleeping() -> subprocess.Popen[bytes]:
    """Return a process that does nothing for a long time."""
    return subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def started_at(process: subprocess.Popen[bytes]) -> int:
    """Return a process's start time."""
    found = start_time(process.pid)
    assert found is not None
    return found


def test_a_process_id_that_was_used_again_is_let_live(tmp_path: Path) -> None:
    """Id and start time together name a process: with another start time it is somebody else's."""
    with sleeping() as ours, sleeping() as theirs:
        ledger = Ledger(tmp_path / "ledger.jsonl")
        ledger.note("process", "ours", pid=ours.pid, started=started_at(ours))
        ledger.note("process", "theirs", pid=theirs.pid, started=started_at(theirs) - 1)
        assert ledger.undo() == 2
        assert ours.wait(timeout=5) == -9
        assert theirs.poll() is None
        theirs.kill()


def test_only_the_namespace_noted_is_removed(tmp_path: Path) -> None:
    """Its neighbour, of nearly the same name, stays."""
    noted = f"fs-{lab_name('l')}"
    neighbour = f"{noted}-x"
    for name in (noted, neighbour):
        make_namespace(name)
    Ledger(tmp_path / "ledger.jsonl").note("namespace", noted)
    Ledger(tmp_path / "ledger.jsonl").undo()
    assert not namespace_path(noted).exists()
    assert namespace_path(neighbour).exists()
    Ledger(tmp_path / "ledger.jsonl").note("namespace", neighbour)
    Ledger(tmp_path / "ledger.jsonl").undo()


def test_what_never_came_to_be_is_undone_without_complaint(tmp_path: Path) -> None:
    """Things are noted before they are made, and the last line may be cut off by a kill."""
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.note("namespace", f"fs-{lab_name('n')}")
    ledger.note("cgroup", str(tmp_path / "no-cgroup"))
    ledger.note("folder", str(tmp_path / "no-folder"))
    with (tmp_path / "ledger.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": "folder", "name": str(tmp_path)})[:-5])
    assert ledger.undo() == 3
    assert not ledger.exists
    assert tmp_path.is_dir()


def test_a_dead_process_has_no_start_time() -> None:
    """Not even while its parent has not asked how it ended."""
    with sleeping() as process:
        process.kill()
        until(lambda: start_time(process.pid) is None or None, 5, "the process dead")

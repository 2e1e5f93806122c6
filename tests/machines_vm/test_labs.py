"""Labs of virtual machines as wholes: killed, and cleaned up."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from lab.client import Lab, LabError, until
from lab.ledger import start_time
from lab.registry import Registration
from tests.labs import lab_name
from tests.machines.ordering import customer, traces_of_lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import MachineSpot
    from tests.machines.ordering import Traces

pytestmark = [pytest.mark.lab, pytest.mark.vm]


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[Lab, Traces]]:
    """Return a lab that was killed while its machine booted, and what there was of it; QEMU died with it."""
    lab = Lab.start(lab_name("k"), tmp_path, machines="qemu")
    try:
        machine = customer(lab).order("brief")
        until(lambda: _on(machine), 60, "QEMU")
        traces = traces_of_lab(lab)
        assert (machine.leader_pid or 0) in {pid for pid, _ in traces.processes}
        os.kill(lab.pid, signal.SIGKILL)
        until(lambda: all(start_time(pid) != at for pid, at in traces.processes) or None, 10, "its processes gone")
        yield lab, traces
    finally:
        lab.stop()


def test_down_cleans_up_after_a_killed_lab(killed: tuple[Lab, Traces]) -> None:
    """`down` removes what a killed lab left, its machine's disk and cable included; a second one has nothing to do."""
    lab, traces = killed
    assert traces.left != []
    assert Registration(lab.name).end().endswith("leftovers removed")
    assert traces.left == []
    assert Registration(lab.name).end() == f"lab {lab.name}: nothing to do"


def test_the_next_start_cleans_up_after_a_killed_lab(killed: tuple[Lab, Traces]) -> None:
    """Under the same name and in the same folder a lab starts that has no machine, and its tokens are the same."""
    lab, traces = killed
    disks = {path for path in traces.folders if path.name == "run"}
    assert len(disks) == 1
    again = Lab.start(lab.name, lab.folder, machines="qemu")
    try:
        assert again.tokens == lab.tokens
        assert again.world()["machines"] == []
        assert not (lab.folder / "run/disks").exists()
        assert again.place("visitor").run(["true"]).returncode == 0
    finally:
        again.stop()
    assert traces.left == []


def _on(machine: MachineSpot) -> bool | None:
    try:
        return machine.leader_pid is not None or None
    except LabError:
        return None

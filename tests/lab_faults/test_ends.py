"""Faults end with their lab, however it ends."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from lab.client import Lab, LabError, until
from lab.faults.model import Blackhole, Cut, CutPower, FaultError, FillDisk, Outage, Slow
from lab.registry import Registration
from tests.labs import cloud_alone, lab_name
from tests.machines.ordering import customer, traces_of_lab
from tests.machines.test_guard import backing_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab


def test_a_killed_lab_leaves_nothing_of_its_faults(tmp_path: Path) -> None:
    """After `kill -9` and `down`: no process, namespace, control group, file or loop device; another lab has no fault."""
    name = lab_name("x")
    killed = Lab.start(name, tmp_path)
    try:
        server = customer(killed).order("press")
        until(lambda: _is_on(killed, server.name), 20, "the machine on")
        everything = (
            Slow("press", "visitor", latency_ms=40),
            Slow("operator", loss_ratio=0.5),
            Cut("attacker"),
            Blackhole("press", larger_than_bytes=1400),
            Outage("hel1"),
            FillDisk("press"),
        )
        for fault in everything:
            killed.inject(fault)
        assert killed.faults() == everything
        traces = traces_of_lab(killed)
        assert len(backing_files(tmp_path)) == 1
        os.kill(killed.pid, signal.SIGKILL)
        until(lambda: not killed.alive or None, 5, "the lab killed")
        assert "leftovers removed" in Registration(name).end()
        assert traces.left == []
        until(lambda: not backing_files(tmp_path) or None, 5, "the loop device free")
    finally:
        killed.stop()
    again = Lab.start(name, tmp_path)
    assert again.faults() == ()
    again.stop()


def test_a_lab_ends_whatever_is_wrong_in_it(tmp_path: Path) -> None:
    """SIGTERM with a slow wire and a machine without power: exit code 0, and nothing is left."""
    lab = Lab.start(lab_name("u"), tmp_path)
    try:
        server = customer(lab).order("press")
        until(lambda: _is_on(lab, server.name), 20, "the machine on")
        lab.inject(Slow("press", latency_ms=40))
        lab.inject(CutPower("press"))
        traces = traces_of_lab(lab)
    finally:
        lab.stop()
    assert traces.left == []
    assert lab.exit_code == 0


def test_a_lab_without_a_world_has_no_faults_in_it(tmp_path: Path) -> None:
    """The message says what kind of lab has."""
    said = r"^faults: a lab without machines, allowed: one with; start it with "
    with cloud_alone("n", tmp_path) as lab, pytest.raises(FaultError, match=said):
        lab.inject(Cut("visitor"))


def _is_on(lab: Lab, name: str) -> bool | None:
    try:
        return lab.machine(name).leader_pid is not None or None
    except LabError:
        return None

"""Faults in a virtual machine: its clock is its own, its disk has an end, its power is the data centre's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import Cut, CutPower, FillDisk, SkewClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = [pytest.mark.lab, pytest.mark.vm]
HOUR_S = 3600
WRITES_ALL = "dd if=/dev/zero of=/root/all bs=4k 2>/dev/null; stat -c %s /root/all; rm /root/all"


@pytest.fixture
def whole(machine: MachineSpot, lab: Lab) -> Iterator[MachineSpot]:
    """Return the machine, with nothing wrong after the test."""
    yield machine
    lab.heal()


def ahead_s(machine: MachineSpot) -> float:
    """Return how far the machine's clock is ahead of this one's, give or take how long a question takes."""
    import time

    return float(machine.run(["date", "+%s.%N"], check=True).stdout) - time.time()


def test_a_clock_is_wrong_by_what_was_asked_until_it_is_healed(whole: MachineSpot, lab: Lab) -> None:
    """Ahead, behind, and right again; that a boot sets it right is shown in `test_power`."""
    name = whole.name
    assert abs(ahead_s(whole)) < HOUR_S / 4
    with lab.inject(SkewClock(name, skew_s=HOUR_S)) as skew:
        assert abs(ahead_s(whole) - HOUR_S) < HOUR_S / 4
        skew.change(skew_s=-HOUR_S)
        assert abs(ahead_s(whole) + HOUR_S) < HOUR_S / 4
        assert lab.faults() == (SkewClock(name, skew_s=-HOUR_S),)
    assert abs(ahead_s(whole)) < HOUR_S / 4


def test_a_disk_is_full_and_gives_back_what_it_took(whole: MachineSpot, lab: Lab) -> None:
    """The next block is refused; what was asked to be free can be written; the file behind the disk hardly grows."""
    disk = next((lab.folder / "run/disks" / str(whole.entry["server_id"])).glob("*.qcow2"))
    before = disk.stat().st_blocks
    with lab.inject(FillDisk(whole.name)) as full:
        refused = whole.run(["dd", "if=/dev/zero", "of=/root/more", "bs=4k", "count=1"])
        assert "No space left on device" in refused.stderr
        full.change(free_bytes=10 << 20)
        room = int(whole.run(["sh", "-c", WRITES_ALL], check=True).stdout)
        assert abs(room - (10 << 20)) < 256 << 10
    assert whole.run(["dd", "if=/dev/zero", "of=/root/more", "bs=1M", "count=20"]).returncode == 0
    assert (disk.stat().st_blocks - before) * 512 < 128 << 20


def test_a_cut_cable_is_cut_for_a_virtual_machine_as_well(whole: MachineSpot, lab: Lab, somebody: Customer) -> None:
    """The visitor's ping is lost, and answered again when the cable is back."""
    ping = ["ping", "-n", "-c", "1", "-W", "2", somebody.ipv4(lab.machine(whole.entry["server_id"]))]
    visitor = lab.place("visitor")
    until(lambda: visitor.run(ping).returncode == 0 or None, 30, "an answer")
    with lab.inject(Cut(whole.name)):
        assert visitor.run(ping).returncode == 1
    assert visitor.run(ping).returncode == 0


@pytest.mark.long
def test_power_that_was_cut_comes_back_with_the_disk(whole: MachineSpot, lab: Lab, somebody: Customer) -> None:
    """Off, while the API says that it runs; healed, it boots, and the disk is as full as it was."""
    full = FillDisk(whole.name, free_bytes=20 << 20)  # a boot writes some, and with less it is not born
    lab.inject(full)
    with lab.inject(CutPower(whole.name)):
        assert whole.leader_pid is None
        assert somebody.server(lab.machine(whole.entry["server_id"]))["status"] == "running"
    whole.wait_born()
    assert lab.faults() == (full,)
    assert int(whole.run(["sh", "-c", WRITES_ALL], check=True).stdout) <= full.free_bytes
    assert whole.run(["cat", "/born"]).stdout == "by user data"

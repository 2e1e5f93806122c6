"""Power: what is kept on a virtual machine's disk, and what is lost with its memory.

That a machine switches itself off, and leaves nothing when it is deleted, is shown on a copy: `test_snapshot`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import Reboot, SkewClock
from tests.machines_vm.test_faults import HOUR_S, ahead_s

if TYPE_CHECKING:
    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = [pytest.mark.lab, pytest.mark.vm]
BOOTED_WITHIN_S = 420


def write(machine: MachineSpot, path: str, *, synced: bool) -> None:
    """Write a file; if it is not synced, nothing but a request does it for an hour."""
    machine.run(["sysctl", "-qw", "vm.dirty_writeback_centisecs=0", "vm.dirty_expire_centisecs=360000"], check=True)
    machine.run(["tee", path], given="written\n", check=True)
    if synced:
        machine.run(["sync", path, "/root"], check=True)


def read(machine: MachineSpot, path: str) -> str:
    """Return what is in a file; nothing if it is not there."""
    return machine.run(["cat", path]).stdout


def booted_anew(machine: MachineSpot, former_pid: int | None) -> None:
    """Wait until the machine is done with a boot that is not the former one."""
    until(lambda: machine.leader_pid not in {None, former_pid} or None, 60, "another boot")
    machine.wait_born(BOOTED_WITHIN_S)


def boot_id(machine: MachineSpot) -> str:
    """Return what the kernel calls this boot."""
    return read(machine, "/proc/sys/kernel/random/boot_id")


def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(machine: MachineSpot, somebody: Customer) -> None:
    """The API's reset says no word to the machine: its page cache is gone, its disk is as the kernel left it."""
    write(machine, "/root/synced", synced=True)
    write(machine, "/root/unsynced", synced=False)
    assert read(machine, "/root/unsynced") == "written\n"
    pid, former = machine.leader_pid, boot_id(machine)
    somebody.act(machine, "reset")
    booted_anew(machine, pid)
    assert boot_id(machine) != former
    assert read(machine, "/root/synced") == "written\n"
    assert read(machine, "/root/unsynced") == ""
    assert read(machine, "/born") == "by user data"


def test_a_reboot_keeps_the_disk_and_nothing_of_the_kernels(machine: MachineSpot, lab: Lab) -> None:
    """After a clean reboot even what nobody had synced is there; network state and clock are new ones."""
    write(machine, "/root/rebooted", synced=False)
    machine.run(["ip", "link", "add", "left0", "type", "bridge"], check=True)
    # Once a minute it notes the time on the disk, and no boot begins earlier than that: Debian's, and not what is asked.
    machine.run(["systemctl", "stop", "systemd-timesyncd"], check=True)
    lab.inject(SkewClock(machine.name, skew_s=HOUR_S))
    assert abs(ahead_s(machine) - HOUR_S) < HOUR_S / 4
    pid = machine.leader_pid
    lab.inject(Reboot(machine.name))
    assert lab.faults() == ()
    booted_anew(machine, pid)
    assert abs(ahead_s(machine)) < HOUR_S / 4
    assert read(machine, "/root/rebooted") == "written\n"
    assert machine.run(["ip", "link", "show", "left0"]).returncode != 0

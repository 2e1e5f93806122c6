"""Power, disk and clock of a machine under systemd-nspawn; one machine for all, healed after each test."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from lab.door import DoorError
from lab.faults.model import Block, Cut, CutPower, FaultError, FillDisk, HideMetadata, Reboot, Reset, SkewClock, Slow

if TYPE_CHECKING:
    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab
# Writes until there is no room, says how much there was, and gives it back.
WRITES_ALL = "dd if=/dev/zero of=/root/all bs=4k 2>/dev/null; stat -c %s /root/all; rm /root/all"
# When it is stopped, rather than killed.
LEAVES_A_WORD = ["systemd-run", "--unit=last", "--property=ExecStop=touch /root/asked", "sleep", "1000"]


def room_bytes(machine: MachineSpot) -> int:
    """Return how much can be written on a machine's disk."""
    return int(machine.run(["sh", "-c", WRITES_ALL], check=True).stdout)


def test_a_disk_is_full_and_the_hosts_is_not(machine: MachineSpot, lab: Lab) -> None:
    """The next block is refused; what was asked to be free can be written; healed, there is room again."""
    store = lab.folder / "run/disks" / str(machine.entry["server_id"]) / "store.ext4"
    with lab.inject(FillDisk("press")) as full:
        refused = machine.run(["dd", "if=/dev/zero", "of=/root/more", "bs=4k", "count=1"])
        assert refused.returncode == 1
        assert "No space left on device" in refused.stderr
        taken = store.stat().st_blocks * 512
        assert taken < 128 << 20
        full.change(free_bytes=10 << 20)
        assert lab.faults() == (FillDisk("press", free_bytes=10 << 20),)
        assert abs(room_bytes(machine) - (10 << 20)) < 256 << 10
    assert machine.run(["dd", "if=/dev/zero", "of=/root/more", "bs=1M", "count=20"]).returncode == 0
    assert lab.faults() == ()


def test_a_full_disk_is_full_after_a_reboot(machine: MachineSpot, lab: Lab) -> None:
    """A clean reboot through the machine's own systemd; the fault goes on, and can be healed in the next boot."""
    machine.run(LEAVES_A_WORD, check=True)
    with lab.inject(FillDisk("press", free_bytes=1 << 20)):
        former = machine.leader_pid
        lab.inject(Reboot("press"))
        assert machine.leader_pid not in {None, former}
        assert lab.faults() == (FillDisk("press", free_bytes=1 << 20),)
        machine.wait_born()
        assert room_bytes(machine) < 2 << 20
        assert machine.run(["rm", "/root/asked"]).returncode == 0
    assert machine.run(["dd", "if=/dev/zero", "of=/root/more", "bs=1M", "count=20"]).returncode == 0


def test_the_data_centres_power_is_not_the_apis(machine: MachineSpot, lab: Lab, somebody: Customer) -> None:
    """Off without a word; the API says that it runs, and can't bring it back; healed, it boots from its disk.

    What is done in the machine can't be begun or healed while it is off; healing all brings the power first.
    """
    machine.run(LEAVES_A_WORD, check=True)
    lab.inject(FillDisk("press", free_bytes=10 << 20))
    lab.inject(CutPower("press"))
    assert machine.leader_pid is None
    assert somebody.server(by_id(machine, lab))["status"] == "running"
    somebody.act(by_id(machine, lab), "reset")
    assert machine.leader_pid is None
    for ask in (partial(lab.heal, "fill-disk press"), partial(lab.inject, FillDisk("press"))):
        with pytest.raises(FaultError, match=r"^machine 'press': off, allowed: running; switch it on first$"):
            ask()
    assert lab.faults() == (FillDisk("press", free_bytes=10 << 20), CutPower("press"))
    lab.heal()
    assert lab.faults() == ()
    assert machine.leader_pid is not None
    assert machine.run(["test", "-e", "/root/asked"]).returncode == 1
    assert machine.run(["dd", "if=/dev/zero", "of=/root/more", "bs=1M", "count=20"]).returncode == 0


def by_id(machine: MachineSpot, lab: Lab) -> MachineSpot:
    """Return the machine by its server's id, as the API names it."""
    return lab.machine(machine.entry["server_id"])


def test_a_reset_is_over_at_once_and_says_no_word(machine: MachineSpot, lab: Lab) -> None:
    """Another boot runs when it returns, nothing is left to heal, and no unit was stopped."""
    machine.run(LEAVES_A_WORD, check=True)
    former = machine.leader_pid
    lab.inject(Reset("press"))
    assert machine.leader_pid not in {None, former}
    assert lab.faults() == ()
    assert machine.run(["test", "-e", "/root/asked"]).returncode == 1


def test_the_clock_of_the_host_is_nobodys_to_change(machine: MachineSpot, lab: Lab) -> None:
    """Refused with the way that works, and nothing is wrong afterwards."""
    with pytest.raises(
        FaultError,
        match=r"^clock of 'press': the host's own \(systemd-nspawn\), allowed: a virtual machine's; start the lab with --machines vm$",
    ):
        lab.inject(SkewClock("press", skew_s=3600))
    assert lab.faults() == ()
    assert machine.run(["date", "--set=@0"]).returncode != 0


def test_a_program_in_the_machine_finds_no_metadata(machine: MachineSpot, lab: Lab) -> None:
    """As cloud-init would ask; the twin: healed, it answers."""
    ask = ["curl", "-sS", "--max-time", "1", "http://169.254.169.254/hetzner/v1/metadata/hostname"]
    assert machine.run(ask).stdout == "press"
    with lab.inject(HideMetadata("press", answer="refusal")):
        assert machine.run(ask).returncode == 7
        lab.inject(HideMetadata("press"))
        assert machine.run(ask).returncode == 28
    assert machine.run(ask).stdout == "press"


def test_the_door_of_faults_needs_the_labs_own_token(lab: Lab) -> None:
    """A customer's token opens it for nobody; what is no fault is refused with its reason; unknown names heal nothing."""
    for token in ("wrong", next(iter(lab.tokens.values()))):
        with pytest.raises(DoorError, match=r"^the control token is needed here$") as closed:
            replace(lab.door, token=token).ask("GET", "world/faults")
        assert closed.value.status == HTTPStatus.UNAUTHORIZED
    assert lab.door.ask("GET", "world/faults") == []
    with pytest.raises(DoorError, match=r"^cut\.host: {'kind': 'cut'}, Field required$") as refused:
        lab.door.ask("POST", "world/faults", {"kind": "cut"})
    assert refused.value.status == HTTPStatus.UNPROCESSABLE_ENTITY
    lab.heal("cut nobody")


def test_a_handle_changes_its_own_fault_alone(machine: MachineSpot, lab: Lab) -> None:
    """Other figures change it; another place is another fault; healed twice is healed."""
    assert machine.leader_pid is not None
    with lab.inject(Slow("press", "visitor", latency_ms=40)) as slow, lab.inject(Block("press", protocol="icmp")):
        slow.change(latency_ms=80, loss_ratio=0.5)
        changed = Slow("press", "visitor", latency_ms=80, loss_ratio=0.5)
        assert lab.faults() == (changed, Block("press", protocol="icmp"))
        with pytest.raises(
            FaultError, match=r"^change: 'slow press operator', allowed: figures of 'slow press visitor';"
        ):
            slow.change(other="operator")
        slow.heal()
        assert lab.faults() == (Block("press", protocol="icmp"),)
    assert lab.faults() == ()
    lab.inject(Cut("press")).heal()
    assert lab.faults() == ()

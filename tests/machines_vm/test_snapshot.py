"""A lab that was saved as it ran goes on in another one: its machine's memory and disk, its cloud, its flows.

```text
  lab   ── save ──► folder ── start ──►  another lab
   │                                      │
   machine runs on                        machine: same boot, same processes, same files, today's clock
```
"""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from lab import cgroups
from lab.client import Lab, LabError, until
from lab.door import DoorError
from lab.internet.flows import Flow, read_flows
from tests.labs import lab_name
from tests.machines.ordering import Customer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import MachineSpot

pytestmark = [pytest.mark.lab, pytest.mark.vm]

SLEEPS = ["systemd-run", "--unit=sleeps", "sleep", "1000000"]
SLEEPING = ["systemctl", "show", "--property=MainPID,ActiveEnterTimestampMonotonic", "sleeps"]
# From one port to another, so that its flow can be told.
SENDS = "exec 3<>/dev/udp/192.0.2.7/4500; echo sent >&3"


def boot_id(machine: MachineSpot) -> str:
    """Return what the kernel calls this boot."""
    return machine.run(["cat", "/proc/sys/kernel/random/boot_id"], check=True).stdout


def clock(machine: MachineSpot) -> float:
    """Return the machine's time, in seconds since 1970."""
    return float(machine.run(["date", "+%s.%N"], check=True).stdout)


def flows(lab: Lab, machine: MachineSpot) -> list[Flow]:
    """Return what the machine's site knows of its traffic to the visitor's port."""
    found = read_flows(f"fs-{lab.name}-s{machine.name}")
    return [flow for flow in found if flow.destination_port == 4500]


@pytest.fixture(scope="module")
def saved(lab: Lab, machine: MachineSpot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a snapshot of the lab, whose machine has a process and a file that no disk has yet."""
    machine.run(SLEEPS, check=True)
    machine.run(["sh", "-c", "echo mine >/root/saved"], check=True)
    machine.run(["bash", "-c", SENDS], check=True)
    lab.publish_names({"saved.example.com": ["203.0.113.1"]})
    until(lambda: flows(lab, machine) or None, 5, "the flow")
    folder: Path = tmp_path_factory.mktemp("saved") / "snapshot"
    lab.save(folder)
    return folder


@pytest.fixture(scope="module")
def again(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return another lab, stood up from the snapshot beside the first."""
    started = Lab.start(lab_name("w"), tmp_path_factory.mktemp("again"), snapshot=saved)
    yield started
    started.stop()


@pytest.mark.usefixtures("saved")
def test_the_saved_lab_goes_on(machine: MachineSpot) -> None:
    """Being saved costs its machine a moment, which its clock does not lose."""
    before = boot_id(machine)
    assert abs(clock(machine) - time.time()) < 5
    assert machine.run(SLEEPING).stdout.startswith("MainPID=")
    assert boot_id(machine) == before


def test_the_other_labs_machine_goes_on_where_the_first_was_saved(again: Lab, machine: MachineSpot) -> None:
    """The same boot, the same process since the same moment, the file; but the time of today, and a QEMU of its own."""
    other = again.machine(machine.name)
    assert boot_id(other) == boot_id(machine)
    assert other.run(SLEEPING, check=True).stdout == machine.run(SLEEPING, check=True).stdout
    assert other.run(["cat", "/root/saved"]).stdout == "mine\n"
    assert abs(clock(other) - time.time()) < 5
    assert other.leader_pid not in {None, machine.leader_pid}


def test_the_cloud_and_its_customer_are_the_same(again: Lab, lab: Lab, machine: MachineSpot) -> None:
    """The same token opens the same project with the same server; the names are published."""
    assert again.tokens == lab.tokens
    other, first = (Customer(lab=each, token=lab.tokens["lab"]) for each in (again, lab))
    assert other.server(machine) == first.server(machine)
    name = again.place("visitor").run(["getent", "hosts", "saved.example.com"])
    assert name.stdout.split()[0] == "203.0.113.1"


def test_what_the_machine_has_asked_for_still_comes_in(again: Lab, lab: Lab, machine: MachineSpot) -> None:
    """The site knows the flow that the machine began before it was saved."""
    found = flows(again, machine)
    assert [(flow.source, flow.source_port) for flow in found] == [
        (flow.source, flow.source_port) for flow in flows(lab, machine)
    ]
    assert len(found) == 1


def test_a_visitor_reaches_the_other_labs_machine(again: Lab, somebody: Customer, machine: MachineSpot) -> None:
    """Cable, gateway and addresses are as the machine knew them."""
    knock = f"exec 3<>/dev/tcp/{somebody.ipv4(machine)}/22 && head -c 7 <&3"
    assert again.place("visitor").run(["bash", "-c", knock]).stdout == "SSH-2.0"


def test_the_two_go_apart(again: Lab, machine: MachineSpot) -> None:
    """What one writes after the snapshot the other does not have."""
    again.machine(machine.name).run(["touch", "/root/other"], check=True)
    assert machine.run(["test", "-e", "/root/other"]).returncode == 1


def test_it_switches_itself_off_and_leaves_nothing_when_deleted(again: Lab, machine: MachineSpot) -> None:
    """`poweroff` shows at the API; the console stays to be read until the server is deleted. The first goes on."""
    other, somebody = again.machine(machine.name), Customer(lab=again, token=again.tokens["lab"])
    other.run(["systemctl", "poweroff"])
    until(lambda: somebody.server(other)["status"] == "off" or None, 120, "the server off")
    assert other.leader_pid is None
    disk = again.folder / "run/disks" / other.name
    cgroup = cgroups.cgroup_root() / f"fs-{again.name}/m{other.name}"
    assert disk.is_dir()
    assert cgroups.is_empty(cgroup)
    assert cgroup.is_dir()
    assert other.console
    somebody.delete(other)
    until(lambda: None if disk.exists() or cgroup.exists() else True, 15, "everything of the server gone")
    assert machine.leader_pid is not None


def test_a_snapshot_that_fails_leaves_the_lab_running(lab: Lab, machine: MachineSpot, tmp_path: Path) -> None:
    """Where nothing can be written the error says so, and the machine goes on."""
    with pytest.raises(DoorError, match="No such file or directory"):
        lab.door.ask("POST", "snapshot", {"folder": str(tmp_path / "no/such/folder")})
    assert machine.run(["true"]).returncode == 0
    assert abs(clock(machine) - time.time()) < 5


def test_a_snapshot_belongs_to_its_owner_alone(saved: Path) -> None:
    """It holds a machine's memory, its user data and the tokens."""
    assert saved.stat().st_mode & 0o777 == 0o700
    (machine,) = (path for path in saved.iterdir() if path.is_dir())
    assert {path.name for path in machine.iterdir()} == {"disk.qcow2", "memory.zst"}
    assert {path.stat().st_mode & 0o077 for path in saved.rglob("*")} == {0}


def test_what_was_made_with_another_qemu_is_refused(saved: Path, machine: MachineSpot, tmp_path: Path) -> None:
    """Memory says nothing to another machine: the message names both, and nothing is started."""
    copy = tmp_path / "snapshot"
    shutil.copytree(saved, copy)
    content = json.loads((copy / "snapshot.json").read_text())
    content["servers"][machine.name]["made_with"]["QEMU"] = "QEMU emulator version 0.9"
    (copy / "snapshot.json").write_text(json.dumps(content))
    with pytest.raises(
        LabError, match=r"QEMU 'QEMU emulator version 0.9', allowed: 'QEMU emulator.*make the snapshot anew"
    ):
        Lab.start(lab_name("x"), tmp_path / "lab", snapshot=copy)


def test_memory_that_is_cut_short_is_refused(saved: Path, tmp_path: Path) -> None:
    """As a full disk leaves it: the lab says whose it is, and leaves nothing running."""
    copy = tmp_path / "snapshot"
    shutil.copytree(saved, copy)
    (memory,) = copy.glob("*/memory.zst")
    with memory.open("r+b") as file:
        file.truncate(memory.stat().st_size // 2)
    with pytest.raises(LabError, match=r"machine 'virtual': its memory can't be loaded"):
        Lab.start(lab_name("y"), tmp_path / "lab", snapshot=copy)


def test_a_folder_without_a_snapshot_is_refused(tmp_path: Path) -> None:
    """Nothing is begun."""
    with pytest.raises(LabError, match=r"none that can be read, allowed: one of format 1; make it anew"):
        Lab.start(lab_name("z"), tmp_path / "lab", snapshot=tmp_path)

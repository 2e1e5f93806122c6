"""Volumes and images in the world: disks that are in a machine, outlive it, and a disk that becomes another one's.

A volume is a file of the lab's, and a block device in whichever machine has it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.client import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab
GIB = 1 << 30


@pytest.fixture
def order(somebody: Customer) -> Iterator[Callable[..., MachineSpot]]:
    """Return what orders a machine that is done with its first boot, and is deleted after the test."""
    ordered: list[MachineSpot] = []

    def one(name: str, **more: Any) -> MachineSpot:
        machine = somebody.order(name, **more)
        ordered.append(machine)
        machine.wait_born()
        return machine

    yield one
    there = {str(server["id"]) for server in somebody.ask("GET", "/servers")["servers"]}
    for machine in ordered:
        if machine.name in there:
            somebody.delete(machine)


def make_volume(somebody: Customer, name: str, **more: Any) -> dict[str, Any]:
    """Make a volume and return it once it is where it shall be."""
    body = {"name": name, "size": 10, **more}
    return dict(somebody.ask("POST", "/volumes", body)["volume"])


def on(machine: MachineSpot, script: str) -> str:
    """Return what a script says that must succeed."""
    done = machine.run(["sh", "-ec", script])
    assert done.returncode == 0, done
    return done.stdout.strip()


def backed(file: Path) -> list[str]:
    """Return the loop devices of this machine that show a file."""
    found = Path("/sys/block").glob("loop*/loop/backing_file")
    return [path.parts[3] for path in found if path.read_text("utf-8").strip() == str(file)]


def test_a_volume_is_a_disk_that_outlives_its_server(
    somebody: Customer, lab: Lab, order: Callable[..., MachineSpot]
) -> None:
    """It comes formatted, under Hetzner's name, and a second server finds what the first has written.

    The first server is deleted, not shut down: what it had synced is there, and its device is nobody's any more.
    """
    one = order("vol-one")
    volume = make_volume(somebody, "kept", server=int(one.name), format="ext4")
    device, file = volume["linux_device"], lab.folder / "run/volumes" / f"{volume['id']}.raw"
    assert on(one, f"blockdev --getsize64 {device}; blkid -o value -s TYPE {device}").split() == [str(10 * GIB), "ext4"]
    on(one, f"mount {device} /mnt; echo mine >/mnt/kept; sync /mnt/kept; sleep 1000 </mnt/kept >/dev/null 2>&1 &")
    assert len(backed(file)) == 1
    somebody.delete(one)
    until(lambda: not backed(file) or None, 20, "the device gone")
    two = order("vol-two", volumes=[volume["id"]])
    assert on(two, f"mount {device} /mnt; cat /mnt/kept") == "mine"
    somebody.ask("POST", f"/volumes/{volume['id']}/actions/detach")
    somebody.ask("DELETE", f"/volumes/{volume['id']}")
    until(lambda: not file.exists() or None, 20, "the file gone")


def test_a_volume_comes_with_xfs_where_that_is_asked_for(somebody: Customer, order: Callable[..., MachineSpot]) -> None:
    """It is xfs and nothing else; mounted is shown where the kernel is Debian's: tests/machines_vm/test_volumes.py."""
    machine = order("vol-xfs")
    volume = make_volume(somebody, "other", server=int(machine.name), format="xfs")
    asked = f"blockdev --getsize64 {volume['linux_device']}; blkid -o value -s TYPE {volume['linux_device']}"
    assert on(machine, asked).split() == [str(10 * GIB), "xfs"]


@pytest.mark.long
def test_an_automounted_volume_is_there_after_a_reboot(somebody: Customer, order: Callable[..., MachineSpot]) -> None:
    """Below /mnt, by a line of fstab; one that is not automounted stays a bare device."""
    machine = order("vol-auto")
    auto = make_volume(somebody, "auto", server=int(machine.name), format="ext4", automount=True)
    bare = make_volume(somebody, "bare", server=int(machine.name), format="ext4")
    folder = f"/mnt/HC_Volume_{auto['id']}"

    def source() -> str | None:
        return machine.run(["findmnt", "-no", "SOURCE", folder]).stdout.strip() or None

    assert until(source, 20, "mounted") == auto["linux_device"]
    on(machine, f"echo mine >{folder}/kept")
    pid = machine.leader_pid
    machine.run(["systemctl", "reboot"])
    until(lambda: machine.leader_pid not in {None, pid} or None, 40, "another first process")
    machine.wait_born()
    assert on(machine, f"findmnt -no SOURCE {folder}; cat {folder}/kept").split() == [auto["linux_device"], "mine"]
    assert (
        on(machine, f"test -b {bare['linux_device']}; findmnt -no TARGET {bare['linux_device']} || echo none") == "none"
    )


def test_a_volume_that_is_pulled_out_fails_and_another_server_has_it(
    somebody: Customer, order: Callable[..., MachineSpot]
) -> None:
    """The former server can neither see nor read it, not even by a file that it has open; nor write to it."""
    one, two = order("vol-from"), order("vol-to")
    volume = make_volume(somebody, "moved", server=int(one.name), format="ext4")
    device, path = volume["linux_device"], f"/volumes/{volume['id']}/actions"
    on(one, f"mount {device} /mnt; echo first >/mnt/kept; sync")
    writer = "exec 3>>/mnt/kept; while sleep 0.05; do echo late >&3 || touch /run/failed; done"
    on(one, f"systemd-run --quiet sh -c '{writer}'")
    somebody.ask("POST", f"{path}/detach")
    until(lambda: one.has("/run/failed") or None, 20, "the writer failed")
    assert not one.has(device)
    assert on(one, "ls -A /mnt") == ""
    somebody.ask("POST", f"{path}/attach", {"server": int(two.name)})
    assert on(two, f"mount {device} /mnt; head -1 /mnt/kept") == "first"


def test_a_volume_grows_under_a_running_machine(somebody: Customer, order: Callable[..., MachineSpot]) -> None:
    """The device does at once; the filesystem when its owner says so."""
    machine = order("vol-grow")
    volume = make_volume(somebody, "grown", server=int(machine.name), format="ext4")
    device = volume["linux_device"]
    somebody.ask("POST", f"/volumes/{volume['id']}/actions/resize", {"size": 12})
    assert on(machine, f"blockdev --getsize64 {device}") == str(12 * GIB)
    blocks = "dumpe2fs -h $0 2>/dev/null | sed -n 's/^Block count: *//p'"
    assert machine.run(["sh", "-c", blocks, device]).stdout.strip() == str(10 * GIB // 4096)
    on(machine, f"e2fsck -fy {device} >/dev/null 2>&1; resize2fs {device} 2>/dev/null")
    assert machine.run(["sh", "-c", blocks, device]).stdout.strip() == str(12 * GIB // 4096)


def test_a_server_made_from_a_snapshot_has_the_disk_as_it_was(
    somebody: Customer, order: Callable[..., MachineSpot], grown: MachineSpot
) -> None:
    """Written files are there, deleted ones are not, and what came later is not; a system image has none of that."""
    one = order("snap-one")
    on(one, "echo mine >/root/kept; rm /etc/issue")
    image = somebody.ask("POST", f"/servers/{one.name}/actions/create_image", {"description": "kept"})["image"]
    on(one, "echo late >/root/kept")
    two = order("snap-two", image=image["id"])
    look = "cat /root/kept; test -e /etc/issue || echo no issue; cat /etc/hostname"
    assert on(two, look).splitlines() == ["mine", "no issue", "snap-two"]
    pid = one.leader_pid
    somebody.act(one, "rebuild", image=image["id"])
    until(lambda: one.leader_pid not in {None, pid} or None, 40, "another first process")
    one.wait_born()
    assert on(one, look).splitlines() == ["mine", "no issue", "snap-one"]
    assert grown.has("/etc/issue")
    assert not grown.has("/root/kept")
    somebody.ask("DELETE", f"/images/{image['id']}")

"""Volumes and images of virtual machines: SCSI disks that say of themselves what Hetzner's say."""

from __future__ import annotations

import asyncio
import os
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from qemu.qmp import QMPClient

from lab.client import until
from lab.machines.driver import Disk
from lab.machines.qemu_disks import grow, plug_in, pull_out, render_controller, render_disk, settle
from tests.machines.ordering import packed

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

GIB = 1 << 30


def on(machine: MachineSpot, script: str) -> str:
    """Return what a script says that must succeed."""
    done = machine.run(["sh", "-ec", script])
    assert done.returncode == 0, done
    return done.stdout.strip()


def test_a_disk_is_told_to_qemu_by_its_serial() -> None:
    """The name in /dev/disk/by-id is made of vendor, product and serial; a path with a comma is one path."""
    block, device = render_disk(Disk(volume_id=7, file=Path("/lab,1/7.raw"), size_bytes=10 * GIB))[1::2]
    assert '"filename": "/lab,1/7.raw"' in block
    assert '"vendor": "HC", "product": "Volume", "serial": "7"' in device


def gone(there: Callable[[Any], bool], what: object) -> bool | None:
    """Return true once something is not there."""
    return not there(what) or None


async def asked(qmp: QMPClient, command: str, of: str) -> list[object]:
    """Return one field of each thing that QEMU's monitor names."""
    found = await qmp.execute(command)
    assert isinstance(found, list)
    return [one[of] for one in found]


@pytest.mark.lab
@pytest.mark.vm
def test_qemu_takes_disks_while_it_runs(tmp_path: Path) -> None:
    """Plugged in, grown, pulled out, plugged in again; what changed at birth is made good. No guest is needed."""
    files = [tmp_path / f"{number}.raw" for number in (7, 8)]
    for file in files:
        file.touch()
        os.truncate(file, GIB)
    seven, eight = (Disk(volume_id=int(file.stem), file=file, size_bytes=GIB) for file in files)
    socket = tmp_path / "qmp"
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-S"]
    command += ["-m", "64M", "-accel", "tcg", *render_controller(), *render_disk(seven)]
    command += ["-qmp", f"unix:{socket},server=on,wait=off"]

    async def talk() -> None:
        qmp = QMPClient("test")
        await qmp.connect(str(socket))
        try:
            await settle(qmp, born_with=[seven], wanted=[eight])
            there = await asked(qmp, "query-named-block-nodes", "node-name")
            assert "volume8" in there
            assert "volume7" not in there
            os.truncate(eight.file, 2 * GIB)
            await grow(qmp, replace(eight, size_bytes=2 * GIB))
            await pull_out(qmp, eight)
            assert "volume8" not in await asked(qmp, "query-named-block-nodes", "node-name")
            await plug_in(qmp, seven)
            assert "volume7" in await asked(qmp, "query-named-block-nodes", "node-name")
        finally:
            await qmp.disconnect()

    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing) as qemu:
        try:
            until(lambda: socket.exists() or None, 20, "QEMU's monitor")
            asyncio.run(talk())
        finally:
            qemu.kill()


@pytest.mark.lab
@pytest.mark.vm
@pytest.mark.long
def test_a_volume_comes_and_goes_while_the_machine_runs(machine: MachineSpot, somebody: Customer, lab: Lab) -> None:
    """Hetzner's name, the kernel's own SCSI disk, what LUKS needs, more room, a power cut, and gone."""
    body = {"name": "data", "size": 10, "server": int(machine.name), "format": "ext4", "automount": True}
    volume = somebody.ask("POST", "/volumes", body)["volume"]
    device, folder = volume["linux_device"], f"/mnt/HC_Volume_{volume['id']}"
    until(lambda: machine.has(device) or None, 30, "the device")
    assert on(machine, f"readlink -f {device}").startswith("/dev/sd")
    assert on(machine, f"lsblk -ndo VENDOR,MODEL,SERIAL {device}").split() == ["HC", "Volume", str(volume["id"])]
    on(machine, "modprobe dm_crypt; test -c /dev/mapper/control")
    until(lambda: machine.run(["findmnt", folder]).returncode == 0 or None, 60, "mounted")
    on(machine, f"echo mine >{folder}/kept; sync {folder}/kept")
    somebody.ask("POST", f"/volumes/{volume['id']}/actions/resize", {"size": 12})
    until(lambda: on(machine, f"blockdev --getsize64 {device}") == str(12 * GIB) or None, 30, "the new size")
    on(machine, f"resize2fs {device} 2>&1")
    image = somebody.ask("POST", f"/servers/{machine.name}/actions/create_image")["image"]
    assert somebody.ask("GET", f"/images/{image['id']}")["image"]["status"] == "available"
    assert (lab.folder / f"run/images/{image['id']}/disk.qcow2").is_file()
    other = somebody.ask("POST", "/volumes", {"name": "x", "size": 10, "server": int(machine.name), "format": "xfs"})
    xfs = other["volume"]["linux_device"]
    until(lambda: machine.has(xfs) or None, 30, "the other device")
    on(machine, f"mount {xfs} /mnt; echo too >/mnt/kept; sync /mnt/kept")
    assert on(machine, "findmnt -no FSTYPE /mnt") == "xfs"
    pid = machine.leader_pid
    somebody.act(machine, "reset")
    until(lambda: machine.leader_pid not in {None, pid} or None, 30, "another process")
    machine.wait_born()
    assert on(machine, f"cat {folder}/kept") == "mine"
    assert on(machine, f"mount {xfs} /mnt; cat /mnt/kept") == "too"
    on(machine, "umount /mnt")
    for number, name in ((volume["id"], device), (other["volume"]["id"], xfs)):
        somebody.ask("POST", f"/volumes/{number}/actions/detach")
        until(partial(gone, machine.has, name), 30, "the device gone")
        somebody.ask("DELETE", f"/volumes/{number}")
        until(partial(gone, Path.exists, lab.folder / f"run/volumes/{number}.raw"), 20, "the file gone")
    somebody.ask("DELETE", f"/images/{image['id']}")


@pytest.mark.lab
@pytest.mark.vm
@pytest.mark.long
def test_a_virtual_machine_made_from_a_snapshot_has_the_disk_as_it_was(
    machine: MachineSpot, somebody: Customer
) -> None:
    """Another machine, with another id, name and host key: cloud-init knows it is new, and applies its user data."""
    on(machine, "echo mine >/root/snapped; sync /root/snapped /root")
    image = somebody.ask("POST", f"/servers/{machine.name}/actions/create_image", {"description": "kept"})["image"]
    on(machine, "echo late >/root/snapped")
    other = somebody.order("copied", packed("write_files:\n- path: /born2\n  content: anew\n"), image=image["id"])
    assert other.wait_born() == {"datasource": "DataSourceHetzner", "errors": []}
    assert on(other, "cat /root/snapped /born2; echo; cat /etc/hostname").split() == ["mine", "anew", "copied"]
    assert on(other, "cat /run/cloud-init/.instance-id") == other.name
    key = "cat /etc/ssh/ssh_host_ed25519_key.pub"
    assert on(other, key) != on(machine, key)
    assert on(machine, "cat /root/snapped") == "late"
    somebody.delete(other)
    somebody.ask("DELETE", f"/images/{image['id']}")

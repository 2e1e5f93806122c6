"""The volumes of a virtual machine: SCSI disks, as Hetzner's are, with the same name in `/dev/disk/by-id`.

udev makes `scsi-0HC_Volume_<id>` of the vendor, the model and the serial that a disk tells (scsi_id(8)).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qemu.qmp import QMPClient

    from lab.machines.driver import Disk

CONTROLLER: Final = "volumes"
GONE: Final = "DEVICE_DELETED"


def render_controller() -> list[str]:
    """Return the arguments that give a machine what volumes are plugged into."""
    return ["-device", f"virtio-scsi-pci,id={CONTROLLER}"]


def render_disk(disk: Disk) -> list[str]:
    """Return the arguments that plug a disk in at the start."""
    return ["-blockdev", json.dumps(block_of(disk)), "-device", json.dumps(device_of(disk))]


def block_of(disk: Disk) -> dict[str, Any]:
    """Return where QEMU finds a disk's content."""
    file = {"driver": "file", "filename": str(disk.file), "discard": "unmap"}
    return {"driver": "raw", "node-name": node_of(disk), "discard": "unmap", "file": file}


def device_of(disk: Disk) -> dict[str, Any]:
    """Return what the machine sees of a disk."""
    return {
        "driver": "scsi-hd",
        "id": node_of(disk),
        "bus": f"{CONTROLLER}.0",
        "drive": node_of(disk),
        "vendor": "HC",
        "product": "Volume",
        "serial": str(disk.volume_id),
    }


def node_of(disk: Disk) -> str:
    """Return QEMU's name of a disk."""
    return f"volume{disk.volume_id}"


async def plug_in(qmp: QMPClient, disk: Disk) -> None:
    """Plug a disk into a machine that runs."""
    await qmp.execute("blockdev-add", block_of(disk))
    await qmp.execute("device_add", device_of(disk))


async def grow(qmp: QMPClient, disk: Disk) -> None:
    """Tell a machine that runs that a disk is larger now."""
    await qmp.execute("block_resize", {"node-name": node_of(disk), "size": disk.size_bytes})


async def pull_out(qmp: QMPClient, disk: Disk) -> None:
    """Pull a disk out of a machine that runs, and return once QEMU has let go of its file."""
    with qmp.listener(GONE) as events:
        await qmp.execute("device_del", {"id": node_of(disk)})
        data: object = None
        while not (isinstance(data, dict) and data.get("device") == node_of(disk)):
            data = (await events.get())["data"]
    await qmp.execute("blockdev-del", {"node-name": node_of(disk)})


async def settle(qmp: QMPClient, *, born_with: Sequence[Disk], wanted: Sequence[Disk]) -> None:
    """Make good what changed between the making of a machine's command line and the first word with it."""
    for disk in set(born_with) - set(wanted):
        await pull_out(qmp, disk)
    for disk in wanted:
        if disk not in born_with:
            await plug_in(qmp, disk)

"""What is on a disk and how large it is: looked at before anything is written to it."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass

from cloud_init.host.commands import Command, Deadline, run
from cloud_init.host.durable import read_json
from cloud_init.host.faults import Refused

TOLD = "/etc/farshore/data"
BY_ID = "/dev/disk/by-id/scsi-0HC_Volume_"
MAPPED_NAME = "farshore-data"
MAPPED = f"/dev/mapper/{MAPPED_NAME}"
LABEL = "farshore"
GIB = 1 << 30
_EDGE_BYTES = 1 << 20
_SEEN_WITHIN_S = 120.0  # a new server may be up before its volume is attached
_NOTHING = 2  # blkid(8), as is that of several answers
_SUPERBLOCK = 1024  # ext4: fs/ext4/ext4.h, struct ext4_super_block


@dataclass(frozen=True)
class Disk:
    """A volume as this host was told of it.

    Args:
        number: The provider's.
        mount: Where it belongs.
        size_gb: That it has at least.
        encrypted: By LUKS.
    """

    number: str
    mount: str
    size_gb: int
    encrypted: bool

    @property
    def path(self) -> str:
        """Return its name, which the provider gives it."""
        return BY_ID + self.number

    @property
    def where(self) -> str:
        """Return what its messages begin with."""
        return f"data volume {self.number}"


def read_told() -> Disk:
    """Return the volume that this host was told of."""
    told = read_json(TOLD)
    return Disk(str(told["volume"]), str(told["mount"]), int(told["size_gb"]), told["encrypted"] is True)


def await_disk(disk: Disk) -> None:
    """Return once it is plugged in.

    Raises:
        Refused: It is not, for too long.
    """
    until = time.monotonic() + _SEEN_WITHIN_S
    while not os.path.exists(disk.path):
        if time.monotonic() > until:
            raise Refused([f"{disk.where}: not plugged in, allowed: attached to this server; attach it, then reboot"])
        time.sleep(0.2)


def signs_of(device: str, deadline: Deadline) -> dict[str, str]:
    """Return what blkid(8) finds on a device: TYPE, LABEL, PTTYPE and the like; empty where it finds nothing.

    Raises:
        Refused: It finds more than one thing, or can't look.
    """
    said = run(Command("", ("blkid", "-p", "-o", "export", device)), deadline)
    if said.code == _NOTHING and not said.out:
        return {}
    if said.code != 0:
        raise Refused([f"{device}: {said.err.strip()[:200] or 'several signs at once'}, allowed: one filesystem"])
    found = dict(line.split("=", 1) for line in said.out.splitlines() if "=" in line)
    found.pop("DEVNAME", None)
    return found


def is_blank(device: str, deadline: Deadline) -> bool:
    """Tell whether a device was never written to: no sign of anything, and zeros at both its ends."""
    if signs_of(device, deadline):
        return False
    size = size_of(device)
    with open(device, "rb", buffering=0) as file:
        edges = [os.pread(file.fileno(), _EDGE_BYTES, at) for at in (0, max(0, size - _EDGE_BYTES))]
    return size > 0 and not any(any(edge) for edge in edges)


def size_of(device: str) -> int:
    """Return the size of a device in bytes."""
    with open(device, "rb", buffering=0) as file:
        return os.lseek(file.fileno(), 0, os.SEEK_END)


def filesystem_size(device: str) -> int:
    """Return how much of a device its ext4 takes, in bytes."""
    with open(device, "rb", buffering=0) as file:
        block = os.pread(file.fileno(), 1024, _SUPERBLOCK)
    low, shift, high = (struct.unpack_from("<I", block, at)[0] for at in (4, 24, 0x150))
    return int((high << 32 | low) << 10 + shift)


def is_mounted(mount: str, device: str) -> bool:
    """Tell whether a device, and no other, is what is seen in a place."""
    try:
        return os.stat(mount).st_dev == os.stat(device).st_rdev and os.path.ismount(mount)
    except OSError:
        return False

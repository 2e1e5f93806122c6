"""A host's data volume: `open` before it is mounted, `grow` while it is, `close` when the host goes down."""

from __future__ import annotations

import os
import sys
import time

from cloud_init.host.commands import Command, Deadline, run
from cloud_init.host.disk import (
    GIB,
    MAPPED,
    MAPPED_NAME,
    Disk,
    await_disk,
    filesystem_size,
    is_mounted,
    read_told,
    size_of,
)
from cloud_init.host.durable import remove_file, write_file
from cloud_init.host.faults import Refused
from cloud_init.host.format import DATA_KEY, do, prepare

REFUSED = "/run/farshore-data-refused"
_OPEN_WITHIN_S = 840.0
_GROW_WITHIN_S = 90.0
_GROWN_WITHIN_S = 30.0
_MENDED = {0, 1, 2}  # fsck(8): nothing wrong; mended; mended, reboot if it were mounted
_NO_RIGHT = "Permission denied to resize filesystem"  # resize2fs(8), of a kernel that gives no CAP_SYS_RESOURCE


def tend(words: list[str]) -> int:
    """Run one verb, and return what the process ends with."""
    os.umask(0o077)
    verbs = {"open": open_disk, "grow": grow_disk, "close": close_disk}
    if len(words) != 1 or words[0] not in verbs:
        print("data: other words, allowed: open, grow, close", file=sys.stderr)
        return 2
    try:
        verbs[words[0]](read_told())
    except Refused as refused:
        said = "\n".join(refused.faults)
    except OSError as error:
        said = f"data: {error.strerror}, allowed: a volume that can be read; see this host's journal"
    else:
        remove_file(REFUSED)
        return 0
    write_file(REFUSED, said + "\n", 0o644)
    print(said, file=sys.stderr)
    return 1


def open_disk(disk: Disk) -> None:
    """Have it ready to be mounted: plugged in, ours, unlocked, sound, and as large as its disk."""
    deadline = Deadline(_OPEN_WITHIN_S)
    await_disk(disk)
    device = prepare(disk, deadline)
    if not is_mounted(disk.mount, device):
        _check(disk, device, deadline, thoroughly=False)
        if size_of(device) - filesystem_size(device) >= GIB:
            _check(disk, device, deadline, thoroughly=True)
            do(Command(f"{disk.where}: grown", ("resize2fs", device), within_s=600), deadline)
    print(f"{disk.where}: ready for {disk.mount}")


def grow_disk(disk: Disk) -> None:
    """Have a mounted one as large as its disk."""
    deadline = Deadline(_GROW_WITHIN_S)
    until = time.monotonic() + _GROWN_WITHIN_S
    while size_of(disk.path) < disk.size_gb * GIB:
        if time.monotonic() > until:
            found = f"{size_of(disk.path) // GIB} GiB"
            raise Refused([f"{disk.where}: {found}, allowed: {disk.size_gb}; see whether its provider has resized it"])
        time.sleep(0.2)
    if disk.encrypted:
        words = ("/usr/sbin/cryptsetup", "resize", "--key-file", DATA_KEY, MAPPED_NAME)
        do(Command(f"{disk.where}: its clear side is as large as it", words), deadline)
    said = run(Command("", ("resize2fs", MAPPED if disk.encrypted else disk.path), within_s=60), deadline)
    if _NO_RIGHT in said.err:
        print(f"{disk.where}: this kernel lets no mounted one grow; it grows at the next boot")
    elif said.code != 0:
        raise Refused([f"{disk.where}: resize2fs: {said.err.strip()[-200:]}, allowed: grown; see this host's journal"])
    else:
        print(f"{disk.where}: as large as its disk")


def close_disk(disk: Disk) -> None:
    """Lock it; whoever still uses it keeps it open until the machine is off."""
    if disk.encrypted and os.path.exists(MAPPED):
        do(Command(f"{disk.where}: locked", ("/usr/sbin/cryptsetup", "close", MAPPED_NAME)), Deadline(50))


def _check(disk: Disk, device: str, deadline: Deadline, *, thoroughly: bool) -> None:
    words = ("e2fsck", "-p", *(["-f"] if thoroughly else []), device)
    said = run(Command("", words, within_s=600), deadline)
    if said.code not in _MENDED:
        words_of = said.out.strip().split("\n")[-1][:200]
        raise Refused([f"{disk.where}: e2fsck: {words_of}, allowed: sound; mend it by hand (e2fsck {device})"])


if __name__ == "__main__":
    sys.exit(tend(sys.argv[1:]))

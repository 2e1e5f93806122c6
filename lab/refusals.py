"""What keeps a lab from starting: all of it looked at before anything is made."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cgroups import CgroupError, cgroup_root
from lab.cloud.server import listening_socket
from lab.registry import RefusalError

if TYPE_CHECKING:
    import socket

TUN = Path("/dev/net/tun")
LOOP = Path("/dev/loop-control")
PROGRAMS = (
    "apt-config",
    "apt-ftparchive",
    "apt-get",
    "dnsmasq",
    "gpg",
    "mke2fs",
    "mkfs.xfs",
    "mmdebstrap",
    "mount",
    "nft",
    "nsenter",
    "setpriv",
    "systemd-nspawn",
    "unshare",
    "wireguard-go",
)
VIRTUAL_PROGRAMS = ("lz4", "qemu-img", "qemu-system-x86_64", "zstd")


def check_user(user_id: int | None = None) -> None:
    """Refuse anybody but root."""
    found = os.geteuid() if user_id is None else user_id
    if found != 0:
        raise RefusalError(f"user id: {found}, allowed: 0 (namespaces and mounts are root's); run it with sudo")


def check_tun(device: Path = TUN) -> None:
    """Refuse a machine without TUN devices: WireGuard in user space is made of them."""
    if not (device.exists() and stat.S_ISCHR(device.stat().st_mode)):
        raise RefusalError(f"{device}: not found, allowed: a character device; run: modprobe tun")


def check_loop(device: Path = LOOP) -> None:
    """Refuse a machine without loop devices: each machine's disk is a file."""
    if not (device.exists() and stat.S_ISCHR(device.stat().st_mode)):
        raise RefusalError(f"{device}: not found, allowed: a character device; run: modprobe loop")


def check_programs(programs: tuple[str, ...] = PROGRAMS, *, remedy: str = "./setup") -> None:
    """Refuse a machine without the programs that a lab starts; `remedy` is the command that installs them."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        raise RefusalError(f"programs: {', '.join(missing)} not found, allowed: all installed; run: {remedy}")


def check_cgroups() -> None:
    """Refuse a machine without control groups of version 2."""
    try:
        cgroup_root()
    except CgroupError as error:
        raise RefusalError(str(error)) from error


def take_port(port: int) -> socket.socket:
    """Return a socket that listens on the loopback interface.

    Raises:
        RefusalError: Somebody else listens there.
    """
    try:
        return listening_socket(port)
    except OSError as error:
        # Python's own text repeats where it tried to bind.
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise RefusalError(f"port: {port} ({reason}), allowed: a free one, or 0 to have one chosen") from error


def check_machine(*, virtual: bool = False) -> None:
    """Refuse a machine that can't carry a world; the first reason found is said.

    Args:
        virtual: Whether the lab's machines are virtual ones.

    Raises:
        RefusalError: With one message that names what was found, what is allowed and the remedy.
    """
    check_user()
    check_tun()
    check_programs()
    if virtual:
        check_programs(VIRTUAL_PROGRAMS, remedy="./setup vm")
    else:
        check_loop()
    check_cgroups()

"""Bring a deployment up: under systemd-nspawn from nothing, with virtual machines from a snapshot where one fits.

A snapshot is kept in the cache under a hash of all that it came from: the program, the lab, the stack file, the image
and QEMU. The first run makes it, which takes minutes without KVM; each later one stands it up in seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Final

from lab.machines import recipe
from lab.machines.image import cache_folder, ensure_image
from lab.machines.qemu_command import find_accelerator, render_makings
from lab.machines.qemu_image import ensure_virtual_image
from tests.first_light.deployed import ROOT, farshore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.lab import Machines

_ROOMS: Final = ("plan", "cloud_init", "components", "lab", "tools", "examples")
_FILES: Final = ("__main__.py", "Pulumi.yaml", "Pulumi.lab.yaml", "requirements.txt")
UP_ON_WITHIN_S: Final = {"nspawn": 400.0, "vm": 1200.0}


def up(name: str, machines: Machines, *more: str) -> str:
    """Deploy from nothing, and return what was said."""
    flags = ("--name", name, "--machines", machines, *more)
    done = farshore("lab", "up", *flags, within_s=UP_ON_WITHIN_S[machines])
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def provide(name: str, machines: Machines) -> str:
    """Have a deployment stand, by the fastest way that there is, and return what was said."""
    if machines == "nspawn":
        return up(name, machines)
    with _kept() as folder:
        if not folder.is_dir():
            said = up(name, machines)
            done = farshore("lab", "snapshot", "--name", name, str(folder))
            assert done.returncode == 0, done.stdout + done.stderr
            return said
        done = farshore("lab", "restore", "--name", name, str(folder))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


@contextlib.contextmanager
def _kept() -> Iterator[Path]:
    """Yield the folder of the snapshot of today's program, for this process alone; remove those of former ones."""
    folder = cache_folder().with_name("test-snapshots")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / _fingerprint()
        for other in folder.iterdir():
            if other.is_dir() and other != kept:
                shutil.rmtree(other)
        yield kept


def _fingerprint() -> str:
    image = ensure_image("fast")
    makings = render_makings(ensure_virtual_image(image, release=recipe.DEBIAN_12.codename), find_accelerator())
    whole = hashlib.sha256(json.dumps(makings).encode())
    rooms = [path for room in _ROOMS for path in sorted((ROOT / room).rglob("*")) if path.suffix != ".pyc"]
    for path in (*(ROOT / name for name in _FILES), *rooms):
        if path.is_file():
            whole.update(f"{path.relative_to(ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:16]

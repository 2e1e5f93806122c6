"""Hold one machine's disk: mount its root, make it this machine's, and keep the mounts as long as this lives.

A program of its own, started in a private mount namespace, and it refuses to run anywhere else. Everything it mounts
goes with the last process in the namespace, so nothing is ever left in the host's table.

    python -m lab.machines.prepare RUN_DIR DISK SERIAL SOURCE LAYER…     layers: the topmost first
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from lab.machines.guard import UnsafeTargetError, check_below, check_namespace, check_root
from lab.machines.nspawn_layer import SERIAL_FILE

STORE_GIB: Final = 3  # of holes: it takes what is written


def prepare(run_dir: Path, disk: Path, serial: int, layers: list[Path], *, source: Path | None = None) -> Path:
    """Mount a machine's root and return where.

    Args:
        run_dir: The lab's own folder; everything written to lies below it.
        disk: The machine's folder in it; what the machine writes is kept in `store`, a file system of its own.
        serial: The server's id.
        layers: Of the image, the topmost first.
        source: Folder with the `upper` of another machine, to begin with; None for an empty disk.

    Raises:
        UnsafeTargetError: Something could reach the host's own system.
    """
    check_namespace()
    disk = check_below(disk, run_dir)
    for layer in layers:
        if any(character in str(layer) for character in ":,\\"):
            raise UnsafeTargetError(f"layer: {str(layer)!r}, allowed: a path without ':', ',' and '\\'; move the cache")
    _mount("--make-rprivate", "/")
    if source is not None:
        source = check_below(source, run_dir)
    root, store = disk / "root", disk / "store"
    root.mkdir(exist_ok=True)
    _mount_store(disk / "store.ext4", store)
    if source is not None:
        _copy(source / "upper", store / "upper")
    lower = ":".join(str(layer) for layer in layers)
    options = f"lowerdir={lower},upperdir={store / 'upper'},workdir={store / 'work'}"
    _mount("-t", "overlay", "overlay", "-o", options, str(root))
    root = check_root(root, run_dir)
    (root / SERIAL_FILE).write_text(f"{serial}\n", encoding="ascii")
    _hide_the_host()
    return root


def _mount_store(file: Path, store: Path) -> None:
    """Mount a file system of the machine's own: it has an end, as a disk has, and the host's is not filled.

    It is a file with holes. Its loop device goes with the mount, and the mount with the last process in the namespace.
    """
    store.mkdir(exist_ok=True)
    if not file.exists():
        with file.open("xb") as fresh:
            fresh.truncate(STORE_GIB << 30)
        # No journal: a disk whose lab was killed is never mounted again.
        make = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", str(file)]
        subprocess.run(make, check=True, capture_output=True, text=True)
    _mount("-o", "loop,noatime", str(file), str(store))
    for name in ("upper", "work"):
        (store / name).mkdir(mode=0o755, exist_ok=True)  # upper's is the mode of the machine's own /


def _hide_the_host() -> None:
    """Give systemd-nspawn the /run and the control groups that it expects, whatever the host has.

    Other namespaces' files are let go of: a copy of their mounts would keep them alive.
    """
    subprocess.run(["sh", "-c", "umount -l /run/netns/* 2>/dev/null; true"], check=True)
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    Path("/run/systemd").mkdir()
    _mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")


def _copy(source: Path, target: Path) -> None:
    """Copy all in a folder with owners, holes and what the overlay has noted: deleted names, opaque folders."""
    command = ["cp", "--archive", "--reflink=auto", "--", f"{source}/.", str(target)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)


def main() -> None:
    """Prepare the root, say so, and sleep."""
    os.umask(0o022)
    run_dir, disk, serial, source, *layers = sys.argv[1:]
    begun_with = None if source == "-" else Path(source)
    try:
        prepare(Path(run_dir), Path(disk), int(serial), [Path(layer) for layer in layers], source=begun_with)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)}: {error.stderr}")
    except (UnsafeTargetError, OSError) as error:
        sys.exit(str(error))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    os.execvp("sleep", ["sleep", "infinity"])  # noqa: S606 - no shell is wanted; python's memory is given back


if __name__ == "__main__":
    main()

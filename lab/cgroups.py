"""Control groups: a name for a set of processes that none of them can leave, and one word that ends them all."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class CgroupError(Exception):
    """This machine has no cgroup v2 to use."""


def cgroup_root(mountinfo: Path = Path("/proc/self/mountinfo")) -> Path:
    """Return where cgroup v2 is mounted, be it the only one or beside v1."""
    for line in mountinfo.read_text(encoding="utf-8").splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.split()[0] == "cgroup2":
            return Path(fields.split()[4])
    raise CgroupError("cgroups: no cgroup2 mounted, allowed: one; run: mount -t cgroup2 cgroup2 /sys/fs/cgroup")


def make(path: Path) -> None:
    """Make a control group, if it is not there."""
    path.mkdir(parents=True, exist_ok=True)


def kill(path: Path) -> None:
    """Kill every process in a control group and below."""
    with contextlib.suppress(FileNotFoundError):
        (path / "cgroup.kill").write_text("1", encoding="ascii")


def is_empty(path: Path) -> bool:
    """Tell whether no process is left in a control group and below."""
    try:
        return "populated 0" in (path / "cgroup.events").read_text(encoding="ascii")
    except FileNotFoundError:
        return True


@contextlib.contextmanager
def frozen(path: Path, *, within_s: float = 10.0) -> Iterator[None]:
    """Let every process in a control group and below stand still meanwhile.

    Raises:
        TimeoutError: One of them does not.
    """
    (path / "cgroup.freeze").write_text("1", encoding="ascii")
    try:
        deadline = time.monotonic() + within_s
        while "frozen 1" not in (path / "cgroup.events").read_text(encoding="ascii"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: not frozen after {within_s} s")
            time.sleep(0.005)
        yield
    finally:
        (path / "cgroup.freeze").write_text("0", encoding="ascii")


def remove(path: Path, *, within_s: float = 10.0) -> None:
    """End whatever is in a control group and remove it with all below it.

    Raises:
        TimeoutError: A process in it does not die.
    """
    deadline = time.monotonic() + within_s
    while path.is_dir():
        kill(path)
        try:
            for folder in sorted((below for below in path.rglob("*") if below.is_dir()), reverse=True):
                folder.rmdir()
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:  # busy until the last of its processes is reaped
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path}: still has processes after {within_s} s") from error
            time.sleep(0.01)

"""Refuse to touch any root but a lab machine's own.

Preparing a machine's root means writing to `etc/` as root of the host: one wrong path and the host is rewritten.
Every program that does so asks here first. Only the standard library, so that such a program starts in 20 ms.
"""

from __future__ import annotations

import os
from pathlib import Path


class UnsafeTargetError(Exception):
    """A target that could be, or could reach, the host's own system."""


def check_namespace(proc: Path = Path("/proc")) -> None:
    """Refuse to go on in the host's mount namespace.

    That is PID 1's; where PID 1 does not let itself be asked, that of this process's oldest ancestor that does.

    Raises:
        UnsafeTargetError: This process shares the host's mount namespace, or can't tell.
    """
    own = _mount_namespace(proc, "self")
    ancestors = [namespace for pid in _ancestors(proc) if (namespace := _mount_namespace(proc, pid))]
    host = _mount_namespace(proc, "1") or (ancestors[-1] if ancestors else "")
    if not own or not host:
        raise UnsafeTargetError("mount namespace: unknown, allowed: a private one; give this process a readable /proc")
    if own == host:
        raise UnsafeTargetError(
            "mount namespace: the host's own, allowed: a private one; start this under unshare --mount"
        )


def _mount_namespace(proc: Path, pid: str) -> str:
    try:
        return os.readlink(proc / pid / "ns/mnt")  # noqa: PTH115 - a magic link: its text names the namespace
    except OSError:
        return ""


def _ancestors(proc: Path) -> list[str]:
    """Return the ids of this process's ancestors, the parent first."""
    pids: list[str] = []
    pid = "self"
    while pid not in {"0", "1"}:
        fields = (proc / pid / "status").read_text(encoding="utf-8").splitlines()
        pid = next(line.split()[1] for line in fields if line.startswith("PPid:"))
        pids.append(pid)
    return [pid for pid in pids if pid not in {"0", "1"}]


def check_below(target: Path, run_dir: Path) -> Path:
    """Return `target` with symbolic links resolved, if it lies below `run_dir`.

    Raises:
        UnsafeTargetError: A path is relative, has a `..`, is the run directory itself, or leads outside of it.
    """
    for name, path in (("target", target), ("run directory", run_dir)):
        if not path.is_absolute() or ".." in path.parts:
            raise UnsafeTargetError(f"{name}: {str(path)!r}, allowed: an absolute path without '..'; give it in full")
    resolved, below = target.resolve(), run_dir.resolve()
    if len(below.parts) < 3:  # "/" and its children hold the host itself
        raise UnsafeTargetError(
            f"run directory: {str(below)!r}, allowed: at least two levels deep; choose a deeper one"
        )
    if below not in resolved.parents:
        raise UnsafeTargetError(f"target: {str(resolved)!r}, allowed: below {str(below)!r}; give a path of this lab")
    if same_directory(resolved, Path("/")):
        raise UnsafeTargetError(f"target: {str(resolved)!r} is '/', allowed: any other; look for a stray bind mount")
    return resolved


def check_root(target: Path, run_dir: Path) -> Path:
    """Return `target` resolved, if it holds a Debian root that is not the host's.

    Raises:
        UnsafeTargetError: As `check_below`, or the target is no Debian root.
    """
    resolved = check_below(target, run_dir)
    if not (resolved / "etc/debian_version").is_file():
        raise UnsafeTargetError(
            f"target: {str(resolved)!r} has no etc/debian_version, allowed: a Debian root; build the image first"
        )
    if same_directory(resolved / "etc", Path("/etc")):
        raise UnsafeTargetError(
            f"target: {str(resolved)!r} has the host's own etc, allowed: its own; look for a bind mount"
        )
    return resolved


def same_directory(one: Path, other: Path) -> bool:
    """Tell whether two paths are one directory, by device and inode."""
    if not one.exists():
        return False
    first, second = one.stat(), other.stat()
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)

"""The steps of a build, and how a build speaks to the lab that has started it.

One JSON object comes on standard input; out go one line for each phase on standard output and, when it fails, one
line of reason on standard error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from lab.machines.guard import UnsafeTargetError

if TYPE_CHECKING:
    from collections.abc import Callable

_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "DEBIAN_FRONTEND": "noninteractive",
    "LC_ALL": "C.UTF-8",
}


class BuildError(Exception):
    """A step of the build failed; the text says which and why."""


def run_step(command: list[str], given: str = "") -> None:
    """Run a program to its end.

    Raises:
        BuildError: It failed; the text has the line that tells most.
    """
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=_environment())
    if done.returncode:
        said = telling(done.stdout, done.stderr)
        raise BuildError(f"{command[0]} failed (exit {done.returncode}): {said}")


def telling(stdout: str, stderr: str) -> str:
    """Return what tells most of a failure: a full disk, dpkg's error before apt's word that it had one, the last line.

    dpkg's own takes two lines: what it was about, and why.
    """
    lines = [line.strip() for line in f"{stdout}\n{stderr}".splitlines() if line.strip()]
    for mark in ("No space left", "dpkg: error", "dpkg-deb: error", "E:"):
        found = [number for number, line in enumerate(lines) if mark in line]
        if found:
            return " ".join(lines[found[-1] : found[-1] + 1 + lines[found[-1]].endswith(":")])
    return lines[-1] if lines else "no output"


def _environment() -> dict[str, str]:
    proxies = {name: os.environ[name] for name in ("http_proxy", "https_proxy", "no_proxy") if name in os.environ}
    return {**_ENVIRONMENT, **proxies, "TMPDIR": os.environ.get("TMPDIR", "/tmp")}  # noqa: S108 - the usual default


def enter_phase(name: str) -> None:
    """Tell the lab what is done next."""
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()


def build_as_asked(build: Callable[[dict[str, Any]], None]) -> int:
    """Build what standard input asks for; return the exit code."""
    os.umask(0o022)  # the modes of new folders are the image's
    try:
        build(json.load(sys.stdin))
    except (BuildError, UnsafeTargetError, OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0

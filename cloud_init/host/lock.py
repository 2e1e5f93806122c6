"""One at a time: whoever changes the host holds a lock, and says who it is."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from cloud_init.host.faults import Refused
from cloud_init.host.places import LOCK

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def only_one(verb: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock.

    Args:
        verb: What is being done.
        wait_s: How long to wait for whoever holds it.

    Raises:
        Refused: Somebody else holds it.
    """
    fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until_s = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    holder = os.pread(fd, 100, 0).decode("ascii", "replace").strip() or "somebody"
                    raise Refused([f"farshore-host: {holder} is at it, allowed: one at a time; try again"]) from None
                time.sleep(0.1)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{verb} (process {os.getpid()})".encode("ascii"), 0)
        yield
    finally:
        os.close(fd)

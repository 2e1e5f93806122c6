"""A file as a block device of this machine's kernel, for as long as somebody holds it open.

The kernel lets go of it by itself with its last user (`LO_FLAGS_AUTOCLEAR`), so a lab that is killed leaves none.
Source: linux/loop.h, loop(4).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

_GET_FREE: Final = 0x4C82
_CONFIGURE: Final = 0x4C0A
_SET_CAPACITY: Final = 0x4C07
_AUTOCLEAR: Final = 4
# struct loop_config: the file, the block size (0: the kernel's choice), struct loop_info64, eight reserved words.
# Of the 232 bytes of loop_info64 only `lo_flags`, at byte 52, is set.
_CONFIG: Final = struct.Struct("=II52xI176x64x")
_TRIES: Final = 100
_CONTROL: Final = Path("/dev/loop-control")


class NoLoopError(Exception):
    """This machine has no loop device to give."""


class LoopDevice:
    """A block device over a file, open from here until `close`.

    Args:
        file: What it shows; it is as large as the file.

    Raises:
        NoLoopError: There is none to be had.
    """

    def __init__(self, file: Path) -> None:
        backing = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        try:
            self._device = _take_one(backing)
        except OSError as error:
            raise NoLoopError(
                f"loop device: {error.strerror}, allowed: a free one; a lab with volumes needs {_CONTROL}"
            ) from error
        finally:
            os.close(backing)

    @property
    def number(self) -> int:
        """The kernel's number of the device."""
        return os.fstat(self._device).st_rdev

    def grow(self) -> None:
        """Take note that the file is larger now."""
        fcntl.ioctl(self._device, _SET_CAPACITY, 0)

    def close(self) -> None:
        """Let go; it is gone as soon as no mount and no process has it."""
        os.close(self._device)


def _take_one(backing: int) -> int:
    """Return a device that was free; somebody else may take it first, so again with the next."""
    last: OSError | None = None
    for _ in range(_TRIES):
        control = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
        try:
            number = fcntl.ioctl(control, _GET_FREE)
        finally:
            os.close(control)
        device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.ioctl(device, _CONFIGURE, _CONFIG.pack(backing, 0, _AUTOCLEAR))
        except OSError as error:
            os.close(device)
            if error.errno != errno.EBUSY:
                raise
            last = error
        else:
            return device
    assert last is not None
    raise last


_FS_SHUTDOWN: Final = 0x8004587D
_NO_LOG_FLUSH: Final = struct.pack("=I", 2)


def shut_down_filesystem(mounted_at: Path) -> None:
    """Make a mounted filesystem fail from now on, as it does when its disk is pulled out: nothing more is written.

    Source: linux/fs.h FS_IOC_SHUTDOWN; ext4 and xfs have it, others are left as they are.
    """
    with contextlib.suppress(OSError):
        folder = os.open(mounted_at, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(folder, _FS_SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(folder)

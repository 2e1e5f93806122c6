"""How fast this machine's time stamp counter runs: that of an emulated processor runs with it, and its kernel is told.

Left to itself the kernel measures it against an emulated timer, in some 50 ms. Where cores are busy it got a fourth of
the truth: the machine's clock ran four times too fast from then on, and what it allows to take 90 s got 22.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import platform
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_READ_COUNTER: Final = bytes.fromhex("0f31 48c1e220 4809d0 c3")  # rdtsc; shl rdx, 32; or rax, rdx; ret
_OVER_S: Final = 0.2
_LOOKS: Final = 50


@functools.cache
def measure_counter_khz() -> int:
    """Return the frequency of this machine's time stamp counter in kHz, right to a few parts in a million.

    0 where there is none to be read: then the kernel has to find out.
    """
    if platform.machine() != "x86_64":
        return 0
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(_READ_COUNTER)
        first_byte = ctypes.c_char.from_buffer(page)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(first_byte))
        begun_ticks, begun_ns = _look(read)
        time.sleep(_OVER_S)
        ended_ticks, ended_ns = _look(read)
        del read, first_byte  # else the page could not be let go of
    return round((ended_ticks - begun_ticks) * 1_000_000 / (ended_ns - begun_ns))


def _look(read: Callable[[], int]) -> tuple[int, int]:
    """Return counter and clock (ns) of one moment: the look, of many, that was interrupted least."""
    looks = []
    for _ in range(_LOOKS):
        before_ns = time.monotonic_ns()
        ticks = read()
        after_ns = time.monotonic_ns()
        looks.append((after_ns - before_ns, ticks, (before_ns + after_ns) // 2))
    _, ticks, at_ns = min(looks)
    return ticks, at_ns

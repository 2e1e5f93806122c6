"""A slow wire: what comes out of one TUN device goes into the other one, later, or never. For kernels without netem.

A program of its own, in the router's namespace; only the standard library, so that it starts in 20 ms. It makes both
devices, and they go with it.

    python -m lab.faults.wire FIRST SECOND

Standard input takes lines. A JSON object says how slow from now on: `latency_ms`, `jitter_ms`, `loss_ratio`,
`rate_mbit`, `reorder_ratio`. `end` ends it when nothing is on its way any more, and so does, at once, the end of the
input: whoever started it is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time
from dataclasses import dataclass, field

_TUNSETIFF = 0x400454CA
_TUN_NO_PI = 0x1001
_AT_ONCE = 64  # packets read from one device before the other's turn
_LARGEST_BYTES = 1 << 16
QUEUE_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How slow; as in `lab.faults.model.Slow`."""

    latency_ms: float = 0
    jitter_ms: float = 0
    loss_ratio: float = 0
    rate_mbit: float = 0
    reorder_ratio: float = 0


@dataclass
class Way:
    """One direction: says when a packet arrives.

    Args:
        chance: Where luck comes from.
    """

    chance: random.Random
    _free_at: float = field(default=0.0, init=False)
    _last_at: float = field(default=0.0, init=False)

    def arrival(self, length_bytes: int, now_s: float, pace: Pace) -> float | None:
        """Return when a packet of this length gets there that leaves now; None if it is lost."""
        if pace.loss_ratio and self.chance.random() < pace.loss_ratio:
            return None
        sent_at = now_s
        if pace.rate_mbit:
            begins_at = max(now_s, self._free_at)
            if begins_at - now_s > QUEUE_S:
                return None
            sent_at = self._free_at = begins_at + length_bytes * 8 / (pace.rate_mbit * 1e6)
        if pace.reorder_ratio and self.chance.random() < pace.reorder_ratio:
            return sent_at
        delay_ms = pace.latency_ms + self.chance.uniform(-pace.jitter_ms, pace.jitter_ms)
        self._last_at = max(self._last_at, sent_at + max(delay_ms, 0) / 1000)
        return self._last_at


def open_tun(name: str) -> int:
    """Make a TUN device and return its descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_NO_PI))
    return device


class Wire:
    """The wire.

    Args:
        devices: Descriptors of its ends.
        commands: Where its lines come from.
    """

    def __init__(self, devices: tuple[int, int], commands: int) -> None:
        self._devices = devices
        self._commands = commands
        self._pace = Pace()
        chance = random.Random()  # noqa: S311 - nobody is to be kept from guessing which packets are lost
        self._ways = (Way(chance), Way(chance))
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self._ending = False
        self._line = b""

    def run(self) -> None:
        """Carry packets until told to end."""
        watched = [*self._devices, self._commands]
        while True:
            waiting_s = 0.0 if self._ending else None
            if self._under_way:
                waiting_s = max(0.0, self._under_way[0][0] - time.monotonic())
            ready = select.select(watched, [], [], waiting_s)[0]
            if self._ending and not ready and not self._under_way:
                return
            if self._commands in ready and not self._obey():
                return
            for number, device in enumerate(self._devices):
                if device in ready:
                    self._take(number)
            self._deliver()

    def _take(self, number: int) -> None:
        way, now_s = self._ways[number], time.monotonic()
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self._devices[number], _LARGEST_BYTES)
            except OSError:  # nothing more, or the device is not up yet
                return
            arrives_at = way.arrival(len(packet), now_s, self._pace)
            if arrives_at is not None:
                self._count += 1
                heapq.heappush(self._under_way, (arrives_at, self._count, number, packet))

    def _deliver(self) -> None:
        now_s = time.monotonic()
        while self._under_way and self._under_way[0][0] <= now_s:
            _, _, number, packet = heapq.heappop(self._under_way)
            with contextlib.suppress(OSError):  # a full queue, or a device that is down: lost, as on a wire
                os.write(self._devices[1 - number], packet)

    def _obey(self) -> bool:
        """Take what comes on standard input; return whether there is anybody left who gives orders."""
        given = os.read(self._commands, 1 << 16)
        *lines, self._line = (self._line + given).split(b"\n")
        for line in lines:
            if line == b"end":
                self._ending = True
            else:
                self._pace = Pace(**json.loads(line))
        return bool(given)


def main() -> None:
    """Make the devices, say so, and carry packets."""
    first, second = (open_tun(name) for name in sys.argv[1:])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    Wire((first, second), sys.stdin.fileno()).run()


if __name__ == "__main__":
    main()

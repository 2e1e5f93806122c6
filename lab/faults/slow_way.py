"""A slow way between two ends: a wire beside the router, and the routes that lead marked packets through it.

The cables of hosts and places stay plugged in: what changes is where the router sends a packet. So nothing on a host
restarts, and connections outlive the fault's beginning, its changes and its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyroute2.netlink.exceptions import NetlinkError

from lab.internet import addresses
from lab.internet.links import add_route, index_of
from lab.internet.namespace import configure, set_sysctls
from lab.launch import Setting, end

if TYPE_CHECKING:
    from lab.faults.model import Slow
    from lab.internet.site import Ground

# No site packages: it starts in 20 ms.
_WIRE: Final = (sys.executable, "-E", "-S", "-m", "lab.faults.wire")
_PROJECT: Final = Path(__file__).parents[2]
_FIRST_TABLE: Final = 1000  # of the routing tables that the ways have; their marks are the same numbers
_FAMILIES: Final = (2, 10)  # AF_INET, AF_INET6
_PACE: Final = ("latency_ms", "jitter_ms", "loss_ratio", "rate_mbit", "reorder_ratio")
_DRAINED_WITHIN_S: Final = 25.0  # the slowest wire has 10 s and as much jitter


class SlowWay:
    """One way, from `start` to `stop`.

    Args:
        ground: The lab's; the wire is in its control group, and its devices in the router's namespace.
        number: Tells it from the lab's other ways; from 0 to 999.
    """

    def __init__(self, ground: Ground, number: int) -> None:
        self._ground = ground
        self.number = number
        self.devices = (f"w{number}a", f"w{number}b")
        self.onward = _FIRST_TABLE + 2 * number
        self.back = self.onward + 1
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, pace: Slow) -> None:
        """Make the wire and its routes; nothing takes them before it is marked.

        Raises:
            RuntimeError: The wire ended at once.
        """
        setting = Setting(cgroup=self._ground.cgroup, namespace=self._ground.inet)
        with (self._ground.folder / "wire.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *setting.command([*_WIRE, *self.devices]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=_PROJECT,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        if await self._process.stdout.readline() != b"ready\n":
            await end(self._process)
            raise RuntimeError(f"slow wire {self.devices}: ended at once; see {self._ground.folder / 'wire.log'}")
        try:
            await self.change(pace)
            await asyncio.to_thread(self._lead)
        except BaseException:
            await self.stop(drain=False)
            raise

    async def change(self, pace: Slow) -> None:
        """Have packets that leave from now on take as long as this says."""
        await self._say(json.dumps({name: getattr(pace, name) for name in _PACE}))

    async def stop(self, *, drain: bool = True) -> None:
        """End the wire, when all that is on its way has arrived; nothing may be marked for it any more."""
        if self._process is None:
            return
        if drain:
            with contextlib.suppress(TimeoutError, ConnectionError):
                await self._say("end")
                await asyncio.wait_for(self._process.wait(), _DRAINED_WITHIN_S)
        await end(self._process)
        self._process = None
        await asyncio.to_thread(self._forget)

    async def _say(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    def _lead(self) -> None:
        quiet = {f"ipv6/conf/{device}/addr_gen_mode": "1" for device in self.devices}  # no address, no solicitations
        set_sysctls(self._ground.inet, quiet)

        def lead(netlink: Any) -> None:
            for device, table in zip(self.devices, (self.onward, self.back), strict=True):
                netlink.link("set", index=index_of(netlink, device), state="up", mtu=addresses.MTU_BYTES)
                for prefix in ("0.0.0.0/0", "::/0"):
                    add_route(netlink, prefix, device, table=table)
                for family in _FAMILIES:
                    netlink.rule("add", fwmark=table, table=table, priority=table, family=family)

        configure(self._ground.inet, lead)

    def _forget(self) -> None:
        """Remove the rules; the routes went with the devices."""

        def forget(netlink: Any) -> None:
            for table in (self.onward, self.back):
                for family in _FAMILIES:
                    with contextlib.suppress(NetlinkError):
                        netlink.rule("del", fwmark=table, table=table, priority=table, family=family)

        configure(self._ground.inet, forget)

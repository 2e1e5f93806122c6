"""Faults that are done inside a machine, by the lab's own way in: its disk, its clock, its own reboot."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.faults.model import FaultError
from lab.launch import Setting, end, launch
from lab.machines.driver import enter_command, login_command
from lab.machines.guard import same_directory
from lab.machines.nspawn_layer import SERIAL_FILE
from lab.machines.qemu_door import door_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.internet.site import Ground
    from lab.machines.driver import Driver, Leader

FILLING: Final = "/var/lib/lab-filling"
_ANSWERS_WITHIN_S: Final = 120.0  # a virtual machine that boots without KVM on busy cores
_RETRY_S: Final = 0.1
_BOOTS_WITHIN_S: Final = 10.0  # a program can fail in a machine's first moments
_REBOOTED_WITHIN_S: Final = 180.0

# Takes blocks without writing to them until root can write as much as $1 says, give or take 64 KiB; with 0 until the
# next block is refused. What the file system says is free has a part that nobody gets: a fiftieth, at most 4096 blocks
# (Linux, fs/ext4/super.c: ext4_calculate_resv_clusters). Others write meanwhile, hence the turns. A power cut that is
# next loses nothing of it.
_FILL: Final = f"""\
file={FILLING}; near=65536; turns=64
[ "$1" = 0 ] && near=1
touch $file && chmod 600 $file || exit 1
trap 'sync -f $file' EXIT
while [ $((turns -= 1)) -gt 0 ]; do
  set -- $1 $(stat -f -c '%f %b %S' /); kept=$(($3 / 50 < 4096 ? $3 / 50 : 4096))
  over=$((($2 - kept) * $4 - $1)); held=$(($(stat -c '%b * %B' $file)))
  [ $over -gt -$near ] && [ $over -lt $near ] && exit 0
  step=$((over / 4096 * 4096))
  if [ $over -lt 0 ]; then
    [ $held = 0 ] && exit 0
    truncate -s $((held + step > 0 ? held + step : 0)) $file
    continue
  fi
  truncate -s $held $file
  until [ $step -ge 4096 ] && fallocate -o $held -l $step $file 2>/dev/null; do
    step=$((step / 2 / 4096 * 4096)); [ $step -lt 4096 ] && exit 0
  done
done
exit 1
"""


class Inside:
    """The way into one machine.

    Args:
        ground: The lab's.
        name: The machine's, for errors.
        machine: The machine.
    """

    def __init__(self, ground: Ground, name: str, machine: Driver) -> None:
        self._ground = ground
        self._name = name
        self._machine = machine

    def check_power(self) -> Leader:
        """Return the machine's first process.

        Raises:
            FaultError: It is off.
        """
        leader = self._machine.leader
        if leader is None:
            raise FaultError(f"machine {self._name!r}: off, allowed: running; switch it on first")
        return leader

    async def fill_disk(self, free_bytes: int) -> None:
        """Leave so many bytes free for root."""
        await self._run(["sh", "-c", _FILL, "sh", str(free_bytes)])

    async def free_disk(self) -> None:
        """Give back what was filled."""
        await self._run(["sh", "-c", f"rm -f {FILLING} && sync -f /var/lib"])

    async def set_clock(self, skew_s: float) -> None:
        """Set the clock so many seconds ahead of this machine's.

        Raises:
            FaultError: It is no clock of its own.
        """
        if self._machine.door is None:
            raise FaultError(
                f"clock of {self._name!r}: the host's own (systemd-nspawn), allowed: a virtual machine's; "
                "start the lab with --machines vm"
            )
        await self._run(["date", f"--set=@{time.time() + skew_s:.3f}"])

    async def reboot(self) -> None:
        """Ask the machine to reboot, and return when its next boot has begun.

        Raises:
            FaultError: It has not in time.
        """
        former = self._machine.leader
        await self._run(["systemctl", "--no-block", "reboot"])
        deadline = asyncio.get_running_loop().time() + _REBOOTED_WITHIN_S
        while self._machine.leader in {None, former}:
            if asyncio.get_running_loop().time() > deadline:
                raise FaultError(f"machine {self._name!r}: no reboot within {_REBOOTED_WITHIN_S:.0f} s; try a reset")
            await asyncio.sleep(_RETRY_S)

    async def _run(self, program: Sequence[str]) -> None:
        """Run a program in the machine once it can run one."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _ANSWERS_WITHIN_S
        given_up_at = loop.time() + _BOOTS_WITHIN_S
        log = self._ground.folder / "inside.log"
        while loop.time() < deadline:
            leader = self.check_power()
            if self._is_itself(leader) and await self._ran(program, leader, log, deadline - loop.time()):
                return
            if leader == self._machine.leader and loop.time() > given_up_at:
                raise FaultError(f"machine {self._name!r}: {program[0]!r} failed in it; see {log}")
            await asyncio.sleep(_RETRY_S)
        raise FaultError(f"machine {self._name!r}: no answer within {_ANSWERS_WITHIN_S:.0f} s; look at its console")

    def _is_itself(self, leader: Leader) -> bool:
        """Tell whether a first process has the machine's own root: nothing is ever done in this machine's."""
        if self._machine.door is not None:
            return True
        try:
            return Path(f"/proc/{leader.pid}/root/{SERIAL_FILE}").is_file() and not same_directory(
                Path(f"/proc/{leader.pid}/root"), Path("/")
            )
        except OSError:
            return False

    async def _ran(self, program: Sequence[str], leader: Leader, log: Path, within_s: float) -> bool:
        door = self._machine.door
        command = enter_command(leader.pid, program) if door is None else door_command(door, login_command(program))
        # As somebody who watches the machine from outside: not in its control group, which its power cut kills.
        process = await launch(command, Setting(cgroup=self._ground.cgroup), output=log, stdout=subprocess.DEVNULL)
        try:
            return await asyncio.wait_for(process.wait(), max(within_s, _RETRY_S)) == 0
        except TimeoutError:
            return False
        finally:
            await end(process)

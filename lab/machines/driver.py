"""What the world asks of a machine, whatever makes it: systemd-nspawn, or QEMU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Leader:
    """The process that a machine ends with, as the host sees it: its PID 1, or the QEMU that it runs in.

    Args:
        pid: Its id.
        started: Its start time in the kernel's ticks; with the id it names the process for good.
    """

    pid: int
    started: int


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A volume that is plugged into a machine.

    Args:
        volume_id: Hetzner's id.
        file: What it holds, raw.
        size_bytes: Its size.
    """

    volume_id: int
    file: Path
    size_bytes: int

    @property
    def name(self) -> str:
        """Its name in `/dev/disk/by-id`, as Hetzner's `linux_device` has it."""
        return f"scsi-0HC_Volume_{self.volume_id}"


class MachineError(Exception):
    """A machine can't be made or booted; the text says why."""


class Driver(Protocol):
    """One machine. All of it is safe to ask for twice."""

    @property
    def console(self) -> Path:
        """File that the machine's console is written to."""

    @property
    def namespace(self) -> str:
        """Name of its network namespace, a new one after each boot; a virtual machine's cable ends in its site's."""

    @property
    def door(self) -> Path | None:
        """Folder of the ports through which programs are run in it; None if its namespaces can be entered."""

    @property
    def leader(self) -> Leader | None:
        """The process that it ends with, another one after each boot; None while it is off."""

    async def create_disk(self, source: Path | None = None) -> None:
        """Make the machine's disk; what the machine writes stays on it until `destroy`.

        Args:
            source: What `copy_disk` has made; None for the image that all machines boot from.
        """

    async def copy_disk(self, target: Path) -> None:
        """Copy the disk as it is at one moment into a folder, be the machine on or off: it stands still meanwhile."""

    async def attach(self, disk: Disk) -> None:
        """Plug a disk in, at once and at each boot, or take note that one is larger now."""

    async def detach(self, disk: Disk) -> None:
        """Pull a disk out, whatever the machine does with it."""

    async def boot(self) -> None:
        """Power on, and return when the machine's first process runs; reboots of its own are followed."""

    async def power_off(self) -> None:
        """Press the power button, and cut the power if the machine takes too long."""

    async def cut_power(self) -> None:
        """Stop everything at once, as a power cut does."""

    async def destroy(self) -> None:
        """Cut the power and remove the disk."""


class Lasting(Driver, Protocol):
    """A machine that can be saved while it runs, and that goes on from there."""

    @property
    def makings(self) -> dict[str, str]:
        """What it is made with, by name: a memory that was saved with another one of these is of no use to it."""

    async def pause(self) -> None:
        """Stand still, if it is on."""

    async def resume(self) -> None:
        """Go on, if it stands still."""

    async def set_clock(self) -> None:
        """Set its clock, which stood still with it, by this machine's."""

    async def save(self, folder: Path) -> None:
        """Write disk and memory of the machine, which stands still, into an empty folder."""

    async def load(self, folder: Path) -> None:
        """Make the machine as it was saved: off, or standing still."""


PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def enter_command(leader_pid: int, program: Sequence[str], *, user: str = "root") -> list[str]:
    """Return the command that runs a program inside a machine, with a login's environment and nothing of the host's.

    Args:
        leader_pid: The machine's PID 1 as the host sees it.
        program: The program and its arguments.
        user: Whose rights it has.
    """
    enter = ["nsenter", f"--target={leader_pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
    return [*enter, "--", *login_command(program, user=user)]


def login_command(program: Sequence[str], *, user: str = "root") -> list[str]:
    """Return the command that runs a program with a login's environment, for somebody who is root in the machine.

    Args:
        program: The program and its arguments.
        user: Whose rights it has.
    """
    clean = ["env", "-i", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8", "TERM=xterm"]
    become = [] if user == "root" else ["runuser", "--user", user, "--"]
    return [*clean, *become, *program]

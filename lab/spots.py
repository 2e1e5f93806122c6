"""Spots of a lab where programs can be run: places on the internet, and machines."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lab.internet.namespace import namespace_path
from lab.ledger import start_time
from lab.machines.driver import enter_command, login_command
from lab.machines.qemu_door import door_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")

BORN_WITHIN_S: Final = 90.0
VIRTUAL_BORN_WITHIN_S: Final = 420.0  # without KVM; two such machines side by side take half of it
ANSWERS_WITHIN_S: Final = 5.0  # a virtual machine in its first seconds does not
_RESULT: Final = "/run/cloud-init/result.json"


class LabError(Exception):
    """The lab is not there, or not as asked."""


def until(probe: Callable[[], T | None], within_s: float, what: str, *, every_s: float = 0.05) -> T:
    """Return the first answer of `probe` that is not None.

    Args:
        probe: Asked again and again.
        within_s: How long to go on asking on a quiet machine; as many times longer as its processors are asked for.
        what: What is waited for, for the error.
        every_s: Time between two questions.

    Raises:
        TimeoutError: There was none in time.
    """
    begun, busy = time.monotonic(), 1.0
    while (seen := probe()) is None:
        busy = max(busy, os.getloadavg()[0] / (os.cpu_count() or 1))
        if time.monotonic() > begun + within_s * busy:
            raise TimeoutError(f"{what}: not seen within {within_s * busy:.0f} s")
        time.sleep(every_s)
    return seen


class Spot:
    """Somewhere a program can be run."""

    def command(self, program: Sequence[str], *, user: str = "root") -> list[str]:
        """Return the command that runs a program there, to be run on this machine."""
        raise NotImplementedError

    def run(
        self,
        program: Sequence[str],
        *,
        user: str = "root",
        given: str = "",
        check: bool = False,
        within_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program there and return what it said.

        Args:
            program: The program and its arguments.
            user: Whose rights it has.
            given: Its standard input: the place for a secret.
            check: Whether to raise if it fails.
            within_s: When to end it.
        """
        return subprocess.run(
            self.command(program, user=user), input=given, check=check, timeout=within_s, capture_output=True, text=True
        )

    def start(self, program: Sequence[str], *, user: str = "root", output: Path | None = None) -> subprocess.Popen[str]:
        """Start a program there; the caller ends it."""
        with (output or Path(os.devnull)).open("ab") as target:
            return subprocess.Popen(
                self.command(program, user=user), stdin=subprocess.DEVNULL, stdout=target, stderr=target, text=True
            )


@dataclass(frozen=True, kw_only=True)
class PlaceSpot(Spot):
    """A place on the internet: this machine's programs and files, the place's addresses and resolver.

    Args:
        name: Of the place.
        namespace: Its network namespace.
        mounts_of: Process whose mount namespace has the lab's resolver in /etc.
    """

    name: str
    namespace: str
    mounts_of: int

    def command(self, program: Sequence[str], *, user: str = "root") -> list[str]:
        """Return the command that runs a program at the place, in the caller's folder."""
        enter = [f"--net={namespace_path(self.namespace)}", f"--mount=/proc/{self.mounts_of}/ns/mnt"]
        become = [] if user == "root" else ["runuser", "--user", user, "--"]
        return ["nsenter", *enter, f"--wdns={Path.cwd()}", "--", *become, *program]

    def network_command(self) -> list[str]:
        """Return what comes before a program of this machine that shall have the place's network and nothing else."""
        return ["nsenter", f"--net={namespace_path(self.namespace)}", "--"]


@dataclass(frozen=True, kw_only=True)
class MachineSpot(Spot):
    """A machine.

    Args:
        world: Tells where everything is; asked each time, since a machine's processes change with each boot.
        name: The server's name, or its id.
    """

    world: Callable[[], dict[str, Any]]
    name: str

    @property
    def entry(self) -> dict[str, Any]:
        """What the lab reports of the machine."""
        found = [m for m in self.world()["machines"] if self.name in {m["name"], str(m["server_id"])}]
        if len(found) != 1:
            known = ", ".join(sorted(f"{m['name']} ({m['server_id']})" for m in self.world()["machines"]))
            raise LabError(f"machine {self.name!r}: {len(found)} found, allowed: one of: {known or 'none yet'}")
        return dict(found[0])

    @property
    def leader_pid(self) -> int | None:
        """The process that the machine ends with (its PID 1, or QEMU's) as this machine sees it; None while off."""
        leader = self.entry["leader"]
        return leader["pid"] if leader and start_time(leader["pid"]) == leader["started"] else None

    @property
    def console(self) -> str:
        """What the machine has written on its console."""
        return Path(self.entry["console"]).read_text(encoding="utf-8", errors="replace")

    @property
    def door(self) -> Path | None:
        """Where programs are run in a virtual machine; None for one whose namespaces can be entered."""
        door = self.entry["door"]
        return Path(door) if door else None

    def command(self, program: Sequence[str], *, user: str = "root") -> list[str]:
        """Return the command that runs a program in the machine.

        Raises:
            LabError: It is off.
        """
        pid = self.leader_pid
        if pid is None:
            raise LabError(f"machine {self.name!r}: off, allowed: running; switch it on at the API")
        door = self.door
        if door is None:
            return enter_command(pid, program, user=user)
        return door_command(door, login_command(program, user=user))

    def shell_command(self) -> list[str]:
        """Return the command that opens a shell in the machine, on the caller's terminal.

        Raises:
            LabError: It is off.
        """
        program = ["bash", "--login"]
        door = self.door
        if door is None or self.leader_pid is None:
            return self.command(program)
        return door_command(door, login_command(program), kind="terminal")

    def has(self, path: str) -> bool:
        """Tell whether there is a file at an absolute path in the machine; not while it is off or does not answer."""
        with contextlib.suppress(LabError, OSError, subprocess.TimeoutExpired):
            if self.door is None:
                return Path(f"/proc/{self.leader_pid}/root{path}").exists()
            return self.run(["test", "-e", path], within_s=ANSWERS_WITHIN_S).returncode == 0
        return False

    def wait_born(self, within_s: float | None = None) -> dict[str, Any]:
        """Wait until cloud-init is done with this boot and return its result.

        Args:
            within_s: How long; None for what is enough on a busy machine of two cores.

        Raises:
            TimeoutError: It is not; the error has the end of the console.
        """
        if within_s is None:
            within_s = VIRTUAL_BORN_WITHIN_S if self.world()["virtual"] else BORN_WITHIN_S

        def result() -> dict[str, Any] | None:
            try:
                return dict(json.loads(self._read_result(within_s))["v1"])
            except (LabError, OSError, ValueError, subprocess.TimeoutExpired):
                return None

        try:
            return until(result, within_s, f"machine {self.name!r} born")
        except TimeoutError as error:
            try:
                tail = "\n".join(self.console.splitlines()[-15:])
            except LabError as missing:
                tail = str(missing)
            raise TimeoutError(f"{error}; its console ends:\n{tail}") from error

    def _read_result(self, within_s: float) -> str:
        """Return what cloud-init says of this boot: at once if it can be read from here, else once it is there."""
        if self.door is None:
            return Path(f"/proc/{self.leader_pid}/root{_RESULT}").read_text(encoding="utf-8")
        waiting = f"until cat {_RESULT} 2>/dev/null; do sleep 0.2; done"
        return self.run(["sh", "-c", waiting], within_s=within_s).stdout

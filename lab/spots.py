"""Spots of a lab where programs can be run: places on the internet, and machines."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lab.internet.namespace import namespace_path
from lab.ledger import start_time
from lab.machines.driver import enter_command

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class LabError(Exception):
    """The lab is not there, or not as asked."""


def until(probe: Callable[[], T | None], within_s: float, what: str, *, every_s: float = 0.05) -> T:
    """Return the first answer of `probe` that is not None.

    Args:
        probe: Asked again and again.
        within_s: How long to go on asking.
        what: What is waited for, for the error.
        every_s: Time between two questions.

    Raises:
        TimeoutError: There was none in time.
    """
    deadline = time.monotonic() + within_s
    while (seen := probe()) is None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not seen within {within_s} s")
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
        """The machine's PID 1 as this machine sees it; None while it is off."""
        leader = self.entry["leader"]
        return leader["pid"] if leader and start_time(leader["pid"]) == leader["started"] else None

    @property
    def console(self) -> str:
        """What the machine has written on its console."""
        return Path(self.entry["console"]).read_text(encoding="utf-8", errors="replace")

    def command(self, program: Sequence[str], *, user: str = "root") -> list[str]:
        """Return the command that runs a program in the machine.

        Raises:
            LabError: It is off.
        """
        pid = self.leader_pid
        if pid is None:
            raise LabError(f"machine {self.name!r}: off, allowed: running; switch it on at the API")
        return enter_command(pid, program, user=user)

    def wait_born(self, within_s: float = 90.0) -> dict[str, Any]:
        """Wait until cloud-init is done with this boot and return its result.

        Raises:
            TimeoutError: It is not; the error has the end of the console.
        """

        def result() -> dict[str, Any] | None:
            try:
                pid = self.leader_pid
                text = Path(f"/proc/{pid}/root/run/cloud-init/result.json").read_text(encoding="utf-8")
                return dict(json.loads(text)["v1"])
            except (LabError, OSError, ValueError):
                return None

        try:
            return until(result, within_s, f"machine {self.name!r} born")
        except TimeoutError as error:
            try:
                tail = "\n".join(self.console.splitlines()[-15:])
            except LabError as missing:
                tail = str(missing)
            raise TimeoutError(f"{error}; its console ends:\n{tail}") from error

"""A deployment at a cloud without machines, `farshore repair` beside it, and a person at a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hcloud import Client

from lab.client import until
from tools.repair_model import TYPES
from tools.workspace import STAND_IN, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.client import Lab

ROOT: Final = Path(__file__).parents[2]
FARSHORE: Final = ROOT / "bin" / "farshore"
STACK: Final = "mending"
WITHIN_S: Final = 400.0  # Pulumi's own command takes its time on a busy machine
ALL_WELL: Final = "state and accounts agree: nothing to repair\n"


@dataclass(frozen=True)
class Run:
    """What a command said, all of it, and how it ended."""

    code: int
    said: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One stack at a cloud.

    Args:
        cloud: Its accounts are `edge` and `vault`; the hidden host lives in the latter.
        work: Pulumi's side.
        engine: The command that deploys.
    """

    cloud: Lab
    work: Workspace
    engine: str

    @property
    def environment(self) -> dict[str, str]:
        """An operator's whose Pulumi is set up for this stack, with the engine first on PATH."""
        path = f"{Path(self.engine).parent}{os.pathsep}{os.environ['PATH']}"
        home = {"PULUMI_HOME": str(self.work.folder / "home")} if self.engine == str(STAND_IN) else {}
        return os.environ | self.work.environment | {"PATH": path} | home

    @property
    def where(self) -> list[str]:
        """The flags that name the stack."""
        return ["--stack", self.work.stack, "--config-file", str(self.work.stack_file)]

    def run(self, verb: str, *flags: str) -> Run:
        """Run a verb of the engine."""
        agreed = [] if verb == "preview" else ["--yes", "--skip-preview"]
        return self._run([self.engine, verb, *self.where, *agreed, "--non-interactive", *flags])

    def up(self, *flags: str) -> None:
        """Deploy, which has to work."""
        done = self.run("up", *flags)
        assert done.code == 0, done.said

    def stand(self) -> None:
        """Deploy unless all of it is there, and nothing else."""
        if [len(ids) for ids in self.ids().values()] != [1, 2, 1, 1] * 2:
            self.up("--refresh")

    def check_mended(self) -> None:
        """Check that the program has nothing to change, refreshed or not, and that repair says that all is well."""
        for flags in ((), ("--refresh",)):
            done = self.run("preview", "--expect-no-changes", *flags)
            assert done.code == 0, done.said
        assert self.repair() == Run(0, ALL_WELL)

    def repair(self, *flags: str) -> Run:
        """Run `farshore repair` without a terminal; nothing that it says may be secret."""
        done = self._run([str(FARSHORE), "repair", *self.where, *flags])
        self.check_silent(done.said)
        return done

    def repair_at_terminal(self, answer: str, *flags: str) -> Run:
        """Run `farshore repair` at a terminal and type an answer when it asks."""
        process, terminal = pty.fork()
        if process == 0:  # pragma: no cover - the child
            os.chdir(ROOT)
            os.execve(FARSHORE, [str(FARSHORE), "repair", *self.where, *flags], self.environment)  # noqa: S606
        said, asked = "", False
        deadline = time.monotonic() + WITHIN_S
        try:
            while time.monotonic() < deadline:
                ready, _, _ = select.select([terminal], [], [], 1.0)
                if not ready:
                    continue
                try:
                    read = os.read(terminal, 65536)
                except OSError:  # the other side is closed
                    break
                said += read.decode()
                if not asked and re.search(r"(\[y/N\]|stack's name \(\w+\)): $", said):
                    asked = True
                    os.write(terminal, f"{answer}\n".encode())
        finally:
            os.close(terminal)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGHUP)
            _, status = os.waitpid(process, 0)
        assert asked, said
        self.check_silent(said)
        return Run(os.waitstatus_to_exitcode(status), said)

    def start(self, verb: str) -> subprocess.Popen[bytes]:
        """Start a verb of the engine in a process group of its own."""
        return subprocess.Popen(
            [self.engine, verb, *self.where, "--yes", "--skip-preview", "--non-interactive"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def cancel(self) -> None:
        """Remove the lock of an engine that is dead."""
        self._run([self.engine, "cancel", "--yes", "--stack", self.work.stack], self.work.stack_file.parent)

    def lose(self, chosen: Callable[[Mapping[str, Any]], bool]) -> None:
        """Make the state forget some of its resources, as an older copy of it would."""
        state = self.export()
        rows = state["deployment"]["resources"]
        gone = {row["urn"] for row in rows if chosen(row)}
        kept = [row for row in rows if row["urn"] not in gone]
        for row in kept:
            row["dependencies"] = [urn for urn in row.get("dependencies") or () if urn not in gone]
            row["propertyDependencies"] = {
                name: [urn for urn in urns or () if urn not in gone]
                for name, urns in (row.get("propertyDependencies") or {}).items()
            }
        state["deployment"]["resources"] = kept
        self.take(state)

    def take(self, state: dict[str, Any]) -> None:
        """Put a state in the place of today's."""
        command = [self.engine, "stack", "import", "--force", "--stack", self.work.stack]
        done = self._run(command, self.work.stack_file.parent, json.dumps(state))
        assert done.code == 0, done.said

    def export(self, *flags: str) -> dict[str, Any]:
        """Return the state."""
        done = self._run(
            [self.engine, "stack", "export", "--stack", self.work.stack, *flags], self.work.stack_file.parent
        )
        assert done.code == 0, done.said
        state: dict[str, Any] = json.loads(done.said[done.said.index("{") : done.said.rindex("}") + 1])
        return state

    def ids(self) -> dict[str, list[int]]:
        """Return the ids of everything at both accounts, by account and kind."""
        return {
            f"{account} {kind}": sorted(thing.id for thing in self.door(kind, account).get_all())
            for account in self.cloud.tokens
            for kind in ("servers", "primary_ips", "firewalls", "ssh_keys")
        }

    def door(self, kind: str, account: str = "vault") -> Any:
        """Return Hetzner's own client for one kind in one account."""
        return getattr(Client(token=self.cloud.tokens[account], api_endpoint=self.cloud.endpoint), kind)

    def arm(self, **fault: Any) -> None:
        """Make the API go wrong: see lab/cloud/faults.py."""
        self.cloud.door.ask("POST", "faults", fault)

    def await_met(self) -> None:
        """Wait until every fault was met."""
        until(lambda: None if self.cloud.door.ask("GET", "faults") else True, WITHIN_S, "the fault met")

    def check_silent(self, said: str) -> None:
        """Check that nothing secret was said: no token, and no address of the hidden host."""
        for account, token in self.cloud.tokens.items():
            assert token not in said, f"the token of {account} was shown"
        for address in self.door("primary_ips").get_all():
            assert str(address.ip).removesuffix("::/64") not in said, "the hidden host's address was shown"

    def check_state_silent(self) -> None:
        """Check that the state has the hidden host's addresses nowhere in clear."""
        text = json.dumps(self.export())
        for address in self.door("primary_ips").get_all():
            assert str(address.ip).removesuffix("/64") not in text, "a hidden address stands in the state in clear"

    def _run(self, command: list[str], folder: Path = ROOT, given: str = "") -> Run:
        done = subprocess.run(
            command,
            cwd=folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        return Run(done.returncode, done.stdout + done.stderr)


def is_of_account(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of the state stands for an object at an account."""
    return row["type"] in TYPES

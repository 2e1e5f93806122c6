"""A deployment at a cloud without machines, whose API goes wrong on demand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.client import Lab
    from tools.workspace import Workspace

ROOT = Path(__file__).parents[2]
FARSHORE = ROOT / "bin" / "farshore"
KINDS = ("servers", "primary_ips", "firewalls", "ssh_keys")
HOSTS = {"edge": "falkenstein", "vault": "press"}
RUN_WITHIN_S = 120.0


@dataclass(frozen=True)
class Run:
    """What a command said, all of it, and how it ended."""

    code: int
    said: str


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One stack at a cloud.

    Args:
        cloud: Shared with other tests, which leave it empty.
        work: Pulumi's side.
    """

    cloud: Lab
    work: Workspace

    def engine(self, verb: str, *flags: str) -> Run:
        """Run a verb of the engine."""
        where = ["--stack", self.work.stack, "--config-file", str(self.work.stack_file), "--yes", "--skip-preview"]
        return self._run([self.work.engine, verb, *where, *flags], ROOT, self.work.environment)

    def up(self) -> None:
        """Deploy, which has to work."""
        done = self.engine("up")
        assert done.code == 0, done.said

    def repair(self, *flags: str) -> Run:
        """Run `farshore repair` as an operator whose Pulumi is set up for this stack."""
        where = ["--stack", self.work.stack, "--config-file", str(self.work.stack_file)]
        return self._run([str(FARSHORE), "repair", *where, *flags], ROOT, os.environ | self.work.environment)

    def arm(self, **fault: Any) -> None:
        """Make the API go wrong: see lab/cloud/faults.py."""
        self.control("faults", json.dumps(fault).encode())

    def disarm(self) -> int:
        """Take faults back and return how many were never met."""
        waiting: list[Any] = self.control("faults")
        self.control("faults", method="DELETE")
        return len(waiting)

    def names(self) -> dict[str, dict[str, list[str]]]:
        """Return the names of what stands in each account, by kind, where there is any."""
        objects: dict[str, dict[str, list[str]]] = self.control("objects")
        return {
            account: {kind: sorted(names) for kind, names in kinds.items() if names}
            for account, kinds in objects.items()
        }

    def whole(self) -> dict[str, dict[str, list[str]]]:
        """Return what `names` is when the deployment stands, nothing missing and nothing doubled."""
        return {
            account: {kind: [f"{name}-ipv4", f"{name}-ipv6"] if kind == "primary_ips" else [name] for kind in KINDS}
            for account, name in ((account, f"{self.work.stack}-{host}") for account, host in HOSTS.items())
        }

    def import_state(self, text: str) -> None:
        """Put a state in the place of today's."""
        command = ["stack", "import", "--force", "--stack", self.work.stack]
        self.work.run(command, given=text, folder=self.work.stack_file.parent)

    @staticmethod
    def empty_state(text: str) -> str:
        """Return an exported state that has forgotten everything."""
        state: dict[str, Any] = json.loads(text)
        state["deployment"]["resources"] = []
        return json.dumps(state)

    def check_silent(self, said: str) -> None:
        """Check that nothing secret was said: no token, and no address of the hidden host."""
        for account, token in self.cloud.tokens.items():
            assert token not in said, f"the token of {account} was shown"
        assert not re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY", said)
        for row in self.state():
            if row["urn"].endswith(("farshore-vault.press-ipv4", "farshore-vault.press-ipv6")):
                address = json.loads(row["outputs"]["ipAddress"]["plaintext"])
                assert str(address) not in said, "the hidden host's address was shown"

    def state(self) -> list[dict[str, Any]]:
        """Return the rows of the state, opened."""
        # Beside the stack's own file: else the engine writes its salt into one beside the program.
        folder = self.work.stack_file.parent
        text = self.work.run(["stack", "export", "--show-secrets", "--stack", self.work.stack], folder=folder)
        rows: list[dict[str, Any]] = json.loads(text)["deployment"].get("resources") or []
        return rows

    def control(self, path: str, body: bytes | None = None, method: str | None = None) -> Any:
        """Ask the lab's own door."""
        request = urllib.request.Request(  # noqa: S310 - the lab's own address on the loopback interface
            f"{self.cloud.control}/{path}",
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {self.cloud.control_token}"},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            said = answer.read()
        return json.loads(said) if said else None

    def _run(self, command: list[str], folder: Path, environment: dict[str, str]) -> Run:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_WITHIN_S,
            check=False,
        )
        return Run(done.returncode, done.stdout + done.stderr)

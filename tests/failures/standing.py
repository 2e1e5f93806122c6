"""A deployment at a cloud without machines, whose API goes wrong on demand."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lab.client import until
from tests.failures.accounts import door
from tests.failures.starting import Run, Started
from tools.workspace import write_private

if TYPE_CHECKING:
    from lab.client import Lab
    from tools.workspace import Workspace

ROOT = Path(__file__).parents[2]
FARSHORE = ROOT / "bin" / "farshore"
KINDS = ("servers", "primary_ips", "firewalls", "ssh_keys")
HOSTS = {"edge": "falkenstein", "vault": "press"}
OPERATORS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQ6eYbTLuvv3iZYg0UuT3xl7Sd2kYO5m0tGYYkXqQ4d"
RUN_WITHIN_S = 120.0


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
        return self._run(self._command(verb, *flags), ROOT, self.work.environment)

    def up(self, *flags: str) -> None:
        """Deploy, which has to work."""
        done = self.engine("up", *flags)
        assert done.code == 0, done.said

    def started(self, verb: str, *flags: str) -> Started:
        """Start a verb of the engine and do not wait."""
        return Started(self._command(verb, *flags), self.work.environment, self.work.folder / "started.log")

    def interrupted(self, verb: str, *flags: str) -> Run:
        """Run a verb until the armed faults are met, then interrupt it, as often as it takes."""
        engine = self.started(verb, *flags)
        try:
            until(lambda: None if self.cloud.door.ask("GET", "faults") else True, RUN_WITHIN_S, "the fault")
            return engine.interrupt()
        finally:
            engine.kill()

    def repair(self, *flags: str) -> Run:
        """Run `farshore repair` as an operator whose Pulumi is set up for this stack."""
        where = ["--stack", self.work.stack, "--config-file", str(self.work.stack_file)]
        return self._run([str(FARSHORE), "repair", *where, *flags], ROOT, os.environ | self.work.environment)

    def arm(self, **fault: Any) -> None:
        """Make the API go wrong: see lab/cloud/faults.py."""
        self.cloud.door.ask("POST", "faults", fault)

    def disarm(self) -> int:
        """Take faults back and return how many were never met."""
        waiting: list[Any] = self.cloud.door.ask("GET", "faults")
        self.cloud.door.ask("DELETE", "faults")
        return len(waiting)

    def names(self) -> dict[str, dict[str, list[str]]]:
        """Return the names of what stands in each account, by kind, where there is any."""
        objects: dict[str, dict[str, list[str]]] = self.cloud.door.ask("GET", "objects")
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

    def labels(self) -> dict[str, list[dict[str, str]]]:
        """Return what labels there are in each account when the deployment stands."""
        return {
            account: [{"farshore-stack": self.work.stack, "farshore-host": host}] for account, host in HOSTS.items()
        }

    def powers(self) -> list[str]:
        """Return `on` or `off` for each server, once none is being stopped or changed; one that is starting is on."""

        def settled() -> list[str] | None:
            found = [server.status for account in HOSTS for server in door(self, account, "Server").get_all()]
            return None if {"migrating", "stopping"} & set(found) else found

        statuses = until(settled, RUN_WITHIN_S, "the end of every change of a server")
        return ["off" if status == "off" else "on" for status in statuses]

    def server_types(self) -> dict[str, str]:
        """Return the type of the server in each account."""
        return {
            account: server.server_type.name for account in HOSTS for server in door(self, account, "Server").get_all()
        }

    def ssh_sources(self) -> list[str]:
        """Return from where the shield's firewall admits SSH."""
        rules = [rule for wall in door(self, "edge", "Firewall").get_all() for rule in wall.rules]
        return [source for rule in rules if rule.port == "22" for source in rule.source_ips]

    def configure(self, *path: str, value: Any) -> None:
        """Set a key of the stack file."""
        document = yaml.safe_load(self.work.stack_file.read_text(encoding="utf-8"))
        *parents, last = (f"farshore:{path[0]}", *path[1:])
        place = document["config"]
        for key in parents:
            place = place[key]
        place[last] = value
        write_private(self.work.stack_file, yaml.safe_dump(document, sort_keys=False))

    def admit(self, source: str) -> None:
        """Let the stack file name one network from which the shield answers SSH."""
        self.configure("break_glass", value={"public_key": OPERATORS_KEY, "sources": [source]})

    def configured_sources(self) -> list[str]:
        """Return the networks that the stack file admits."""
        config = yaml.safe_load(self.work.stack_file.read_text(encoding="utf-8"))["config"]
        return list(config.get("farshore:break_glass", {}).get("sources", []))

    def holds(self, account: str, wanted: dict[str, list[str]]) -> bool | None:
        """Return True when exactly this stands in an account, else None."""
        return self.names().get(account) == wanted or None

    def cancel(self) -> None:
        """Take away the lock that a killed engine left."""
        command = ["cancel", "--yes", "--stack", self.work.stack]
        self.work.run(command, folder=self.work.stack_file.parent)

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

    def _command(self, verb: str, *flags: str) -> list[str]:
        where = ["--stack", self.work.stack, "--config-file", str(self.work.stack_file)]
        unasked = [] if verb == "preview" else ["--yes", "--skip-preview"]
        return [self.work.engine, verb, *where, *unasked, *flags]

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

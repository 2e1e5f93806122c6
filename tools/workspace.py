"""Pulumi's side of a lab: its state, its passphrase, its configuration, and the commands run with them.

Everything lies in the lab's own folder: the project's files are only read. Secrets go in by standard input and by
files of mode 0600, never by an argument or the environment.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.client import Lab

ROOT = Path(__file__).parents[1]
STAND_IN = ROOT / "bin" / "pulumi"


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One stack of this project, with state and configuration in a folder of its own.

    Args:
        folder: 0700; holds state, passphrase and the copy of the stack file.
        stack: Pulumi's stack name.
        endpoint: Address of the cloud API.
        project: Folder of the Pulumi program.
        enter: Command before the engine's that brings it to where it reaches the hosts; empty for right here.
    """

    folder: Path
    stack: str
    endpoint: str
    project: Path = ROOT
    enter: tuple[str, ...] = ()

    @classmethod
    def of_lab(cls, lab: Lab) -> Workspace:
        """Return the workspace of a lab's deployment: one that was restored keeps the name of its stack.

        The engine runs on the operator's network, from which alone the lab's hosts can be reached.
        """
        folder = lab.folder / "pulumi"
        kept = [path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in folder.glob("stack/Pulumi.*.yaml")]
        stack = kept[0] if kept else lab.name
        return cls(folder=folder, stack=stack, endpoint=lab.endpoint, enter=lab.operators_network)

    @cached_property
    def engine(self) -> str:
        """The command that deploys: `pulumi` where it is installed, else the lab's own stand-in for it."""
        return shutil.which("pulumi") or str(STAND_IN)

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs the engine where it can do its work."""
        return [*self.enter, self.engine, *arguments]

    @property
    def stack_file(self) -> Path:
        """The copy of the stack file that this deployment uses."""
        return self.folder / "stack" / f"Pulumi.{self.stack}.yaml"

    @cached_property
    def environment(self) -> dict[str, str]:
        """What the engine is told: nothing of the caller's own stacks, and no secret.

        Pulumi's own engine keeps its plugins at home, so its home stays the caller's.
        """
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "HCLOUD_", "PYTHONPATH"))
        }
        if self.engine == str(STAND_IN):
            kept["PULUMI_HOME"] = str(self.folder / "home")
        elif "PULUMI_HOME" in os.environ:
            kept["PULUMI_HOME"] = os.environ["PULUMI_HOME"]
        return kept | {
            "PULUMI_BACKEND_URL": f"file://{self.folder}/state",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "HCLOUD_ENDPOINT": self.endpoint,
        }

    def prepare(self, stack_file: Path, tokens: Mapping[str, str]) -> None:
        """Make the stack, with a copy of its file and a token for each account.

        Args:
            stack_file: The original.
            tokens: By account.
        """
        for part in (self.folder, self.folder / "home", self.folder / "state", self.folder / "stack"):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        passphrase = self.folder / "passphrase"
        if not passphrase.exists():
            write_private(passphrase, secrets.token_urlsafe(32))
        if self.stack_file.exists():
            self._follow(stack_file, tokens)
            return
        # `stack init` takes no --config-file and writes beside the Pulumi.yaml that it finds: here it finds this one.
        name = yaml.safe_load((self.project / "Pulumi.yaml").read_text(encoding="utf-8"))["name"]
        (self.stack_file.parent / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n", encoding="utf-8")
        write_private(self.stack_file, stack_file.read_text(encoding="utf-8"))
        try:
            self.run(["stack", "init", self.stack, "--no-select"], folder=self.stack_file.parent)
            for account, token in tokens.items():
                key = f"farshore:secrets.tokens.{account}"
                self.run(["config", "set", "--secret", "--path", key, *self.where], given=token)
        except BaseException:
            self.stack_file.unlink(missing_ok=True)
            raise

    def _follow(self, stack_file: Path, tokens: Mapping[str, str]) -> None:
        """Take over what has changed in the original; secrets and the salt are the copy's own."""
        told = yaml.safe_load(stack_file.read_text(encoding="utf-8"))
        kept = yaml.safe_load(self.stack_file.read_text(encoding="utf-8"))
        if not isinstance(told, dict) or not isinstance(told.get("config"), dict):
            told = {"config": {}}  # what is wrong with it is the program's to say
        closed = "farshore:secrets"
        config = {key: value for key, value in told["config"].items() if key != closed}
        if config == {key: value for key, value in kept["config"].items() if key != closed}:
            return
        wanted = config.get("farshore:accounts")
        unknown = [name for name in wanted if name not in tokens] if isinstance(wanted, dict) else []
        if unknown:
            known = ", ".join(tokens)
            raise EngineError(f"accounts: {', '.join(unknown)}, allowed in this lab: {known}; take it down first")
        whole = {**kept, "config": {**config, closed: kept["config"].get(closed, {})}}
        # At once: somebody who interrupts it here would be left without the tokens, which are nowhere else.
        fresh = self.stack_file.with_name(f".{self.stack_file.name}")
        write_private(fresh, yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))
        fresh.replace(self.stack_file)

    def run(self, arguments: Sequence[str], *, given: str = "", folder: Path | None = None) -> str:
        """Run the engine quietly and return what it said.

        Args:
            arguments: After the command's name.
            given: Standard input.
            folder: Where it runs; the project's by default.

        Raises:
            EngineError: It failed; with its own words.
        """
        done = subprocess.run(
            self.command(*arguments),
            cwd=folder or self.project,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EngineError(f"{(done.stderr or done.stdout).strip()}")
        return done.stdout

    def show(self, verb: str, *flags: str) -> int:
        """Run the engine before the user's eyes and return its exit code."""
        return subprocess.run(
            self.command(verb, *self.where, *flags),
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            check=False,
        ).returncode

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs; secrets are left as they are shown."""
        found: dict[str, Any] = json.loads(self.run(["stack", "output", "--json", "--stack", self.stack]))
        return found

    @property
    def where(self) -> list[str]:
        """The flags that name this stack and its file."""
        return ["--stack", self.stack, "--config-file", str(self.stack_file)]


class EngineError(Exception):
    """The engine failed; its own words say why."""


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)

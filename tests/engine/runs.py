"""Projects to run the engine on, and the command line to run it with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tests.engine.vectors import ENGINE, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
URN = "urn:pulumi:dev::shop::command:local:Command::"  # how the name of each Command of the shop begins
WITHIN_S = 120  # Pulumi's own command takes its time on a busy machine


@dataclass(frozen=True)
class Ran:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shop:
    """A project with a stack `dev`, in a world of its own.

    Args:
        folder: Holds the project, the state and Pulumi's home.
        engine: The command; Pulumi's own keeps the caller's home, where its plugins lie.
    """

    folder: Path
    engine: tuple[str, ...] = tuple(ENGINE)

    @property
    def work(self) -> Path:
        """The project's folder."""
        return self.folder / "work"

    @property
    def state(self) -> Path:
        """The file of the stack's state."""
        return self.folder / "state" / ".pulumi" / "stacks" / "shop" / "dev.json"

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of every command."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PULUMI_", "HCLOUD_"))}
        own = self.engine == tuple(ENGINE)
        home = self.folder / "home" if own else os.environ.get("PULUMI_HOME", Path.home() / ".pulumi")
        return inherited | {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_HOME": str(home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_CONFIG_PASSPHRASE": "correct horse",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT),
            **more,
        }

    def program(self, text: str) -> None:
        """Write the program, below the imports that all of them need."""
        head = "import pulumi\nfrom pulumi import ResourceOptions as O\nfrom pulumi_command.local import Command\n"
        (self.work / "__main__.py").write_text(head + text)

    def run(self, *arguments: str, given: str | None = None, **more: str) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            [*self.engine, *arguments],
            cwd=self.work,
            env=self.environment(**more),
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def up(self, *arguments: str, **more: str) -> Ran:
        """Run `up` without asking."""
        return self.run("up", "--yes", "--skip-preview", "--non-interactive", *arguments, **more)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and do not wait."""
        return subprocess.Popen(
            [*self.engine, *arguments],
            cwd=self.work,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def rows(self) -> dict[str, dict[str, Any]]:
        """Return the rows of the state by name."""
        latest = json.loads(self.state.read_text())["checkpoint"]["latest"]
        return {row["urn"].rsplit("::", 1)[1]: row for row in latest.get("resources") or ()}


def make_shop(folder: Path, engine: tuple[str, ...] = tuple(ENGINE)) -> Shop:
    """Make a project and its stack."""
    shop = Shop(folder, engine)
    shop.work.mkdir()
    (folder / "state").mkdir()
    (shop.work / "Pulumi.yaml").write_text(
        f"name: shop\nruntime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
    )
    made = shop.run("stack", "init", "dev")
    assert made.code == 0, made.err
    return shop


def until(probe: Callable[[], T | None], *, what: str, within_s: float = 20) -> T:
    """Return the first answer of `probe`, or fail naming what never happened."""
    deadline = time.monotonic() + within_s
    while (seen := probe()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not seen within {within_s} s")
        time.sleep(0.05)
    return seen


def foreign(text: str) -> str:
    """Return the state of a shop as another project's."""
    return text.replace("::shop::", "::mart::")

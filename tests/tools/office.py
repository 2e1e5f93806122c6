"""A deployment whose devices come and go, at a cloud without machines."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tools.workspace import ROOT

if TYPE_CHECKING:
    from tools.workspace import Workspace


@dataclass(frozen=True)
class Office:
    """A deployment at a cloud without machines, and its stack file.

    Args:
        work: Pulumi's side.
        original: The stack file as it was.
    """

    work: Workspace
    original: str

    def farshore(self, kind: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `farshore operator` or `farshore gateway` as somebody whose Pulumi is set up for this stack."""
        where = ["--stack", self.work.stack, "--config-file", str(self.work.stack_file)]
        return subprocess.run(
            [str(ROOT / "bin" / "farshore"), kind, *arguments, *where],
            env={**self.work.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def config(self) -> dict[str, Any]:
        """Return the stack file's values."""
        found: dict[str, Any] = yaml.safe_load(self.work.stack_file.read_text(encoding="utf-8"))["config"]
        return found

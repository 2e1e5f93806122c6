"""A stack that a command works on: its file, where the engine runs for it, and how it is deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.client import Lab
from plan.standing import read_standing
from tools.lab import LABS
from tools.plan import read_config, read_plan
from tools.repair_stack import HETZNER, OwnWorkspace, bare
from tools.stack_edit import read_stack_file
from tools.workspace import ROOT, Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from plan import Plan
    from plan.standing import Standing


@dataclass(frozen=True)
class Target:
    """A stack whose file is edited, and the engine's side of it.

    Args:
        file: The stack file.
        stack: Pulumi's stack name.
        work: Where the engine runs.
        up: The command that deploys it.
        lab: Name of the lab, if it is one.
    """

    file: Path
    stack: str
    work: Workspace
    up: str
    lab: str | None = None

    def plan(self) -> Plan:
        """Return what the stack file plans.

        Raises:
            EditError: It can't be read.
            StackError: With every fault of it.
        """
        text = read_stack_file(self.file)
        return read_plan(read_config(text), text, stack=self.stack, folder=ROOT)

    def standing(self) -> Standing:
        """Return what the last run left in the stack's outputs."""
        return read_standing(self.work.outputs().get("standing"))

    def prepare(self) -> None:
        """Have the engine read the stack file as it is now: a lab's has a copy.

        Raises:
            LabError: The lab does not run.
            EngineError: The engine can't be prepared.
        """
        if self.lab is not None:
            self.work.prepare(self.file, Lab.open(LABS / self.lab).tokens)

    def deploy(self, *flags: str) -> int:
        """Deploy before the user's eyes, and return the engine's exit code.

        Raises:
            LabError: The lab does not run.
            EngineError: The engine can't be prepared.
        """
        self.prepare()
        return self.work.show("up", "--yes", "--skip-preview", "--suppress-outputs", *flags)


def find_target(stack: str, config_file: Path | None, lab: str | None) -> Target:
    """Return a stack of the user's own, or a lab's.

    Args:
        stack: Pulumi's stack name; a lab's is its own.
        config_file: The stack file; None for the usual one.
        lab: Name of the lab, if it is one.

    Raises:
        LabError: The lab does not run.
        EngineError: There is no such stack file.
    """
    if lab is None:
        file = config_file and config_file.absolute()  # the engine runs in the project's folder
        work: Workspace = OwnWorkspace(folder=ROOT, stack=stack, endpoint=HETZNER, config_file=file)
        return Target(work.stack_file, bare(stack), work, f"pulumi up --stack {stack}")
    work = Workspace.of_lab(Lab.open(LABS / lab))
    return Target(config_file or ROOT / "Pulumi.lab.yaml", work.stack, work, f"make up LAB={lab}", lab)

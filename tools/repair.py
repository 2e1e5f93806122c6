"""`farshore repair`: what state and accounts disagree about, and the command that mends it."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab.client import Lab, LabError
from tools.lab import LABS
from tools.repair_account import AccountError
from tools.repair_model import Difference
from tools.repair_stack import HETZNER, BusyError, Look, OwnWorkspace, Patient, bare
from tools.repair_state import StateError
from tools.repair_wishes import WishError
from tools.repair_words import erased, is_mendable, table
from tools.workspace import ROOT, EngineError, Workspace

console = Console(highlight=False, soft_wrap=True, markup=False)
Yes = Annotated[bool, typer.Option("--yes", help="Mend without asking: what can't be adopted is erased with its data.")]
Remove = Annotated[bool, typer.Option("--remove", help="Remove orphans even where the program asks for them.")]
Lost = Annotated[bool, typer.Option("--without-state", help="Mend although the state knows nothing at all.")]


def repair(
    *,
    stack: Annotated[str, typer.Option(help="Pulumi's stack name.")],
    config_file: Annotated[Path | None, typer.Option(help="The stack file, unless it is Pulumi.<stack>.yaml.")] = None,
    yes: Yes = False,
    remove: Remove = False,
    without_state: Lost = False,
) -> None:
    """Compare a stack's state with its accounts, and mend what an interrupted or failed operation left."""
    work = OwnWorkspace(folder=ROOT, stack=stack, endpoint=HETZNER, config_file=config_file and config_file.absolute())
    where = f"--stack {stack}" + (f" --config-file {config_file}" if config_file else "")
    commands = (f"bin/farshore repair {where}", f"pulumi up --refresh {where}")
    _repair(work, commands, yes=yes, remove=remove, without_state=without_state)


def repair_lab(
    *,
    name: Annotated[str, typer.Option(help="The lab's name.")] = "lab",
    yes: Yes = False,
    remove: Remove = False,
    without_state: Lost = False,
) -> None:
    """Compare a lab's state with its accounts, and mend what an interrupted or failed operation left."""
    try:
        lab = Lab.open(LABS / name)
    except LabError as error:
        raise _refused(error) from error
    work = Workspace(folder=lab.folder / "pulumi", stack=lab.name, endpoint=lab.endpoint)
    other = f" --name {name}" if name != "lab" else ""
    commands = (f"bin/farshore lab repair{other}", f"bin/farshore lab up{other}")
    _repair(work, commands, yes=yes, remove=remove, without_state=without_state)


def _repair(work: Workspace, commands: tuple[str, str], *, yes: bool, remove: bool, without_state: bool) -> None:
    """Look, ask, mend; end with 0 when all is well, 1 when something is left, 2 when refused."""
    own, up = commands[0] + (" --remove" if remove else ""), commands[1]
    patient = Patient(work, adopt=not remove, say=console.print)
    try:
        seen = patient.look()
        if not seen.differences:
            console.print("state and accounts agree: nothing to repair")
            return
        _show(seen.differences)
        _check_state(work.stack, seen, own, without_state=without_state)
        if not is_mendable(seen.differences):
            console.print(f"\nto finish it, run: {up}")
            raise typer.Exit(1)
        if not (yes or _consents(bare(work.stack), seen.differences)):
            console.print(f"\nnothing was changed; to mend it, run: {own} --yes\nthen: {up}")
            raise typer.Exit(1)
        left = patient.mend(seen).differences
    except (EngineError, AccountError, StateError, WishError, BusyError, OSError) as error:
        raise _refused(error) from error
    if is_mendable(left):
        console.print("\nleft:")
        _show(left)
        console.print(f"\nto mend it, run: {own} --yes")
        raise typer.Exit(1)
    console.print(f"repaired; now run: {up}")


def _check_state(stack: str, seen: Look, own: str, *, without_state: bool) -> None:
    """Refuse to take a whole deployment for orphans because the wrong state was opened."""
    if seen.state.known or without_state or all(one.remedy != "remove" for one in seen.differences):
        return
    raise _refused(
        f"state of {stack!r}: empty, allowed: one that knows some of the deployment; see that this is the right "
        f"backend (pulumi whoami -v), then run: {own} --without-state"
    )


def _show(differences: tuple[Difference, ...]) -> None:
    for line in table(differences):
        console.print(line)


def _consents(stack: str, differences: tuple[Difference, ...]) -> bool:
    """Ask, where there is somebody to ask; for what is erased, the stack's name is to be typed."""
    if not sys.stdin.isatty():
        return False
    doomed = erased(differences)
    if not doomed:
        return typer.confirm("\nmend it now?")
    console.print("\nthis is removed for good:")
    for line in doomed:
        console.print(line)
    typed: str = typer.prompt(f"to go on, type the stack's name ({stack})", default="", show_default=False)
    return typed.strip() == stack


def _refused(why: object) -> typer.Exit:
    sys.stderr.write(f"{why}\n")
    return typer.Exit(2)

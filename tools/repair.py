"""`farshore repair`: what state and accounts disagree about, and the command that mends it."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab.client import Lab, LabError
from tools.lab import LABS
from tools.repair_account import AccountError
from tools.repair_stack import HETZNER, Look, OwnWorkspace, Patient
from tools.repair_state import WORDS, Difference
from tools.workspace import ROOT, EngineError, Workspace

console = Console(highlight=False, soft_wrap=True)
Yes = Annotated[bool, typer.Option("--yes", help="Mend without asking: orphaned servers are erased with their data.")]
Lost = Annotated[bool, typer.Option("--without-state", help="Remove orphans although the state knows nothing at all.")]


def repair(
    *,
    stack: Annotated[str, typer.Option(help="Pulumi's stack name.")],
    config_file: Annotated[Path | None, typer.Option(help="The stack file, unless it is Pulumi.<stack>.yaml.")] = None,
    yes: Yes = False,
    without_state: Lost = False,
) -> None:
    """Compare a stack's state with its accounts, and mend what an interrupted or failed operation left."""
    work = OwnWorkspace(folder=ROOT, stack=stack, endpoint=HETZNER, config_file=config_file and config_file.absolute())
    where = f"--stack {stack}" + (f" --config-file {config_file}" if config_file else "")
    _repair(work, f"bin/farshore repair {where}", f"pulumi up --refresh {where}", yes=yes, without_state=without_state)


def repair_lab(
    *,
    name: Annotated[str, typer.Option(help="The lab's name.")] = "lab",
    yes: Yes = False,
    without_state: Lost = False,
) -> None:
    """Compare a lab's state with its accounts, and mend what an interrupted or failed operation left."""
    try:
        lab = Lab.open(LABS / name)
    except LabError as error:
        raise _refused(error) from error
    work = Workspace(folder=lab.folder / "pulumi", stack=lab.name, endpoint=lab.endpoint)
    other = f" --name {name}" if name != "lab" else ""
    own, up = f"bin/farshore lab repair{other}", f"bin/farshore lab up{other}"
    _repair(work, own, up, yes=yes, without_state=without_state)


def _repair(work: Workspace, own: str, up: str, *, yes: bool, without_state: bool) -> None:
    """Look, ask, mend; end with 0 when all is well, 1 when something is left, 2 when refused."""
    patient = Patient(work)
    try:
        seen = patient.look()
        if not seen.differences:
            console.print("state and accounts agree: nothing to repair")
            return
        _show(seen.differences, own, up)
        _check_state(work.stack, seen, own, without_state=without_state)
        mendable = any(one.wrong != "unfinished" for one in seen.differences)  # that is the program's to finish
        if not mendable or not (yes or _consents()):
            raise typer.Exit(1)
        left = patient.mend(seen, console.print).differences
    except (EngineError, AccountError) as error:
        raise _refused(error) from error
    if left:
        console.print("\nleft:")
        _show(left, own, up)
        raise typer.Exit(1)
    console.print(f"repaired; now run: {up}")


def _check_state(stack: str, seen: Look, own: str, *, without_state: bool) -> None:
    """Refuse to take a whole deployment for orphans because the wrong state was opened."""
    if seen.known or without_state or all(one.wrong != "orphan" for one in seen.differences):
        return
    raise _refused(
        f"state of {stack!r}: empty, allowed: one that knows some of the deployment; see that this is the right "
        f"backend (pulumi whoami -v), then run: {own} --without-state"
    )


def _show(differences: tuple[Difference, ...], own: str, up: str) -> None:
    """Print a line for each difference; no address, for a hidden host's is a secret."""
    rows = [("account", "resource", "id", "found", "to mend")]
    for one in differences:
        command = up if one.wrong == "unfinished" else f"{own} --yes"
        rows.append((one.account, f"{one.kind} {one.name}", str(one.id or ""), WORDS[one.wrong], command))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        console.print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _consents() -> bool:
    """Ask, where there is somebody to ask."""
    if not sys.stdin.isatty():
        return False
    return typer.confirm("mend it now? orphaned servers are erased with their data")


def _refused(why: object) -> typer.Exit:
    sys.stderr.write(f"{why}\n")
    return typer.Exit(2)

"""What the commands for devices have in common: their options, and how they refuse."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab.client import LabError
from plan import StackError
from tools.stack_edit import EditError
from tools.workspace import EngineError

console = Console(highlight=False, soft_wrap=True)
StackName = Annotated[str, typer.Option("--stack", help="Pulumi's stack name.")]
ConfigFile = Annotated[Path | None, typer.Option(readable=False, help="The stack file, unless Pulumi.<stack>.yaml.")]
InLab = Annotated[str | None, typer.Option("--lab", help="The deployment is this lab's.")]
Into = Annotated[Path, typer.Option(help="Folder for its files.")]
Psk = Annotated[bool, typer.Option(help="A preshared key beside the public ones.")]
Shields = Annotated[list[str] | None, typer.Option("--shield", help="Which to dial; all by default.")]


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what can't be done into its message and exit code 2.

    Raises:
        typer.Exit: Something is refused.
    """
    try:
        yield
    except (EditError, EngineError, LabError, StackError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from error

"""What the commands for devices have in common: their options, how they refuse, and all that is the same for both."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lab.client import LabError
from plan import StackError
from tools.devices import Kind, files_anew, put_out, write_files
from tools.stack_edit import EditError
from tools.target import find_target
from tools.workspace import EngineError

console = Console(highlight=False, soft_wrap=True)
StackName = Annotated[str, typer.Option("--stack", help="Pulumi's stack name.")]
ConfigFile = Annotated[Path | None, typer.Option(readable=False, help="The stack file, unless Pulumi.<stack>.yaml.")]
InLab = Annotated[str | None, typer.Option("--lab", help="The deployment is this lab's.")]
Into = Annotated[Path, typer.Option(help="Folder for its files.")]
Psk = Annotated[bool, typer.Option(help="A preshared key beside the public ones.")]
Shields = Annotated[list[str] | None, typer.Option("--shield", help="Which to dial; all by default.")]


@contextmanager
def refusing(*more: type[Exception]) -> Iterator[None]:
    """Turn what can't be done into its message and exit code 2.

    Args:
        more: What else can't be done.

    Raises:
        typer.Exit: Something is refused.
    """
    refused: tuple[type[Exception], ...] = (EditError, EngineError, LabError, StackError, *more)
    try:
        yield
    except refused as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from error


def add_common(app: typer.Typer, kind: Kind, afterwards: str = "") -> None:
    """Add the commands that are the same for every kind of device: `files` and `revoke`.

    Args:
        app: The kind's own.
        kind: Of the devices.
        afterwards: What to do with a file that was written anew; empty for nothing that is worth a word.
    """

    @app.command()
    def files(
        name: str, *, stack: StackName = "prod", config_file: ConfigFile = None, lab: InLab = None, into: Into = Path()
    ) -> None:
        """Write its files as they are now; keys are taken from the files that are there, or left to fill in."""
        with refusing():
            found = files_anew(find_target(stack, config_file, lab), kind, name, into=into)
        write_files(found)
        for path in found:
            console.print(f"{path}: as the stack file has it now{afterwards}")

    @app.command()
    def revoke(name: str, *, stack: StackName = "prod", config_file: ConfigFile = None, lab: InLab = None) -> None:
        """Take it out of the stack file; the next `up` puts it out everywhere."""
        with refusing():
            target = find_target(stack, config_file, lab)
            put_out(target, kind, name)
        console.print(f"{name} is out of {target.file.name}; put it out everywhere with: {target.up}")

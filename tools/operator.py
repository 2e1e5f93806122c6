"""`farshore operator`: let a person's device in, show what it needs once, and put it out again."""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import segno
import typer
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from tools.device_commands import ConfigFile, InLab, Into, Psk, Shields, StackName, add_common, console, refusing
from tools.devices import let_in, write_files
from tools.target import find_target

app = typer.Typer(no_args_is_help=True, help="People's devices: let one in, or put it out.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Of the device: lower-case letters, digits and dashes.")],
    *,
    stack: StackName = "prod",
    config_file: ConfigFile = None,
    lab: InLab = None,
    reach: Annotated[
        list[str] | None, typer.Option(help="press, press/web, press/ssh or a LAN; again for more.")
    ] = None,
    tunnel: Annotated[Literal["split", "full"], typer.Option(help="full: everything goes through.")] = "split",
    system: Annotated[Literal["any", "linux"], typer.Option(help="linux: a file for wg-quick, and no app.")] = "any",
    dns: Annotated[list[str] | None, typer.Option(help="Resolver while connected; full needs one.")] = None,
    shields: Shields = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day on which it is let in.")
    ] = None,
    psk: Psk = True,
    into: Into = Path(),
) -> None:
    """Make a device's key on this machine, write its public half into the stack file, and show its files once."""
    entry = CommentedMap(tunnel=tunnel)
    day = until and DoubleQuotedScalarString(f"{until:%Y-%m-%d}")  # unquoted, Pulumi would hand over a time
    said = {"system": None if system == "any" else system, "reach": reach, "dns": dns, "shields": shields, "until": day}
    entry |= {key: value for key, value in said.items() if value}
    with refusing():
        target = find_target(stack, config_file, lab)
        files = let_in(target, "operator", name, entry, into=into, psk=psk)
    write_files(files)
    for path, text in files.items():
        image = path.with_suffix(".png")
        os.close(os.open(image, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        code = segno.make(text, error="l", micro=False)
        code.save(str(image), scale=6)
        console.print(f"{path} and {image}: for {name}, and for nobody else; they are not kept anywhere else")
        if sys.stdout.isatty():
            code.terminal(compact=True)
    console.print(f"{target.file.name} has its public key; let it in with: {target.up}")


add_common(app, "operator")

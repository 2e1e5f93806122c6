"""The lab's own commands: run a lab, look into it, end it."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lab.client import Lab, LabError, Spot
from lab.machines.driver import MachineError
from lab.machines.image import ImageError
from lab.registry import RefusalError, Registration
from lab.serve import Machines, Order
from lab.serve import serve as serve_lab

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Name = Annotated[str, typer.Option(help="The lab's name: lower-case letters, digits, dashes.")]
Folder = Annotated[Path, typer.Option("--dir", help="The lab's own folder.")]
HERE = Path(".lab")


@app.command()
def serve(
    *,
    name: Name,
    folder: Folder = HERE,
    account: Annotated[list[str] | None, typer.Option(help="Name of a cloud project; may come again.")] = None,
    port: Annotated[int, typer.Option(help="Of the API; 0: the former one, or any.")] = 0,
    image: Annotated[Literal["stock", "fast"], typer.Option(help="What machines have from the start.")] = "fast",
    release: Annotated[list[str] | None, typer.Option(help="An image to have ready; may come again.")] = None,
    machines: Annotated[Machines, typer.Option(help="What they run under; none: the API alone.")] = "nspawn",
    snapshot: Annotated[Path | None, typer.Option(help="A saved lab, to stand it up again.")] = None,
) -> None:
    """Run a lab until SIGTERM: the cloud's API in front, machines on a simulated internet behind it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # it tells of each start and end
    logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)  # a machine's power cut is no error
    order = Order(
        name=name,
        folder=folder,
        accounts=tuple(account or ("lab",)),
        port=port,
        image=image,
        releases=tuple(release or Order.releases),
        machines=machines,
        snapshot=snapshot,
    )
    serve_lab(order)


@app.command()
def down(name: Name) -> None:
    """End the lab of this name, and remove what a killed one left."""
    typer.echo(Registration(name).end())


@app.command()
def status(folder: Folder = HERE) -> None:
    """Say what a lab has."""
    lab = Lab.open(folder)
    typer.echo(f"lab {lab.name}: process {lab.pid}, API at {lab.endpoint}, accounts: {', '.join(lab.tokens)}")
    try:
        world = lab.world()
    except LabError:
        return
    typer.echo(f"places: {', '.join(world['places'])}")
    for machine in world["machines"]:
        state = "on" if machine["leader"] else "off"
        typer.echo(f"machine {machine['name']} ({machine['server_id']}): {state}, console {machine['console']}")


@app.command()
def shell(machine: str, folder: Folder = HERE) -> None:
    """Open a shell in a machine, or at a place."""
    lab = Lab.open(folder)
    at_a_place = machine in lab.world()["places"]
    _become(lab.place(machine).command(["bash"]) if at_a_place else lab.machine(machine).shell_command())


@app.command(context_settings={"allow_interspersed_args": False})
def run(where: str, program: list[str], folder: Folder = HERE) -> None:
    """Run a program in a machine or at a place: run --dir DIR visitor -- curl -sS http://www.example.com."""
    _become(_spot(Lab.open(folder), where).command(program[program[0] == "--" :]))


def _spot(lab: Lab, where: str) -> Spot:
    return lab.place(where) if where in lab.world()["places"] else lab.machine(where)


def _become(command: list[str]) -> None:
    os.execvp(command[0], command)  # noqa: S606 - the caller's terminal and exit code are the program's own


def main() -> None:
    """Run a command; a refusal is one line."""
    try:
        app(prog_name="python -m lab")
    except (RefusalError, ImageError, LabError, MachineError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()

"""`farshore lab`: a whole deployment on this machine, from an empty one to a page, and away again."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer
import yaml
from rich.console import Console

from lab.client import Lab, LabError
from lab.machines.image import ImageError, ensure_image
from lab.refusals import check_machine
from lab.registry import RefusalError, Registration
from tools.deployment import await_birth, await_page, hosts_of, show_summary
from tools.workspace import ROOT, EngineError, Workspace

app = typer.Typer(no_args_is_help=True, help="A whole deployment on this machine, with no account and no cost.")
console = Console(highlight=False)
Name = Annotated[str, typer.Option(help="The lab's name; several stand side by side.")]
LABS = ROOT / ".lab"
T = TypeVar("T")


@app.command()
def up(
    name: Name = "lab",
    stack_file: Annotated[Path, typer.Option(readable=False, help="What to deploy.")] = ROOT / "Pulumi.lab.yaml",
    image: Annotated[Literal["stock", "fast"], typer.Option(help="stock: packages come by cloud-init.")] = "fast",
    port: Annotated[int, typer.Option(help="Of the cloud's API; 0 for any.")] = 0,
) -> None:
    """Deploy, and say where the page is. Run again, it changes what has changed and nothing else."""
    _refusing(lambda: _up(name, stack_file, image, port))


@app.command()
def down(name: Name = "lab") -> None:
    """Remove exactly what this lab made."""
    _refusing(lambda: _down(name))


@app.command()
def visit(url: Annotated[str, typer.Argument()] = "http://www.example.com/", name: Name = "lab") -> None:
    """Ask for a page from the visitor's place."""
    lab = _refusing(lambda: Lab.open(_folder(name)))
    _become(lab.place("visitor").command(["curl", "-sS", "-k", "--max-time", "10", "-i", url]))


@app.command()
def scan(host: str, name: Name = "lab") -> None:
    """Look at every TCP port of a host from an attacker's place, as if its address had leaked."""
    hosts = _refusing(lambda: hosts_of(Lab.open(_folder(name))))
    found = _refusing(lambda: hosts.named(host))
    attacker = Lab.open(_folder(name)).place("attacker")
    console.print(f"every TCP port of {host} over IPv4, about 15 s …")
    _become(attacker.command(["nmap", "-n", "-Pn", "-p-", "--min-rate", "20000", "--max-retries", "1", found.ipv4]))


@app.command()
def shell(host: str, name: Name = "lab") -> None:
    """Open a shell on a host."""
    lab = _refusing(lambda: Lab.open(_folder(name)))
    server = _refusing(lambda: hosts_of(lab).named(host)).server_name
    _become(_refusing(lambda: lab.machine(server).command(["bash", "--login"])))


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def pulumi(arguments: list[str], name: Name = "lab") -> None:
    """Run the engine with this lab's state: farshore lab pulumi stack output."""
    lab = _refusing(lambda: Lab.open(_folder(name)))
    work = _workspace(lab)
    os.chdir(work.project)
    os.execve(work.engine, [work.engine, *arguments], work.environment)  # noqa: S606 - the caller's own terminal


def _up(name: str, stack_file: Path, image: Literal["stock", "fast"], port: int) -> None:
    folder = _folder(name)
    unfinished, failed = folder / "unfinished", folder / "failed"
    if unfinished.exists():
        console.print(f"lab {name}: an earlier `up` was interrupted; removing what it left")
        _down(name)
    lab = _open_or_start(name, stack_file, image, port)
    unfinished.touch()
    work = _workspace(lab)
    work.prepare(stack_file, lab.tokens)
    # After a failed one the state can have what no account ever saw.
    code = work.show("up", "--yes", "--skip-preview", "--suppress-outputs", *(["--refresh"] if failed.exists() else []))
    if code:
        failed.touch()
        unfinished.unlink()
        sys.stderr.write(f"{_next_after_failure(name)}\n")
        raise typer.Exit(code)
    failed.unlink(missing_ok=True)
    outputs = work.outputs()
    lab.publish_names(_names(outputs))
    hosts = hosts_of(lab)
    await_birth(lab, hosts, console)
    await_page(lab, outputs, console)
    unfinished.unlink()
    show_summary(name, hosts, outputs, console)


def _next_after_failure(name: str) -> str:
    other = f" --name {name}" if name != "lab" else ""
    return (
        f"lab {name}: `up` failed as said above; its cause mended: bin/farshore lab repair{other}, "
        f"then bin/farshore lab up{other} (docs/repair.md)"
    )


def _open_or_start(name: str, stack_file: Path, image: Literal["stock", "fast"], port: int) -> Lab:
    """Return the lab of this name, started if it does not run."""
    folder = _folder(name)
    try:
        return Lab.open(folder)
    except LabError:
        Registration(name)  # a bad name, a wrong user or a missing program is refused before anything is made
        check_machine()
    accounts = accounts_of(stack_file)
    if folder.exists():
        _down(name)
    ensure_image(image, say=console.print)
    lab = Lab.start(name, folder, accounts=accounts, image=image, port=port)
    console.print(f"lab {name}: cloud API at {lab.endpoint}, accounts {', '.join(lab.tokens)}")
    return lab


def _down(name: str) -> None:
    registration = Registration(name)
    console.print(registration.end())
    folder = _folder(name)
    if folder.parent == LABS:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(name: str) -> Path:
    return LABS / name


def _workspace(lab: Lab) -> Workspace:
    return Workspace(folder=lab.folder / "pulumi", stack=lab.name, endpoint=lab.endpoint)


def accounts_of(stack_file: Path) -> tuple[str, ...]:
    """Return the names of a stack file's accounts: the cloud projects that the lab has to have."""
    try:
        config: Any = yaml.safe_load(stack_file.read_text(encoding="utf-8"))["config"]
        return tuple(config["farshore:accounts"]) or ("lab",)
    except OSError as error:
        raise LabError(f"{stack_file}: {error.strerror}, allowed: a stack file; name another") from error
    except (yaml.YAMLError, KeyError, TypeError):
        return ("lab",)  # what is wrong with it is the program's to say


def _names(outputs: dict[str, Any]) -> dict[str, list[str]]:
    """Return the DNS records that the deployment asks for, as the lab's resolver takes them."""
    names: dict[str, list[str]] = {}
    for record in outputs["dns"]:
        names.setdefault(record["name"], []).append(record["value"])
    return names


def _become(command: list[str]) -> None:
    os.execvp(command[0], command)  # noqa: S606 - the caller's terminal and exit code are the program's own


def _refusing(do: Callable[[], T]) -> T:
    """Do something, and end with one message where it is refused."""
    try:
        return do()
    except (RefusalError, ImageError, LabError, EngineError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from error

"""`farshore lab`: a whole deployment on this machine, from an empty one to a page, and away again."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import typer
import yaml
from rich.console import Console

from lab.client import Lab, LabError
from lab.machines.image import ImageError, check_obtainable, ensure_image
from lab.machines.qemu_image import ensure_virtual_image
from lab.machines.recipe import RELEASES
from lab.refusals import check_machine
from lab.registry import RefusalError, Registration
from plan.stack.hosts import Server
from tools.birth import BirthError, await_birth
from tools.deployment import await_page, hosts_of, show_summary, tell_listeners
from tools.lab_faults import app as faults
from tools.records import publish_answering, publish_known
from tools.snapshot import check_source, restore_deployment, save_deployment
from tools.workspace import ROOT, EngineError, Workspace

app = typer.Typer(no_args_is_help=True, help="A whole deployment on this machine, with no account and no cost.")
app.add_typer(faults)
console = Console(highlight=False)
Name = Annotated[str, typer.Option(help="The lab's name; several stand side by side.")]
LABS = ROOT / ".lab"
Machines: TypeAlias = Literal["nspawn", "vm"]
T = TypeVar("T")


@app.command()
def up(
    name: Name = "lab",
    stack_file: Annotated[Path, typer.Option(readable=False, help="What to deploy.")] = ROOT / "Pulumi.lab.yaml",
    image: Annotated[Literal["stock", "fast"], typer.Option(help="stock: packages come by cloud-init.")] = "fast",
    port: Annotated[int, typer.Option(help="Of the cloud's API; 0 for any.")] = 0,
    machines: Annotated[
        Machines | None, typer.Option(help="nspawn: seconds; vm: Debian's own kernel, minutes.")
    ] = None,
) -> None:
    """Deploy, and say where the page is. Run again, it changes what has changed and nothing else."""
    _refusing(lambda: _up(_Wanted(name, stack_file, image, machines, port)))


@app.command()
def snapshot(folder: Annotated[Path, typer.Argument(help="A new one.")], name: Name = "lab") -> None:
    """Save a lab of virtual machines as it runs, with all that belongs to it; it holds every secret of the lab."""
    _refusing(lambda: _snapshot(name, folder))


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="What `snapshot` has made.")],
    name: Name = "lab",
    port: Annotated[int, typer.Option(help="Of the cloud's API; 0 for any.")] = 0,
) -> None:
    """Stand a saved lab up again, in seconds, under this or another name."""
    _refusing(lambda: _restore(name, folder, port))


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
    family = "IPv4" if found.ipv4 else "IPv6"
    console.print(f"every TCP port of {host} over {family}, about 15 s …")
    look = ["nmap", "-n", "-Pn", "-p-", "--min-rate", "20000", "--max-retries", "1", *([] if found.ipv4 else ["-6"])]
    _become(attacker.command([*look, found.public]))


@app.command()
def shell(host: str, name: Name = "lab") -> None:
    """Open a shell on a host."""
    lab = _refusing(lambda: Lab.open(_folder(name)))
    server = _refusing(lambda: hosts_of(lab).named(host)).server_name
    _become(_refusing(lab.machine(server).shell_command))


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def pulumi(arguments: list[str], name: Name = "lab") -> None:
    """Run the engine with this lab's state: farshore lab pulumi stack output."""
    lab = _refusing(lambda: Lab.open(_folder(name)))
    work = Workspace.of_lab(lab)
    os.chdir(work.project)
    command = work.command(*arguments)
    os.execvpe(command[0], command, work.environment)  # noqa: S606 - the caller's own terminal


@dataclass(frozen=True)
class _Wanted:
    """What `up` is asked for; `machines` is None for whatever the lab has."""

    name: str
    stack_file: Path
    image: Literal["stock", "fast"]
    machines: Machines | None
    port: int


def _snapshot(name: str, folder: Path) -> None:
    lab = Lab.open(_folder(name))
    if (lab.folder / "unfinished").exists():
        raise LabError(f"lab {name}: `up` is under way or was interrupted, allowed: a finished one; run `up` again")
    with console.status("saving"):
        save_deployment(lab, Workspace.of_lab(lab), folder)
    console.print(f"lab {name}: saved in {folder}; stand it up again: bin/farshore lab restore --name NAME {folder}")


def _restore(name: str, source: Path, port: int) -> None:
    registration, folder = Registration(name), _folder(name)
    check_machine(virtual=True)
    registration.refuse_if_running()
    check_source(source)
    if folder.exists():
        _down(name)
    with console.status("standing up"):
        lab = restore_deployment(name, folder, source, port=port)
    outputs = Workspace.of_lab(lab).outputs()
    await_page(lab, outputs, console)
    show_summary(name, hosts_of(lab), outputs, console)


def _up(wanted: _Wanted) -> None:
    name, folder = wanted.name, _folder(wanted.name)
    unfinished, failed = folder / "unfinished", folder / "failed"
    if unfinished.exists():
        console.print(f"lab {name}: an earlier `up` was interrupted; removing what it left")
        _down(name)
    lab = _open_or_start(wanted)
    unfinished.touch()
    work = Workspace.of_lab(lab)
    work.prepare(wanted.stack_file, lab.tokens)
    # After a failed one the state can have what no account ever saw.
    code = work.show("up", "--yes", "--skip-preview", "--suppress-outputs", *(["--refresh"] if failed.exists() else []))
    if code:
        failed.touch()
        unfinished.unlink()
        sys.stderr.write(f"{_next_after_failure(name)}\n")
        raise typer.Exit(code)
    failed.unlink(missing_ok=True)
    outputs = work.outputs()
    hosts = hosts_of(lab)
    publish_known(lab, outputs)
    try:
        await_birth(lab, hosts, console)
    except BirthError:
        unfinished.unlink()  # all is made: what is said leads on from here, and the next `up` waits on
        raise
    publish_answering(lab, outputs, console)
    await_page(lab, outputs, console)
    tell_listeners(lab, hosts.all, console)
    unfinished.unlink()
    show_summary(name, hosts, outputs, console)


def _next_after_failure(name: str) -> str:
    other = f" --name {name}" if name != "lab" else ""
    return (
        f"lab {name}: `up` failed as said above; its cause mended: bin/farshore lab repair{other}, "
        f"then bin/farshore lab up{other} (docs/repair.md)"
    )


def _open_or_start(wanted: _Wanted) -> Lab:
    """Return the lab of this name, started if it does not run."""
    name, folder, virtual = wanted.name, _folder(wanted.name), wanted.machines == "vm"
    images = images_of(wanted.stack_file)
    try:
        lab = Lab.open(folder)
    except LabError:
        Registration(name)  # a bad name, a wrong user or a missing program is refused before anything is made
        check_machine(virtual=virtual)
    else:
        _check_machines(lab, wanted)
        _ensure_images(images, wanted)
        return lab
    accounts = accounts_of(wanted.stack_file)
    if folder.exists():
        _down(name)
    _ensure_images(images, wanted)
    driver = "qemu" if virtual else "nspawn"
    lab = Lab.start(
        name, folder, accounts=accounts, image=wanted.image, releases=images, machines=driver, port=wanted.port
    )
    console.print(f"lab {name}: cloud API at {lab.endpoint}, accounts {', '.join(lab.tokens)}")
    return lab


def _ensure_images(names: tuple[str, ...], wanted: _Wanted) -> None:
    """Build what is missing here, where it is seen; the lab would do it as well, and say so in its log."""
    for name in names:
        check_obtainable(RELEASES[name])  # refused before minutes go into another
    for name in names:
        image = ensure_image(wanted.image, release=RELEASES[name], say=console.print)
        if wanted.machines == "vm":
            ensure_virtual_image(image, release=image.release.codename, say=console.print)


def _check_machines(lab: Lab, wanted: _Wanted) -> None:
    if wanted.machines is None:
        return
    found = "vm" if lab.world()["virtual"] else "nspawn"
    if wanted.machines != found:
        raise LabError(
            f"machines: {wanted.machines}, allowed: {found}, which lab {lab.name!r} has; "
            f"end it first: bin/farshore lab down --name {lab.name}"
        )


def _down(name: str) -> None:
    registration = Registration(name)
    console.print(registration.end())
    folder = _folder(name)
    if folder.parent == LABS:
        shutil.rmtree(folder, ignore_errors=True)


def _folder(name: str) -> Path:
    return LABS / name


def accounts_of(stack_file: Path) -> tuple[str, ...]:
    """Return the names of a stack file's accounts: the cloud projects that the lab has to have."""
    try:
        config: Any = yaml.safe_load(stack_file.read_text(encoding="utf-8"))["config"]
        return tuple(config["farshore:accounts"]) or ("lab",)
    except OSError as error:
        raise LabError(f"{stack_file}: {error.strerror}, allowed: a stack file; name another") from error
    except (yaml.YAMLError, KeyError, TypeError):
        return ("lab",)  # what is wrong with it is the program's to say


def images_of(stack_file: Path) -> tuple[str, ...]:
    """Return the images that a stack file's servers boot from, of those that the lab has."""
    default = str(Server.model_fields["image"].default)
    try:
        config: Any = yaml.safe_load(stack_file.read_text(encoding="utf-8"))["config"]
        hosts = [*config["farshore:shields"].values(), *config["farshore:origins"].values()]
        wanted = {host.get("image", default) for host in hosts}
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError):
        wanted = {default}  # what is wrong with it is the program's to say
    return tuple(sorted(wanted & RELEASES.keys())) or (default,)


def _become(command: list[str]) -> None:
    os.execvp(command[0], command)  # noqa: S606 - the caller's terminal and exit code are the program's own


def _refusing(do: Callable[[], T]) -> T:
    """Do something, and end with one message where it is refused."""
    try:
        return do()
    except (RefusalError, ImageError, LabError, EngineError, TimeoutError) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(2) from error

"""`farshore operator`: let a person's device in, show what it needs once, and put it out again."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import segno
import typer
from rich.console import Console
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from cloud_init import Material, render_device
from cloud_init.device import PRESHARED_KEY, PRIVATE_KEY
from lab.client import Lab, LabError
from plan import Plan, StackError
from plan.addresses import FIRST_HOST_SLOT, LAST_DEVICE_SLOT
from plan.model import Ref
from tools.lab import LABS
from tools.repair_stack import HETZNER, OwnWorkspace, bare
from tools.stack_edit import EditError, edit, replace_file, section
from tools.workspace import ROOT, EngineError, Workspace, write_private

app = typer.Typer(no_args_is_help=True, help="People's devices: let one in, or put it out.")
console = Console(highlight=False, soft_wrap=True)
FIRST_SLOT = 200  # where operators begin, so that origins have room below
T = TypeVar("T")
Stack = Annotated[str, typer.Option(help="Pulumi's stack name.")]
ConfigFile = Annotated[Path | None, typer.Option(readable=False, help="The stack file, unless Pulumi.<stack>.yaml.")]
InLab = Annotated[str | None, typer.Option("--lab", help="The deployment is this lab's.")]


@dataclass(frozen=True)
class Target:
    """A stack whose file is edited, and the engine's side of it."""

    file: Path
    stack: str
    work: Workspace


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Of the device: lower-case letters, digits and dashes.")],
    *,
    stack: Stack = "prod",
    config_file: ConfigFile = None,
    lab: InLab = None,
    reach: Annotated[
        list[str] | None, typer.Option(help="press, press/web, press/ssh or a LAN; again for more.")
    ] = None,
    tunnel: Annotated[Literal["split", "full"], typer.Option(help="full: everything goes through.")] = "split",
    system: Annotated[Literal["any", "linux"], typer.Option(help="linux: a file for wg-quick, and no app.")] = "any",
    dns: Annotated[list[str] | None, typer.Option(help="Resolver while connected; full needs one.")] = None,
    shields: Annotated[list[str] | None, typer.Option("--shield", help="Which to dial; all by default.")] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last day on which it is let in.")
    ] = None,
    psk: Annotated[bool, typer.Option(help="A preshared key beside the public ones.")] = True,
    into: Annotated[Path, typer.Option(help="Folder for its files.")] = Path(),
) -> None:
    """Make a device's key on this machine, write its public half into the stack file, and show its files once."""
    from components.keys import preshared_key, wireguard_key

    target = _refusing(lambda: _target(stack, config_file, lab))
    outputs = _refusing(target.work.outputs)
    keys = wireguard_key()
    shared = preshared_key()["private"] if psk else None
    entry = CommentedMap(public_key=keys["public"], tunnel=tunnel)
    day = until and DoubleQuotedScalarString(f"{until:%Y-%m-%d}")  # unquoted, Pulumi would hand over a time
    said = {"system": None if system == "any" else system, "reach": reach, "dns": dns, "shields": shields, "until": day}
    entry |= {key: value for key, value in said.items() if value}
    for file in (into / f"{name}-{shield}.conf" for shield in outputs["shields"]):
        if file.exists():
            _refuse(f"{file}: there is one already, allowed: a new file; remove it or name another folder")

    def change(config: CommentedMap) -> None:
        operators = section(config, "operators")
        if name in operators:
            raise EditError(f"operator {name!r}: there already, allowed: a new one; revoke it first")
        entry.insert(0, "slot", _free_slot(config))
        operators[name] = entry

    before = target.file.read_text(encoding="utf-8") if target.file.exists() else ""
    found = _refusing(lambda: edit(target.file, stack=target.stack, change=change))
    try:
        files = _files(found, name, outputs, keys["private"], shared)
        if shared is not None:
            target.work.run(["config", "set", "--secret", "--path", _psk(name), *target.work.where], given=shared)
    except (EngineError, KeyError) as error:
        replace_file(target.file, before)
        _refuse(f"operator {name}: {error}; nothing is changed")
    _show(files, name, into)
    again = f"make up LAB={lab}" if lab else f"pulumi up --stack {stack}"
    console.print(f"{target.file.name} has its public key; let it in with: {again}")


@app.command()
def revoke(
    name: str,
    *,
    stack: Stack = "prod",
    config_file: ConfigFile = None,
    lab: InLab = None,
) -> None:
    """Take a device out of the stack file; the next `up` puts it out everywhere."""
    target = _refusing(lambda: _target(stack, config_file, lab))

    def change(config: CommentedMap) -> None:
        operators = section(config, "operators")
        if name not in operators:
            known = ", ".join(operators) or "none"
            raise EditError(f"operator: {name!r}, allowed: {known}; name one")
        del operators[name]
        if not operators:
            del config["farshore:operators"]

    _refusing(lambda: edit(target.file, stack=target.stack, change=change))
    _refusing(lambda: _remove_psk(target, name))
    again = f"make up LAB={lab}" if lab else f"pulumi up --stack {stack}"
    console.print(f"{name} is out of {target.file.name}; put it out everywhere with: {again}")


def _target(stack: str, config_file: Path | None, lab: str | None) -> Target:
    if lab is None:
        file = config_file and config_file.absolute()  # the engine runs in the project's folder
        work: Workspace = OwnWorkspace(folder=ROOT, stack=stack, endpoint=HETZNER, config_file=file)
        return Target(work.stack_file, bare(stack), work)
    work = Workspace.of_lab(Lab.open(LABS / lab))
    return Target(config_file or ROOT / "Pulumi.lab.yaml", work.stack, work)


def _free_slot(config: CommentedMap) -> int:
    """Return the first number from 200 on that no origin and no device has."""
    entries = [
        entry
        for key in ("origins", "operators", "gateways")
        for entry in (config.get(f"farshore:{key}") or {}).values()
        if isinstance(entry, dict)
    ]
    used = {entry.get("slot") for entry in entries}
    slots: tuple[int, ...] = (*range(FIRST_SLOT, LAST_DEVICE_SLOT + 1), *range(FIRST_HOST_SLOT, FIRST_SLOT))
    for slot in slots:
        if slot not in used:
            return slot
    raise EditError("operators: every number from 2 to 254 is taken, allowed: a free one; revoke one first")


def _files(found: Plan, name: str, outputs: dict[str, Any], private: str, shared: str | None) -> dict[str, str]:
    """Return the files of a device by shield."""
    device = next(one for one in found.devices if one.name == name)
    values: dict[str, str] = {}
    for shield, addresses in outputs["shields"].items():
        if "ipv4" in addresses:
            values[f"ipv4:{shield}"] = addresses["ipv4"]
        if "ipv6" in addresses:
            values[f"ipv6:{shield}"] = str(IPv6Network((addresses["ipv6"], 64), strict=False).network_address)
    values |= {f"public:{of}": said["public_key"] for of, said in outputs["tunnels"].items()}
    files = {}
    for tunnel in device.tunnels:
        if str(tunnel.peer.public_key) not in values:
            raise EngineError(f"shield {tunnel.shield}: not deployed, allowed: one that is; run `up` first")
        # The plan was made without secrets, and knows of no preshared key.
        psk = Ref("psk", name) if shared is not None else None
        told = replace(tunnel, peer=replace(tunnel.peer, preshared_key=psk))
        text = render_device(device, told, Material(values)).replace(PRIVATE_KEY, f"PrivateKey = {private}")
        files[tunnel.shield] = text.replace(PRESHARED_KEY, f"PresharedKey = {shared}")
    return files


def _remove_psk(target: Target, name: str) -> None:
    text = target.work.stack_file.read_text(encoding="utf-8")
    if "psks:" in text:
        target.work.run(["config", "rm", "--path", _psk(name), *target.work.where])


def _psk(name: str) -> str:
    """Return where the stack file keeps a device's preshared key, encrypted."""
    return f"farshore:secrets.psks.{name}"


def _show(files: dict[str, str], name: str, into: Path) -> None:
    """Write a device's files where their owner alone can read them, and draw their codes."""
    into.mkdir(parents=True, exist_ok=True)
    for shield, text in files.items():
        conf, image = into / f"{name}-{shield}.conf", into / f"{name}-{shield}.png"
        write_private(conf, text)
        os.close(os.open(image, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        code = segno.make(text, error="l", micro=False)
        code.save(str(image), scale=6)
        console.print(f"{conf} and {image}: for {name}, and for nobody else; they are not kept anywhere else")
        if sys.stdout.isatty():
            code.terminal(compact=True)


def _refusing(do: Callable[[], T]) -> T:
    try:
        return do()
    except (EditError, EngineError, LabError, StackError) as error:
        _refuse(str(error))


def _refuse(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    raise typer.Exit(2)

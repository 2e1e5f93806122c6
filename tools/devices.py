"""Devices that are not ours: let one in by its public key, write its files, put it out again."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv6Network
from typing import TYPE_CHECKING, Any, Literal

from cloud_init import Material, render_device
from cloud_init.device import PRESHARED_KEY, PRIVATE_KEY
from plan.addresses import FIRST_HOST_SLOT, LAST_DEVICE_SLOT
from plan.model.refs import Ref
from tools.plan import read_config, read_plan
from tools.stack_edit import EditError, edit, replace_file, section
from tools.workspace import ROOT, EngineError, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from ruamel.yaml.comments import CommentedMap

    from plan import Plan
    from tools.target import Target

Kind = Literal["operator", "gateway"]
FIRST_SLOT = 200  # where devices begin, so that origins have room below


def let_in(target: Target, kind: Kind, name: str, entry: CommentedMap, *, into: Path, psk: bool) -> dict[Path, str]:
    """Make a device's key, write its public half into the stack file, and return its files, which hold the private one.

    Args:
        target: The stack.
        kind: Of the device.
        name: Of the device.
        entry: What the stack file says of it; slot and public key are added.
        into: Folder of the files.
        psk: A preshared key is made as well, and set as a secret of the stack.

    Raises:
        EditError: A file is there already, or the device is; nothing is changed.
        StackError: The stack file would be refused with it; nothing is changed.
        EngineError: A shield is not deployed, or the secret can't be set; nothing is changed.
    """
    # Pulumi's SDK takes a quarter of a second to load: only what makes a key needs it.
    from components.keys import preshared_key, wireguard_key

    outputs = target.work.outputs()
    for path in (_path(into, name, shield) for shield in outputs["shields"]):
        if path.exists():
            raise EditError(f"{path}: there is one already, allowed: a new file; remove it or name another folder")
    keys = wireguard_key()
    shared = preshared_key()["private"] if psk else None
    entry.insert(0, "public_key", keys["public"])

    def change(config: CommentedMap) -> None:
        known = section(config, f"{kind}s")
        if name in known:
            raise EditError(f"{kind} {name!r}: there already, allowed: a new one; revoke it first")
        entry.insert(0, "slot", _free_slot(config))
        known[name] = entry

    before = target.file.read_text(encoding="utf-8") if target.file.exists() else ""
    found = edit(target.file, stack=target.stack, change=change)
    try:
        files = _render(found, name, outputs, psk=psk)
        if shared is not None:
            target.work.run(["config", "set", "--secret", "--path", _psk(name), *target.work.where], given=shared)
    except (EngineError, KeyError) as error:
        replace_file(target.file, before)
        raise EngineError(f"{kind} {name}: {error}; nothing is changed") from error
    secrets = {PRIVATE_KEY: f"PrivateKey = {keys['private']}", PRESHARED_KEY: f"PresharedKey = {shared}"}
    return {_path(into, name, shield): _filled(text, secrets) for shield, text in files.items()}


def put_out(target: Target, kind: Kind, name: str) -> None:
    """Take a device and its preshared key out of the stack file.

    Raises:
        EditError: There is none of this name; nothing is changed.
        StackError: The stack file would be refused without it; nothing is changed.
        EngineError: The secret can't be removed.
    """

    def change(config: CommentedMap) -> None:
        known = section(config, f"{kind}s")
        if name not in known:
            raise EditError(f"{kind}: {name!r}, allowed: {', '.join(known) or 'none'}; name one")
        del known[name]
        if not known:
            del config[f"farshore:{kind}s"]

    edit(target.file, stack=target.stack, change=change)
    if _has_psk(target, name):
        target.work.run(["config", "rm", "--path", _psk(name), *target.work.where])


def files_anew(target: Target, kind: Kind, name: str, *, into: Path) -> dict[Path, str]:
    """Return a device's files as of now; where one is there, its keys are taken over, else their lines are markers.

    Args:
        target: The stack.
        kind: Of the device.
        name: Of the device.
        into: Folder of the files.

    Raises:
        EditError: There is no such device.
        StackError: The stack file is refused.
        EngineError: A shield is not deployed.
    """
    text = target.file.read_text(encoding="utf-8")
    found = read_plan(read_config(text), text, stack=target.stack, folder=ROOT)
    known = [device.name for device in found.devices if device.kind == kind]
    if name not in known:
        raise EditError(f"{kind}: {name!r}, allowed: {', '.join(known) or 'none'}; name one")
    files = {}
    for shield, told in _render(found, name, target.work.outputs(), psk=_has_psk(target, name)).items():
        path = _path(into, name, shield)
        files[path] = _filled(told, _secrets_of(path))
    return files


def write_files(files: dict[Path, str]) -> None:
    """Write a device's files where their owner alone can read them."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, text)


def _render(found: Plan, name: str, outputs: dict[str, Any], *, psk: bool) -> dict[str, str]:
    """Return the files of a device by shield, with markers where its keys belong."""
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
        told = replace(tunnel, peer=replace(tunnel.peer, preshared_key=Ref("psk", name) if psk else None))
        files[tunnel.shield] = render_device(device, told, Material(values))
    return files


def _filled(text: str, secrets: dict[str, str]) -> str:
    for marker, line in secrets.items():
        text = text.replace(f"\n{marker}\n", f"\n{line}\n")
    return text


def _secrets_of(path: Path) -> dict[str, str]:
    """Return the lines with keys of a file that is there already, by their markers."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = {}
    for marker in (PRIVATE_KEY, PRESHARED_KEY):
        line = re.search(rf"^{marker.partition(' ')[0]} *= *\S+ *$", text, re.MULTILINE)
        if line:
            found[marker] = line[0]
    return found


def _path(into: Path, name: str, shield: str) -> Path:
    return into / f"{name}-{shield}.conf"


def _psk(name: str) -> str:
    """Return where the stack file keeps a device's preshared key, encrypted."""
    return f"farshore:secrets.psks.{name}"


def _has_psk(target: Target, name: str) -> bool:
    """Tell whether a device has a preshared key; a lab's secrets are in its own stack file, not in the edited one."""
    secrets = read_config(target.work.stack_file.read_text(encoding="utf-8")).get("secrets")
    psks = secrets.get("psks") if isinstance(secrets, dict) else None
    return isinstance(psks, dict) and name in psks


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
    raise EditError("devices: every number from 2 to 254 is taken, allowed: a free one; revoke one first")

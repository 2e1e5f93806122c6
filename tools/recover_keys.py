"""What hosts that run say of themselves, as the keys of a deployment whose state is lost.

WireGuard's private and preshared keys are on the hosts; public halves are worked out from them and believed of
nobody. What only a state had, delivery's keys and the SSH host keys of births, is made anew.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud_init.wireguard import KEYS, private_key_path
from components.keys import (
    birth_stash,
    delivery_stash,
    interface_stash,
    preshared_key,
    psk_stash,
    ssh_birth_key,
    ssh_key,
    wireguard_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from plan import Host, Plan
    from plan.model.refs import Ref

PREFIX: Final = "farshore-keys-"  # the name that __main__.py gives, and what components.deployment adds


class RecoverError(Exception):
    """What keeps a deployment from being recovered, a line each."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))


@dataclass(frozen=True)
class Reading:
    """What one host has.

    Args:
        identity: Stack and host, as it was told.
        pending: A change is applied and not confirmed.
        record: What it was told last and somebody confirmed; contents of secret files are not in it.
        secrets: Those contents by path, None for one that is gone.
    """

    identity: Mapping[str, Any]
    pending: bool
    record: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, str | None] = field(repr=False)


@dataclass(frozen=True)
class FoundKeys:
    """What was found.

    Args:
        stashes: WireGuard's keys by the names of their resources.
        devices: Preshared keys of operators and gateways, by name.
        notes: What the next `up` puts right.
    """

    stashes: Mapping[str, Mapping[str, str]] = field(repr=False)
    devices: Mapping[str, str] = field(repr=False)
    notes: tuple[str, ...]


def parse_reading(host: Host, text: str) -> Reading:
    """Return what a host printed.

    Raises:
        RecoverError: It is no such thing, or another host's.
    """
    try:
        said: Any = json.loads(text)
        record, secrets = said["record"] or {}, said["secrets"]
        reading = Reading(dict(said["identity"]), bool(said["pending"]), dict(record), dict(secrets))
    except (ValueError, KeyError, TypeError):
        raise RecoverError(f"host {host.name}: no answer that can be read, allowed: that of its own program") from None
    found = (reading.identity.get("stack"), reading.identity.get("host"))
    if found != (host.stack, host.name):
        raise RecoverError(
            f"host {host.name}: calls itself {found[1]!r} of stack {found[0]!r}, allowed: {host.name!r} of "
            f"{host.stack!r}; see who has the address"
        )
    if reading.pending:
        raise RecoverError(
            f"host {host.name}: a change that nobody confirmed, allowed: none; wait until it takes that back (three "
            "minutes), or have it do so: farshore-host rollback"
        )
    gone = sorted(path for path, content in reading.secrets.items() if content is None)
    if not reading.record or gone:
        what = f"without {', '.join(gone)}" if gone else "without a record of what it was told"
        raise RecoverError(f"host {host.name}: {what}, allowed: all that it was told; replace it")
    return reading


def find_keys(plan: Plan, readings: Mapping[str, Reading]) -> FoundKeys:
    """Return every WireGuard key that a plan asks for.

    Args:
        plan: Of the stack file.
        readings: Of all its hosts, by name.

    Raises:
        RecoverError: With each key that is not there, or that the stack file does not know.
    """
    faults = [fault for host in plan.hosts for fault in _generation_faults(host, readings[host.name])]
    if faults:
        raise RecoverError(*faults)
    stashes: dict[str, dict[str, str]] = {}
    for host in plan.hosts:
        for interface in host.interfaces:
            name = PREFIX + interface_stash(host, interface)
            found = _secret(readings[host.name], private_key_path(interface))
            stashes[name] = {"private": found, "public": _public_half(found)}
    notes = []
    for tunnel in plan.tunnels:
        near = readings[tunnel.near].secrets.get(f"{KEYS}/{tunnel.near_interface}-{tunnel.far}.psk")
        far = readings[tunnel.far].secrets.get(f"{KEYS}/{tunnel.far_interface}-{tunnel.near}.psk")
        shared = near or far
        if shared is None:  # a tunnel that neither has been told of yet
            shared = preshared_key()["private"]
        if near != far:
            notes.append(f"tunnel {tunnel.near} to {tunnel.far}: not the same at both ends; the next `up` tells them")
        stashes[PREFIX + psk_stash(tunnel)] = {"private": shared.strip()}
    return FoundKeys(stashes, dict(_device_psks(plan, readings)), tuple(notes))


def fresh_key(name: str) -> dict[str, str]:
    """Return a new key for one that was in the state alone: delivery's, or the SSH host key of a birth.

    Raises:
        RecoverError: It is another.
    """
    if name.startswith(PREFIX) and name.endswith("-delivery"):
        return ssh_key()
    if name.startswith(PREFIX) and name.endswith("-ssh-birth"):
        return ssh_birth_key()
    raise RecoverError(f"key {name}: on no host, allowed: WireGuard's, delivery's, a birth's; this is a fault of ours")


def new_key(name: str) -> dict[str, str]:
    """Return a new key for any: of hosts that nobody can open, and which are made again."""
    if name.endswith(("-delivery", "-ssh-birth")):
        return fresh_key(name)
    return preshared_key() if name.endswith("-psk") else wireguard_key()


def delivery_name(host: Host, generation: int) -> str:
    """Return the name of the key by which a host is told changes, of one generation."""
    return PREFIX + delivery_stash(host, generation)


def birth_name(host: Host) -> str:
    """Return the name of the SSH host key that a host is met by."""
    return PREFIX + birth_stash(host)


def _generation_faults(host: Host, reading: Reading) -> Iterator[str]:
    """Yield what a host has and the stack file does not, or the other way: then it is another day's stack file."""
    wanted = {private_key_path(interface) for interface in host.interfaces}
    has = {path for path in reading.secrets if path.startswith(f"{KEYS}/") and path.endswith(".key")}
    remedy = "take the stack file that was deployed last (farshore:generations, shields, meshes)"
    for path in sorted(wanted - has):
        yield f"host {host.name}: no {path}, allowed: the keys of all its interfaces in the stack file; {remedy}"
    for path in sorted(has - wanted):
        yield f"host {host.name}: {path}, allowed: the keys of its interfaces in the stack file alone; {remedy}"


def _device_psks(plan: Plan, readings: Mapping[str, Reading]) -> Iterator[tuple[str, str]]:
    """Yield the preshared keys of devices, which shields have beside those of hosts."""
    for device in plan.devices:
        for shield in plan.shields:
            for path in _paths_of(shield, device.name):
                found = readings[shield.name].secrets.get(path)
                if found is not None:
                    yield device.name, found.strip()


def _paths_of(host: Host, peer: str) -> Iterable[str]:
    return (f"{KEYS}/{interface.name}-{peer}.psk" for interface in host.interfaces)


def _secret(reading: Reading, path: str) -> str:
    return (reading.secrets[path] or "").strip()


def _public_half(private: str) -> str:
    """Return the public half of a key in wg(8)'s base64."""
    try:
        key = X25519PrivateKey.from_private_bytes(base64.b64decode(private, validate=True))
    except ValueError:
        raise RecoverError(
            "a key: no 32 bytes in base64, allowed: what `wg genkey` prints; replace that host"
        ) from None
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def delivery_refs(host: Host) -> dict[Ref, str]:
    """Return the references of a host's delivery keys, and the names of their resources."""
    return {
        ref: delivery_name(host, generation)
        for generation, ref in zip(host.generations, host.delivery_keys, strict=True)
    }

"""Destroy and recreate: what has to stay, what has to be new, and how far a run has come.

Pure, but for `Journal`, which outlives the run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from plan.faults import Fault, choices
from tools.stack_edit import replace_file
from tools.workspace import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from plan import Plan

Step = Literal["destroy", "up"]
ADDRESS: Final = "hcloud:index/primaryIp:PrimaryIp"
VOLUME: Final = "hcloud:index/volume:Volume"
STASH: Final = "pulumi:index:Stash"
DATA_KEY: Final = "-data-key"
# What the world was told, and what is to hold for it after as before; `tunnels` but for their keys.
KEPT_OUTPUTS: Final = ("origins", "shields", "dns", "diagram")


class RecreateError(Exception):
    """It can't be done as things stand, or did not do what it is for; the text says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What of a state is protected, and what is not though it should be.

    Args:
        addresses: How many public addresses.
        volumes: How many data volumes.
        open: Names of addresses, volumes and their keys that a destroy would take.
        keys: Names of the keys that a destroy leaves.
        others: How many resources a destroy takes.
    """

    addresses: int
    volumes: int
    open: tuple[str, ...]
    keys: tuple[str, ...]
    others: int


def find_kept(resources: Sequence[Mapping[str, Any]]) -> Kept:
    """Return what a destroy that spares what is protected leaves.

    Args:
        resources: Of a state, as the engine exports them.
    """
    named = [(str(row["type"]), str(row["urn"]).rpartition("::")[2], row.get("protect") is True) for row in resources]
    precious = [
        (kind, name, protected)
        for kind, name, protected in named
        if kind in {ADDRESS, VOLUME} or (kind == STASH and name.endswith(DATA_KEY))
    ]
    return Kept(
        addresses=sum(kind == ADDRESS and protected for kind, _, protected in precious),
        volumes=sum(kind == VOLUME and protected for kind, _, protected in precious),
        open=tuple(name for _, name, protected in precious if not protected),
        keys=tuple(name for kind, name, protected in named if kind == STASH and protected),
        others=sum(kind.startswith(("hcloud:", STASH)) and not protected for kind, _, protected in named),
    )


def judge_kept(plan: Plan, kept: Kept) -> Iterator[Fault]:
    """Yield a fault where what is to stay would go."""
    if released := [host.name for host in plan.hosts if not host.addresses_kept]:
        yield Fault(
            "farshore:addresses",
            f"release, for {choices(released)}",
            "keep, so that addresses and data volumes outlive it",
            "set it and `up` first; to let all of it go: pulumi destroy",
        )
    elif kept.open:
        yield Fault(
            "state", f"{choices(kept.open)} not protected", "all of them", "`up` first: the stack file says keep"
        )


def tell_loss(plan: Plan) -> str:
    """Return what is erased, for whoever is asked whether that is meant."""
    whole = [host.name for host in plan.hosts if host.data is None]
    parts = [f"{host.name} but what is in {host.data.mount}" for host in plan.hosts if host.data]
    return f"all servers go, nobody is answered until the new ones are up, and the disks of {choices([*whole, *parts])}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What the outputs say of the deployment that went and the one that came.

    Args:
        changed: Outputs that are not what they were.
        tunnels: How many ends of tunnels there are.
        old_keys: Ends of tunnels that have the key of before.
        devices: That need new files.
    """

    changed: tuple[str, ...]
    tunnels: int
    old_keys: tuple[str, ...]
    devices: tuple[str, ...]


def compare_outputs(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """Return what differs between a stack's outputs before and after."""
    was, now = before.get("tunnels") or {}, after.get("tunnels") or {}
    changed = [key for key in KEPT_OUTPUTS if before.get(key) != after.get(key)]
    if {name: _without_key(end) for name, end in was.items()} != {name: _without_key(end) for name, end in now.items()}:
        changed.append("tunnels")
    former = before.get("devices") or {}
    return Difference(
        changed=tuple(changed),
        tunnels=len(now),
        old_keys=tuple(name for name, end in now.items() if end["public_key"] == was.get(name, {}).get("public_key")),
        devices=tuple(name for name, files in (after.get("devices") or {}).items() if files != former.get(name)),
    )


def _without_key(end: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in end.items() if key != "public_key"}


@dataclass(frozen=True)
class Journal:
    """How far a run has come, in a file that is there from its first step to its last: outputs, and no secret.

    Args:
        path: Of the file.
    """

    path: Path

    def read(self) -> tuple[Step, dict[str, Any]] | None:
        """Return the step that was begun, and the outputs of before; None where nothing is unfinished.

        Raises:
            RecreateError: The file is not what this program has written.
        """
        try:
            said = json.loads(self.path.read_text(encoding="utf-8"))
            return said["step"], said["outputs"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            found = f"{self.path}: {type(error).__name__}"
            raise RecreateError(f"{found}, allowed: what an earlier run wrote; remove it, then `up`") from error

    def write(self, step: Step, outputs: Mapping[str, Any]) -> None:
        """Note that a step begins."""
        text = json.dumps({"step": step, "outputs": outputs}, indent=1) + "\n"
        if self.path.exists():
            replace_file(self.path, text)
        else:
            write_private(self.path, text)

    def end(self) -> None:
        """Note that nothing is left to do."""
        self.path.unlink(missing_ok=True)

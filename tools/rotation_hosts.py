"""What running hosts say of their tunnels, asked by the way that delivery takes.

The keys for it come from the state, into files of a folder that only this user can read and that is gone afterwards.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from components.keys import delivery_stash
from tools.repair_state import parse_export, plain
from tools.rotation import RotationError
from tools.ssh_way import believing, ssh_command, ssh_flags
from tools.workspace import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from plan import Host, Plan
    from tools.workspace import Workspace

ASK_WITHIN_S: Final = 120.0  # a host proves for at most a minute
_LINE: Final = re.compile(r"^(ok|FAILS) +(tunnel|handshake) (\S+) (?:to|with) ([^,:\s]+)", re.MULTILINE)
_DEPLOYMENT: Final = "farshore"  # the name that __main__.py gives


@dataclass(frozen=True)
class Doors:
    """The hosts of one deployment, as delivery reaches them.

    Args:
        work: The engine's side.
        plan: Whose ways are taken.
        shields: Public address of each.
        folder: With the keys.
    """

    work: Workspace
    plan: Plan
    shields: dict[str, str]
    folder: Path

    def proven(self, host: Host) -> set[tuple[str, str]]:
        """Return the interfaces and peers between which a host has just proven a tunnel, packets and handshake.

        Raises:
            RotationError: It did not answer.
        """
        return read_proof(self._ask(host, "prove").stdout)

    def received_bytes(self, host: Host) -> dict[tuple[str, str], int]:
        """Return what each interface of a host has received from each peer, since it is up.

        Raises:
            RotationError: It did not answer.
        """
        said: dict[str, dict[str, int]] = self.status(host)["received_bytes"]
        return {(name, peer): count for name, peers in said.items() for peer, count in peers.items()}

    def status(self, host: Host) -> dict[str, Any]:
        """Return what a host says it is; docs/host.md names the parts.

        Raises:
            RotationError: It did not answer, or not all of it.
        """
        done = self._ask(host, "status")
        try:
            said = json.loads(done.stdout)
        except ValueError:
            said = None
        if not isinstance(said, dict) or "received_bytes" not in said:
            raise RotationError(_silent(host, done))
        return said

    def _ask(self, host: Host, word: str) -> subprocess.CompletedProcess[str]:
        """Say one of delivery's words to a host; 1 is the answer of a host that has not proven everything."""
        flags = self._flags(host.name)
        ssh = ssh_command(host, [word], shields=self.shields, flags=flags, flags_on_the_way=self._flags)
        command = [*self.work.enter, *ssh]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=ASK_WITHIN_S, stdin=subprocess.DEVNULL
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RotationError(
                f"host {host.name}: {type(error).__name__} of ssh, allowed: an answer; see that it runs"
            ) from None
        if done.returncode not in {0, 1}:
            raise RotationError(_silent(host, done))
        return done

    def _flags(self, host: str) -> list[str]:
        """Return ssh's flags for one host: its own key, and the one host key that is believed."""
        return ssh_flags(host, self.folder / f"{host}.key", believing(self.folder / "known_hosts"))


def read_proof(text: str) -> set[tuple[str, str]]:
    """Return the interfaces and peers of which a host's `prove` says nothing but good: packets and handshake."""
    found = _LINE.findall(text)
    failed = {(name, peer) for verdict, _, name, peer in found if verdict == "FAILS"}
    proven = [{(name, peer) for _, kind, name, peer in found if kind == wanted} for wanted in ("tunnel", "handshake")]
    return (proven[0] & proven[1]) - failed


@contextmanager
def open_doors(
    work: Workspace, plan: Plan, outputs: dict[str, Any], hosts: Sequence[Host] | None = None
) -> Iterator[Doors]:
    """Take what delivery's connections need from the state, for as long as it is needed.

    Args:
        work: The engine's side.
        plan: Whose ways are taken.
        outputs: The stack's.
        hosts: Those to ask; all of the plan's where it is left out.

    Raises:
        EngineError: The state can't be read.
        RotationError: It has not the keys of all of them.
    """
    told = told_ssh(work)
    asked = plan.hosts if hosts is None else hosts
    lacking = [host.name for host in asked if {_delivery(host), met_name(host)} - told.keys()]
    if lacking:
        raise RotationError(f"state: no keys of {', '.join(lacking)}, allowed: those of every host; `up` first")
    addresses = {
        shield.name: str(outputs["shields"][shield.name][shield.way.family]) for shield in plan.shields if shield.way
    }
    with tempfile.TemporaryDirectory(prefix="farshore-") as name:  # 0700
        folder = Path(name)
        for host in asked:
            write_private(folder / f"{host.name}.key", told[_delivery(host)])
        known = [f"{host.name} {told[met_name(host)].strip()}\n" for host in asked]
        write_private(folder / "known_hosts", "".join(known))
        yield Doors(work, plan, addresses, folder)


def told_ssh(work: Workspace) -> dict[str, str]:
    """Return what a state knows of SSH, by resource: delivery's private keys, and what hosts said they are."""
    export = parse_export(work.run(["stack", "export", "--show-secrets", "--stack", work.stack]))
    found = {}
    for resource in export["deployment"].get("resources", ()):
        name, outputs = str(resource.get("urn", "")).rpartition("::")[2], resource.get("outputs", {})
        if name.startswith(f"{_DEPLOYMENT}-keys-") and name.endswith("-delivery"):
            found[name] = plain(outputs.get("output"))["private"]
        elif name.startswith(f"{_DEPLOYMENT}-delivery-") and name.endswith("-wait"):
            found[name] = plain(outputs.get("stdout"))
    return found


def _delivery(host: Host) -> str:
    """Return the name of the key by which a host is told changes now."""
    return f"{_DEPLOYMENT}-keys-{delivery_stash(host, host.active)}"


def met_name(host: Host) -> str:
    """Return the name of the first contact with a host, which says the SSH host key that was born on it."""
    return f"{_DEPLOYMENT}-delivery-{host.account}.{host.name}-wait"


def _silent(host: Host, done: subprocess.CompletedProcess[str]) -> str:
    """Return what is wrong with a host that does not answer as it should; ssh's words have no secret."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    return (
        f"host {host.name}: {lines[-1] if lines else 'no answer'}, allowed: an answer by SSH; run this where ssh leads"
    )

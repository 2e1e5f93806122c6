"""Order servers at a lab's API, as a customer does."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from lab import cgroups
from lab.client import until
from lab.internet.namespace import namespace_path
from lab.ledger import start_time

if TYPE_CHECKING:
    from pathlib import Path

    from lab.client import Lab, MachineSpot


def packed(cloud_config: str) -> str:
    """Return user data as a server gets it: base64 of gzip in one line, without a newline."""
    return base64.b64encode(gzip.compress(f"#cloud-config\n{cloud_config}".encode(), mtime=0)).decode()


WRITES_A_FILE = packed("write_files:\n- path: /born\n  content: by user data\n")


@dataclass(frozen=True, kw_only=True)
class Customer:
    """Somebody with a token.

    Args:
        lab: Where it opens a project.
        token: What opens it.
    """

    lab: Lab
    token: str = field(repr=False)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the API's answer, with every action it started at its end."""
        answer = httpx.request(
            method, self.lab.endpoint + path, json=body, headers={"Authorization": f"Bearer {self.token}"}
        )
        assert answer.is_success, answer.text
        said: dict[str, Any] = answer.json() if answer.content else {}
        for action in [said.get("action"), *said.get("next_actions", [])]:
            if method != "GET" and action:
                until(partial(self._is_over, action["id"]), 10, f"{action['command']} over")
        return said

    def order(self, name: str, user_data: str = "", **more: object) -> MachineSpot:
        """Order a server and return its machine, which may not be there yet."""
        asked = {"name": name, "server_type": "cx23", "image": "debian-12", "location": "hel1", "user_data": user_data}
        return self.lab.machine(self.ask("POST", "/servers", {**asked, **more})["server"]["id"])

    def server(self, machine: MachineSpot) -> dict[str, Any]:
        """Return what the API says of a server."""
        return dict(self.ask("GET", f"/servers/{machine.name}")["server"])

    def act(self, machine: MachineSpot, action: str, **more: object) -> None:
        """Ask for an action on a server."""
        self.ask("POST", f"/servers/{machine.name}/actions/{action}", more)

    def delete(self, machine: MachineSpot) -> None:
        """Delete a server."""
        self.ask("DELETE", f"/servers/{machine.name}")

    def ipv4(self, machine: MachineSpot) -> str:
        """Return a server's public address."""
        return str(self.server(machine)["public_net"]["ipv4"]["ip"])

    def _is_over(self, action: int) -> bool | None:
        return self.ask("GET", f"/actions/{action}")["action"]["status"] != "running" or None


def customer(lab: Lab) -> Customer:
    """Return the customer of the lab's first project."""
    return Customer(lab=lab, token=next(iter(lab.tokens.values())))


@dataclass(frozen=True, kw_only=True)
class Traces:
    """Everything on this machine that belongs to one server, or to one lab.

    Args:
        namespaces: Network namespaces.
        cgroups: Control groups.
        processes: Process ids in those groups, with their start times.
        folders: Folders and files that still exist.
    """

    namespaces: frozenset[str]
    cgroups: frozenset[Path]
    processes: frozenset[tuple[int, int]]
    folders: frozenset[Path]

    @property
    def left(self) -> list[object]:
        """What of it still exists."""
        found: list[object] = [name for name in self.namespaces if namespace_path(name).exists()]
        found += [path for path in self.cgroups | self.folders if path.exists()]
        found += [pid for pid, started in self.processes if start_time(pid) == started]
        return found


def traces_of_server(lab: Lab, machine: MachineSpot) -> Traces:
    """Return what there is of a server."""
    prefix, run = f"fs-{lab.name}", lab.folder / "run"
    return _traces(
        {f"{prefix}-s{machine.name}", f"{prefix}-m{machine.name}"},
        cgroups.cgroup_root() / prefix / f"m{machine.name}",
        {run / "disks" / machine.name, run / f"console-{machine.name}.log"},
    )


def traces_of_lab(lab: Lab) -> Traces:
    """Return what there is of a lab."""
    prefix = f"fs-{lab.name}"
    names = {path.name for path in namespace_path("").iterdir() if path.name.startswith(f"{prefix}-")}
    return _traces(names, cgroups.cgroup_root() / prefix, {lab.folder / "run"})


def _traces(namespaces: set[str], cgroup: Path, folders: set[Path]) -> Traces:
    pids = {int(pid) for listing in cgroup.rglob("cgroup.procs") for pid in listing.read_text("ascii").split()}
    started = {(pid, started) for pid in pids if (started := start_time(pid)) is not None}
    traces = Traces(
        namespaces=frozenset(namespaces),
        cgroups=frozenset({cgroup}),
        processes=frozenset(started),
        folders=frozenset(folders),
    )
    assert len(traces.left) == len(namespaces) + 1 + len(started) + len(folders), (
        "a trace that is not there proves nothing"
    )
    return traces

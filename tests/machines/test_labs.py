"""Labs as wholes: side by side, killed, ended; and the machine that carries them, which they leave as it was."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lab.client import Lab, LabError, until
from lab.ledger import start_time
from lab.registry import Registration
from tests.labs import lab_name
from tests.machines.ordering import customer, packed, traces_of_lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.client import MachineSpot
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab
SHOW_MARK = ["ip", "link", "show", "mark0"]


@pytest.fixture
def name() -> str:
    """Return the name of a lab of the test's own."""
    return lab_name("b")


@pytest.fixture
def start(name: str, tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Return what starts the test's own lab; whatever was started is ended after the test."""
    started: list[Lab] = []

    def act(**wanted: Any) -> Lab:
        started.append(Lab.start(name, tmp_path, **wanted))
        return started[-1]

    yield act
    for lab in started:
        lab.stop()


def ping(lab: Lab, address: str) -> int:
    """Return the exit code of a visitor's ping."""
    return lab.place("visitor").run(["ping", "-c", "1", "-W", "1", address]).returncode


def test_two_labs_do_not_see_each_other(
    lab: Lab, somebody: Customer, grown: MachineSpot, start: Callable[..., Lab]
) -> None:
    """The same addresses and names live in both, and neither's reach the other."""
    other = start()
    address = somebody.ipv4(grown)
    lab.publish_names({"only.example.com": [address]})
    asked = ["getent", "hosts", "only.example.com"]
    assert until(lambda: lab.place("visitor").run(asked).stdout or None, 5, "the name")
    assert other.place("visitor").run(asked).returncode == 2
    assert ping(lab, address) == 0
    assert ping(other, address) != 0
    assert set(other.world()["places"].values()).isdisjoint(lab.world()["places"].values())


def test_a_lab_that_ends_leaves_nothing(name: str, start: Callable[..., Lab]) -> None:
    """SIGTERM with a machine running: exit code 0, and no process, namespace, control group or file is left."""
    lab = start()
    machine = customer(lab).order("brief")
    until(lambda: _on(machine), 20, "the machine on")
    traces = traces_of_lab(lab)
    assert len(traces.namespaces) == 7
    lab.stop()
    assert traces.left == []
    assert lab.exit_code == 0
    assert not Path("/run/farshore", name).exists()


def test_a_killed_lab_is_cleaned_up_by_the_next_start(name: str, start: Callable[..., Lab]) -> None:
    """After `kill -9` its processes are gone at once; the next start removes the rest, keeps port and tokens, works."""
    killed = start()
    machine = customer(killed).order("brief")
    until(lambda: _on(machine), 20, "the machine on")
    traces = traces_of_lab(killed)
    killed.place("visitor").run(["ip", "link", "add", "mark0", "type", "bridge"], check=True)
    assert killed.place("visitor").run(SHOW_MARK).returncode == 0
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: all(start_time(pid) != at for pid, at in traces.processes) or None, 10, "its processes gone")
    assert namespaces(name) == traces.namespaces
    with pytest.raises(LabError, match=r"not running, allowed: a running one"):
        Lab.open(killed.folder)
    again = start()
    assert (again.endpoint, again.tokens) == (killed.endpoint, killed.tokens)
    of_the_machine = {f"fs-{name}-m{machine.name}", f"fs-{name}-s{machine.name}"}
    assert namespaces(name) == traces.namespaces - of_the_machine
    assert again.place("visitor").run(SHOW_MARK).returncode != 0
    assert again.world()["machines"] == []
    assert again.place("visitor").run(["true"]).returncode == 0


def test_down_cleans_up_after_a_killed_lab(name: str, start: Callable[..., Lab]) -> None:
    """`python -m lab down` removes what a killed lab left and says so; a second one has nothing to do."""
    killed = start()
    traces = traces_of_lab(killed)
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: not killed.alive or None, 5, "the lab killed")
    assert Registration(name).end().endswith("leftovers removed")
    assert traces.left == []
    assert Registration(name).end() == f"lab {name}: nothing to do"


def test_the_host_is_as_it_was(name: str, start: Callable[..., Lab]) -> None:
    """Addresses, routes, rules, mounts, firewall and /etc of this machine: the same during a lab's life and after."""
    before = host_state(name)
    lab = start()
    machine = customer(lab).order("brief", packed("runcmd: [true]\n"))
    until(lambda: _on(machine), 20, "the machine on")
    during = host_state(name)
    assert {key: value for key, value in during.items() if key != "mounts"} == {
        key: value for key, value in before.items() if key != "mounts"
    }
    added = set(during["mounts"].splitlines()) - set(before["mounts"].splitlines())
    assert {line.split()[1].rpartition("/")[0] for line in added} == {"/run/netns"}
    lab.stop()
    assert host_state(name) == before


def test_the_labs_files_belong_to_its_owner_alone(lab: Lab) -> None:
    """Whatever holds a token, an address or a console is closed to others."""
    assert {(lab.folder / file).stat().st_mode & 0o777 for file in ("lab.json", "world.json")} == {0o600}
    assert (lab.folder / "run").stat().st_mode & 0o777 == 0o700
    assert {len(token) for token in lab.tokens.values()} == {64}


def test_a_lab_without_machines_is_the_api_alone(name: str, start: Callable[..., Lab]) -> None:
    """`machines: none` answers the API and makes no namespace."""
    lab = start(machines="none", accounts=("edge", "vault"))
    assert sorted(lab.tokens) == ["edge", "vault"]
    assert customer(lab).ask("GET", "/servers")["servers"] == []
    assert namespaces(name) == set()
    with pytest.raises(LabError, match=r"world\.json: not found"):
        lab.place("visitor")


def namespaces(name: str) -> set[str]:
    """Return a lab's namespaces that exist."""
    return {path.name for path in Path("/run/netns").glob(f"fs-{name}-*")}


def host_state(name: str) -> dict[str, str]:
    """Return what a lab could have changed on this machine, other labs' namespaces left out."""
    asked = {
        "addresses": ["ip", "address"],
        "routes": ["ip", "route", "show", "table", "all"],
        "routes 6": ["ip", "-6", "route", "show", "table", "all"],
        "rules": ["ip", "rule"],
        "firewall": ["nft", "list", "ruleset"],
        "mounts": ["findmnt", "--list", "--noheadings", "--output", "SOURCE,TARGET,OPTIONS"],
    }
    state = {
        key: subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for key, command in asked.items()
    }
    state["addresses"] = "\n".join(line for line in state["addresses"].splitlines() if "valid_lft" not in line)
    state["mounts"] = "\n".join(
        line for line in state["mounts"].splitlines() if "/run/netns/" not in line or f"/fs-{name}-" in line
    )
    state["etc"] = "\n".join(
        f"{path} {info.st_mode} {info.st_size} {info.st_mtime_ns}"
        for path in sorted(Path("/etc").rglob("*"))
        for info in [path.lstat()]
    )
    return state


def _on(machine: MachineSpot) -> bool | None:
    try:
        return machine.leader_pid is not None or None
    except LabError:
        return None

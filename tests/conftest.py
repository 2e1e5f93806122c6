"""Seal what is pure: only a test marked `lab` may start a process or open a connection.

The default run has four workers: much of a lab's time is waiting. Tests that share a lab stay together on one of them,
the longest of these first.

The end-to-end tests run on either kind of machine: `--machines=vm` has them on virtual ones, with Debian's own kernel.
Those that stand on such machines are then marked `vm`, and `long` as well where they say `long_on_vm`. So is a rotation
under load.
"""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import settings

# An example takes as long as the machine is busy: a limit in milliseconds would fail tests that state no time.
settings.register_profile("farshore", deadline=None)
settings.load_profile("farshore")

if TYPE_CHECKING:
    from tools.lab import Machines


class Unsealed(BaseException):
    """A pure test reached for the world; no `except Exception` in the code under test can hide it."""


def _refuse(*arguments: Any, **_: Any) -> NoReturn:
    raise Unsealed(f"a test without the mark `lab` started a process or a connection: {arguments[1:]!r}")


# Folder -> where its tests run: folders of one name share a worker, and so the labs of its session.
TOGETHER = {
    "first_light": "deployed",
    "machines": "machines",
    "internet": "machines",
    "lab_faults": "machines",
    "firewall": "firewall",
    "topologies": "deployed",
    "delivery": "delivery",
    "changes": "changes",
    "machines_vm": "machines_vm",
    "host_live": "host_live",
}
# Deployments whose machines are what `--machines` says; the others are of one kind.
OF_EITHER_KIND = {"deployed", "mixed", "laden"}


# What only asks the programs of a host whether they take a file: it is nothing to them which engine made the host.
WHOEVER_DEPLOYED = {"test_parsers.py", "test_generated.py"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose what the end-to-end tests run on, and which engine deploys in them."""
    parser.addoption(
        "--machines", choices=["nspawn", "vm"], default="nspawn", help="of the deployment: nspawn (default), or vm"
    )
    parser.addoption(
        "--engine",
        choices=("any", "stand-in", "pulumi"),
        default="any",
        help="what deploys in tests/first_light: the lab's stand-in, or the `pulumi` on PATH; by default what is there",
    )


@pytest.fixture(scope="session")
def machines(request: pytest.FixtureRequest) -> Machines:
    """What the end-to-end tests run on."""
    chosen: Machines = request.config.getoption("--machines")
    return chosen


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of one lab together, begin with the longest group, and know what else the options ask for."""
    for item in items:
        if (
            config.getoption("--machines") == "vm"
            and item.path.parent.name in {"first_light", "changes"}
            and _stands_on_machines(item)
        ):
            item.add_marker(pytest.mark.vm)
            if item.get_closest_marker("long_on_vm"):
                item.add_marker(pytest.mark.long)
        deploys = item.path.parent.name == "first_light" and item.path.name not in WHOEVER_DEPLOYED
        if config.getoption("--engine") == "pulumi" and deploys:
            item.add_marker(pytest.mark.pulumi)
        group = TOGETHER.get(item.path.parent.name)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))
    order = [*dict.fromkeys(TOGETHER), ""]
    items.sort(key=lambda item: order.index(name if (name := item.path.parent.name) in TOGETHER else ""))


def _stands_on_machines(item: pytest.Item) -> bool:
    if not isinstance(item, pytest.Function):
        return False
    asked = set(item.fixturenames)
    if hasattr(item, "callspec"):
        asked |= {value for value in item.callspec.params.values() if isinstance(value, str)}
    return not OF_EITHER_KIND.isdisjoint(asked) or "machines" in asked


@pytest.fixture(autouse=True)
def _sealed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("lab") is None:
        monkeypatch.setattr(subprocess.Popen, "__init__", _refuse)
        monkeypatch.setattr(socket.socket, "connect", _refuse)

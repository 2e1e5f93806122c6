"""A deployment of this room's own: a shield and an origin whose program is what is tested; each test leaves it whole.

The program runs with the Python, the tools and the systemd of each release: Debian 12's in the default run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import Deployed, farshore, of_release
from tests.first_light.provided import up
from tests.host_live.bundles import HOST, Bundle, apply, confirmed, standing, status
from tests.labs import lab_name
from tests.machines.releases import have

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot


@pytest.fixture(
    scope="session",
    params=["debian-12", *(pytest.param(image, marks=pytest.mark.long) for image in ("debian-13", "ubuntu-24.04"))],
)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy a shield and an origin of one release."""
    have(request.param)
    name, stack_file = lab_name("ho"), tmp_path_factory.mktemp("host") / "Pulumi.host.yaml"
    stack_file.write_text(of_release(request.param), encoding="utf-8")
    try:
        yield Deployed(name, up(name, "nspawn", "--stack-file", str(stack_file)))
    finally:
        farshore("lab", "down", "--name", name)


@pytest.fixture(scope="session")
def virtual() -> Iterator[Deployed]:
    """Deploy a shield and an origin on kernels of their own."""
    name = lab_name("hv")
    try:
        yield Deployed(name, up(name, "vm"))
    finally:
        farshore("lab", "down", "--name", name)


@pytest.fixture
def shield(pair: Deployed) -> Iterator[MachineSpot]:
    """Return the shield; after the test it is what it was at birth, and nothing is unconfirmed."""
    yield from whole(pair.machine("falkenstein"))


@pytest.fixture
def origin(pair: Deployed) -> Iterator[MachineSpot]:
    """Return the origin, with the same promise."""
    yield from whole(pair.machine("press"))


@pytest.fixture
def told(shield: MachineSpot) -> Bundle:
    """Return what the shield was told."""
    return standing(shield)


def whole(machine: MachineSpot) -> Iterator[MachineSpot]:
    """Yield a host, and have it be what it was."""
    before = standing(machine)
    yield machine
    machine.run([HOST, "rollback"], within_s=240)
    if "unchanged" not in apply(machine, before).stdout:
        confirmed(machine, before)
    found = status(machine)
    assert (found["state"], found["drift"]) == ("confirmed", []), found

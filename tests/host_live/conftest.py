"""A deployment of this room's own: a shield and an origin whose program is what is tested; each test leaves it whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import Deployed, farshore
from tests.first_light.provided import up
from tests.host_live.bundles import HOST, Bundle, apply, confirmed, standing, status
from tests.labs import lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot


@pytest.fixture(scope="session")
def pair() -> Iterator[Deployed]:
    """Deploy a shield and an origin, of Debian 12."""
    name = lab_name("ho")
    try:
        yield Deployed(name, up(name, "nspawn"))
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

"""One internet for all tests of this room that need no machine; one lab with one machine for those that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.lab_faults.standing import Standing
from tests.labs import lab_name
from tests.machines.ordering import Customer, customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot


@pytest.fixture(scope="session")
def _internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Return an internet with two servers."""
    standing = Standing(tmp_path_factory.mktemp("internet"))
    try:
        standing.start()
        yield standing
    finally:
        standing.stop()


@pytest.fixture
def internet(_internet: Standing) -> Iterator[Standing]:
    """Return the internet, with nothing wrong before the test and after it."""
    yield _internet
    _internet.heal()
    _internet.forget_paths()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab that runs."""
    started = Lab.start(lab_name("y"), tmp_path_factory.mktemp("lab"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def somebody(lab: Lab) -> Customer:
    """Return a customer of the lab."""
    return customer(lab)


@pytest.fixture(scope="session")
def _machine(somebody: Customer) -> MachineSpot:
    return somebody.order("press")


@pytest.fixture
def machine(_machine: MachineSpot, lab: Lab) -> Iterator[MachineSpot]:
    """Return a machine that was born, with nothing wrong before the test and after it."""
    _machine.wait_born()
    yield _machine
    lab.heal()

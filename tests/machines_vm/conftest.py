"""One lab with one virtual machine for all tests of this room: a boot takes most of a minute where there is no KVM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.labs import lab_name
from tests.machines.ordering import WRITES_A_FILE, Customer, customer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab whose machines are virtual ones."""
    # An image may have to be built first, or be waited for, if another worker builds it.
    started = Lab.start(lab_name("v"), tmp_path_factory.mktemp("lab"), machines="qemu", within_s=600)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def somebody(lab: Lab) -> Customer:
    """Return a customer of the lab."""
    return customer(lab)


@pytest.fixture(scope="session")
def machine(somebody: Customer) -> MachineSpot:
    """Return a machine that was born, and that each test leaves running."""
    ordered = somebody.order("virtual", WRITES_A_FILE)
    ordered.wait_born(420)
    return ordered

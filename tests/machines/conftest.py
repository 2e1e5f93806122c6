"""One lab with one grown machine for all tests of this room; tests that change a machine order their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.machines.ordering import WRITES_A_FILE, Customer, customer, lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab that runs."""
    started = Lab.start(lab_name("a"), tmp_path_factory.mktemp("lab"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def somebody(lab: Lab) -> Customer:
    """Return a customer of the lab."""
    return customer(lab)


@pytest.fixture(scope="session")
def grown(somebody: Customer) -> MachineSpot:
    """Return a machine that is done with its first boot; for tests that only look."""
    key = somebody.ask("POST", "/ssh_keys", {"name": "laptop", "public_key": PUBLIC_KEY})["ssh_key"]
    machine = somebody.order("grown", WRITES_A_FILE, ssh_keys=[key["id"]])
    machine.wait_born()
    return machine


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPP laptop"

"""One lab with one grown machine for all tests of this room; tests that change a machine order their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.labs import lab_name
from tests.machines.ordering import WRITES_A_FILE, Customer, customer
from tests.machines.releases import ALL, DEBIAN, have

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot
    from lab.machines.recipe import Release


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab that runs."""
    started = Lab.start(lab_name("a"), tmp_path_factory.mktemp("lab"), releases=DEBIAN)
    yield started
    started.stop()


@pytest.fixture(scope="session")
def somebody(lab: Lab) -> Customer:
    """Return a customer of the lab."""
    return customer(lab)


@pytest.fixture(scope="session")
def laptop(somebody: Customer) -> int:
    """Return the id of the customer's SSH key."""
    key = somebody.ask("POST", "/ssh_keys", {"name": "laptop", "public_key": PUBLIC_KEY})["ssh_key"]
    return int(key["id"])


@pytest.fixture(scope="session", params=ALL)
def release(request: pytest.FixtureRequest) -> Release:
    """Return each release in turn."""
    return have(request.param)


@pytest.fixture(scope="session")
def grown(somebody: Customer, laptop: int, release: Release) -> MachineSpot:
    """Return a machine of a release that is done with its first boot; for tests that only look."""
    machine = somebody.order(f"grown-{release.codename}", WRITES_A_FILE, ssh_keys=[laptop], image=release.image)
    machine.wait_born()
    return machine


PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPP laptop"

"""One deployment for all tests of this folder: it is what they look at, and none of them may leave it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import Deployed, farshore, lab_name
from tests.first_light.provided import provide
from tests.first_light.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.lab import Machines


@pytest.fixture(scope="session")
def watched(machines: Machines) -> Iterator[tuple[Deployed, Watcher]]:
    """Deploy once, with an eye on every process's arguments and environment while it happens."""
    name = lab_name("fl")
    watcher = Watcher()
    try:
        with watcher:
            said = provide(name, machines)
        yield Deployed(name, said), watcher
    finally:
        farshore("lab", "down", "--name", name)


@pytest.fixture(scope="session")
def deployed(watched: tuple[Deployed, Watcher]) -> Deployed:
    """The deployment."""
    return watched[0]

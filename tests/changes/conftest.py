"""A deployment of this folder's own: its tests change it under load, one after the other, and say what they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.changes.standing import laden_file
from tests.delivery.standing import stand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.delivery.standing import Live
    from tools.lab import Machines


@pytest.fixture(scope="session")
def laden(tmp_path_factory: pytest.TempPathFactory, machines: Machines) -> Iterator[Live]:
    """One shield, one origin, and a stack file that may be changed."""
    yield from stand("ld", laden_file(tmp_path_factory.mktemp("laden")), machines)

"""One stage for each module; every test begins with no table at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.firewall.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def built() -> Iterator[Stage]:
    """Give a stage that stands as long as the module's tests."""
    stage = Stage()
    try:
        stage.build()
        yield stage
    finally:
        stage.remove()


@pytest.fixture
def stage(built: Stage) -> Stage:
    """Give the stage without any table."""
    built.clear()
    return built

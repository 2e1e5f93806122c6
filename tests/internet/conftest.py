"""One internet for all tests of this room; each sets its own cloud firewall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.internet.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def _internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """Return an internet with one site."""
    standing = Standing(tmp_path_factory.mktemp("internet"))
    try:
        standing.start()
        yield standing
    finally:
        standing.stop()


@pytest.fixture
def internet(_internet: Standing) -> Standing:
    """Return the internet, with no cloud firewall."""
    _internet.filter_nothing()
    return _internet

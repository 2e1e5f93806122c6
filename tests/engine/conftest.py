"""Projects to run: one for the stand-in, and one for either engine, of which what a test says has to hold for both."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.engine.runs import Shop, make_shop
from tests.engine.vectors import ENGINE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["stand-in", pytest.param("pulumi", marks=pytest.mark.pulumi)])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    """A project with an empty stack, under the stand-in and, where it is on PATH, under Pulumi's own command."""
    if request.param == "stand-in":
        return make_shop(tmp_path, tuple(ENGINE))
    found = shutil.which("pulumi")
    if found is None:
        pytest.skip("did not run: pulumi is not on PATH")
    return make_shop(tmp_path, (found,))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A project with an empty stack, under the stand-in."""
    return make_shop(tmp_path)

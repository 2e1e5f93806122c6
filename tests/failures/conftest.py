"""One cloud and one stack for a module: each test brings it to where it begins, and leaves it whole or empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failures.standing import Standing
from tests.labs import stack_alone

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A stack at a cloud without machines."""
    folder = tmp_path_factory.mktemp("failures")
    with stack_alone("f", folder, "failing") as (lab, work):
        yield Standing(cloud=lab, work=work)

"""A deployment of this folder's own: its tests change it, one after the other, and say what they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.delivery.standing import stand
from tests.first_light.deployed import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.delivery.standing import Live


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One shield, one origin, and a stack file that may be changed."""
    path = tmp_path_factory.mktemp("delivery") / "Pulumi.live.yaml"
    path.write_text((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    yield from stand("dl", path)

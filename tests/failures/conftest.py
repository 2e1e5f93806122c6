"""One cloud and one stack for a module: each test brings it to where it begins, and leaves it whole or empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failures.standing import ROOT, Standing
from tests.labs import cloud_alone
from tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A stack at a cloud without machines."""
    folder = tmp_path_factory.mktemp("failures")
    with cloud_alone("f", folder / "cloud") as lab:
        work = Workspace(folder=folder / "pulumi", stack="failing", endpoint=lab.endpoint)
        work.prepare(ROOT / "Pulumi.lab.yaml", lab.tokens)
        yield Standing(cloud=lab, work=work)

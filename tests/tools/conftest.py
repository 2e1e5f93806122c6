"""The deployment that the commands for devices edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.labs import stack_alone
from tests.tools.office import Office
from tools.workspace import ROOT, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A deployment that stands."""
    folder = tmp_path_factory.mktemp("operator")
    with stack_alone("o", folder, "office") as (_, work):
        text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
        comments = [line for line in text.splitlines() if line.startswith("#")]
        assert comments
        assert [
            line for line in work.stack_file.read_text(encoding="utf-8").splitlines() if line.startswith("#")
        ] == comments
        work.run(["up", "--yes", "--skip-preview", "--stack", "office", "--config-file", str(work.stack_file)])
        yield work


@pytest.fixture
def office(deployed: Workspace) -> Iterator[Office]:
    """The deployment with its first stack file."""
    before = deployed.stack_file.read_text(encoding="utf-8")
    yield Office(deployed, before)
    deployed.stack_file.write_text(before, encoding="utf-8")

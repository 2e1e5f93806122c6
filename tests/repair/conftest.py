"""One stack for a module of tests, each of which leaves it standing; and a stack of one's own under Pulumi's engine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.labs import cloud_alone, unreached_stack_file
from tests.repair.standing import STACK, Standing
from tools.workspace import STAND_IN, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import Lab


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A stack under the stand-in engine."""
    folder = tmp_path_factory.mktemp("repair")
    with cloud_alone("r", folder / "cloud") as lab:
        yield prepared(lab, folder, str(STAND_IN))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """A stack under Pulumi's own engine."""
    engine = shutil.which("pulumi")
    if engine is None:
        pytest.skip("did not run: pulumi is not on PATH")
    folder = tmp_path_factory.mktemp("repair-real")
    with cloud_alone("q", folder / "cloud") as lab:
        yield prepared(lab, folder, engine)


def prepared(lab: Lab, folder: Path, engine: str) -> Standing:
    """Return a stack that was made, and nothing in it yet."""
    work = Workspace(folder=folder / "pulumi", stack=STACK, endpoint=lab.endpoint)
    work.__dict__["engine"] = engine  # what is cached: which of two there are is the test's to say
    work.prepare(unreached_stack_file(folder), lab.tokens)
    return Standing(cloud=lab, work=work, engine=engine)

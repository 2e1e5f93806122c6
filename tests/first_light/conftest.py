"""Two deployments for all tests of this folder: they are what is looked at, and no test may leave them changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.machines.recipe import UBUNTU_24_04
from tests.first_light.deployed import EACH, Deployed, both_releases, farshore
from tests.first_light.provided import provide, up
from tests.first_light.watching import Watcher
from tests.labs import lab_name
from tests.machines.releases import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.lab import Machines


@pytest.fixture(scope="session", autouse=True)
def engine(request: pytest.FixtureRequest) -> str:
    """Whoever deploys: what `--engine` asks for, else Pulumi's own command where it is on PATH."""
    wanted = request.config.getoption("--engine")
    if wanted == "pulumi" and shutil.which("pulumi") is None:
        pytest.skip("did not run: pulumi is not on PATH")
    if wanted == "stand-in":
        folders = os.environ.get("PATH", "").split(os.pathsep)
        os.environ["PATH"] = os.pathsep.join(one for one in folders if not (Path(one) / "pulumi").exists())
    return shutil.which("pulumi") or "the lab's stand-in"


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


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory, machines: Machines) -> Iterator[Deployed]:
    """Deploy hosts of both releases; those that `deployed` has as well are of the newer one here."""
    name, stack_file = lab_name("fx"), tmp_path_factory.mktemp("mixed") / "Pulumi.mixed.yaml"
    stack_file.write_text(both_releases(), encoding="utf-8")
    try:
        yield Deployed(name, up(name, machines, "--stack-file", str(stack_file)))
    finally:
        farshore("lab", "down", "--name", name)


@pytest.fixture(scope="session")
def noble(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """Deploy hosts of Ubuntu beside hosts of the default image, where Ubuntu's archive can be reached.

    Under systemd-nspawn, whatever `--machines` says: the lab has no kernel of Ubuntu's.
    """
    require(UBUNTU_24_04)
    name, stack_file = lab_name("fu"), tmp_path_factory.mktemp("noble") / "Pulumi.noble.yaml"
    stack_file.write_text(both_releases("ubuntu-24.04"), encoding="utf-8")
    try:
        yield Deployed(name, up(name, "nspawn", "--stack-file", str(stack_file)))
    finally:
        farshore("lab", "down", "--name", name)


@pytest.fixture(params=EACH)
def either(request: pytest.FixtureRequest) -> Deployed:
    """The deployments whose `falkenstein` and `press` are of one release, in turn."""
    found: Deployed = request.getfixturevalue(request.param)
    return found

"""Pulumi's own engine and plugins, where they are on PATH: the same recordings, the same program, the same state.

Where they are not, each of these tests says that it did not run; nothing stands in for them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.engine.vectors import SCENARIOS, VECTORS, expected, load, recorder
from tests.first_light.deployed import ROOT
from tests.labs import cloud_alone, unreached_stack_file
from tools.workspace import STAND_IN, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import Lab

# What Pulumi 3.272 does otherwise than 3.255, which was recorded (seen by running it): what is deleted with a host is now
# replaced with it as well.
SINCE = {
    "10-deleted-with": {
        (
            "10-deleted-with step 2 (preview 2): command:local:Command::on-host: "
            "['create-replacement', 'replace', 'delete-replaced'], recorded ['same']"
        ),
        (
            "10-deleted-with step 3 (up 2): command:local:Command::on-host: "
            "['create-replacement', 'replace', 'delete-replaced'], recorded ['same']"
        ),
        (
            "10-deleted-with step 3 (up 2): log ['create host 1 ', 'create on-host 1 ', 'delete host '], "
            "recorded ['create host 1 ', 'delete host ']"
        ),
        (
            "10-deleted-with step 3 (up 2): order of ('host', 'on-host'): ['host', 'on-host', 'host'], "
            "recorded ['host', 'host']"
        ),
    }
}
pytestmark = [pytest.mark.lab, pytest.mark.pulumi]


@pytest.fixture(scope="session")
def pulumi() -> str:
    """Pulumi's own command."""
    found = shutil.which("pulumi")
    if found is None:
        pytest.skip("did not run: pulumi is not on PATH")
    return found


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Lab]:
    """A cloud without machines."""
    with cloud_alone("pu", tmp_path / "cloud") as lab:
        yield lab


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_recordings_are_what_it_does(pulumi: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded anew, each scenario is as it was, or as it is known to have become."""
    module = recorder()
    monkeypatch.setattr(module, "PULUMI", [pulumi])
    differences = load("compare").differences(name, expected(VECTORS / name), module.record(VECTORS / name, sys.prefix))
    assert set(differences) in (set(), SINCE.get(name, set()))


def test_the_program_deploys_with_it_and_either_engine_reads_the_others_state(
    pulumi: str, cloud: Lab, tmp_path: Path
) -> None:
    """The unmodified program, two accounts, the real plugins: up, nothing to change for either engine, destroy."""
    work = Workspace(folder=tmp_path / "pulumi", stack="real", endpoint=cloud.endpoint)
    assert work.engine == pulumi
    work.prepare(unreached_stack_file(tmp_path), cloud.tokens)
    where = ["--stack", "real", "--config-file", str(work.stack_file), "--non-interactive"]
    assert "29 to create" in work.run(["preview", *where]).replace("+ ", "")
    work.run(["up", "--yes", "--skip-preview", *where])
    assert work.outputs()["origins"]["www.example.com"]["address"] == "10.0.0.2"
    work.run(["preview", "--expect-no-changes", *where])
    environment = work.environment | {"PULUMI_HOME": str(tmp_path / "home")}
    preview = [str(STAND_IN), "preview", "--expect-no-changes", *where]
    other = subprocess.run(preview, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert other.returncode == 0, other.stdout + other.stderr
    work.run(["destroy", "--yes", "--skip-preview", *where])
    assert not any(found for account in cloud.door.ask("GET", "objects").values() for found in account.values())
    assert cloud.door.ask("GET", "unmodelled") == []

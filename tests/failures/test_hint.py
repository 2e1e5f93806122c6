"""`farshore lab up` that failed names the next command, and that command leads on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.failures.standing import Standing
from tests.first_light.deployed import ROOT, farshore
from tests.labs import lab_name, unreached_stack_file
from tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("failures-1")]


@pytest.fixture
def standing() -> Iterator[Standing]:
    """A lab without machines where `farshore lab` looks for it; nothing is deployed yet."""
    name = lab_name("fh")
    folder = ROOT / ".lab" / name
    lab = Lab.start(name, folder, accounts=("edge", "vault"), machines="none")
    try:
        yield Standing(cloud=lab, work=Workspace(folder=folder / "pulumi", stack=name, endpoint=lab.endpoint))
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_failed_up_names_the_next_command_and_a_good_one_does_not(standing: Standing) -> None:
    """One line, with the lab's name; done as it says, the deployment stands."""
    name = standing.cloud.name
    standing.arm(method="POST", path="/servers", account="vault", drop="after")
    stack_file = str(unreached_stack_file(standing.work.folder.parent))
    failed = farshore("lab", "up", "--name", name, "--stack-file", stack_file)
    assert failed.returncode not in {0, 2}
    assert "farshore-vault.press-server" in failed.stdout + failed.stderr
    (line,) = (line for line in failed.stderr.splitlines() if "farshore lab" in line)
    steps = [f"bin/farshore lab repair --name {name}", f"bin/farshore lab up --name {name}"]
    assert line == (
        f"lab {name}: `up` failed as said above; its cause mended: {steps[0]}, then {steps[1]} (docs/repair.md)"
    )
    standing.check_silent(failed.stdout + failed.stderr)
    mended = farshore("lab", "repair", "--name", name, "--yes")
    assert mended.returncode in {0, 1}, mended.stderr
    done = farshore("lab", "up", "--name", name, "--stack-file", stack_file)
    assert standing.names() == standing.whole(), done.stdout + done.stderr
    # There are no machines to wait for: that is where this one ends.
    assert "world.json: not found" in done.stderr
    assert "repair" not in done.stdout + done.stderr


@pytest.mark.long
def test_what_no_account_ever_saw_is_made_by_the_next_up(standing: Standing) -> None:
    """The first read of an update fails: the state has it all the same, so the next `farshore lab up` refreshes."""
    name = standing.cloud.name
    standing.work.prepare(unreached_stack_file(standing.work.folder.parent), standing.cloud.tokens)
    standing.up()
    standing.admit("198.51.100.0/24")
    standing.arm(method="GET", path="/firewalls/*", account="edge", status=500, code="server_error")
    failed = farshore("lab", "up", "--name", name, "--stack-file", str(standing.work.stack_file))
    assert "lab repair" in failed.stderr
    assert standing.disarm() == 0
    assert standing.ssh_sources() == []
    done = farshore("lab", "up", "--name", name, "--stack-file", str(standing.work.stack_file))
    assert standing.ssh_sources() == ["198.51.100.0/24"], done.stdout + done.stderr

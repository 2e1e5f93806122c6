"""`farshore lab up` on a host that is not born: it names the host and the next command, and that command leads on."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from lab.faults.model import HideMetadata
from tests.first_light.deployed import PAGE, ROOT, Deployed, farshore
from tests.labs import lab_name, unreached_stack_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import CompletedProcess

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture
def dead() -> Iterator[Deployed]:
    """A lab whose server of account `vault`, the origin, will not boot; nothing is deployed yet."""
    name = lab_name("fn")
    folder = ROOT / ".lab" / name
    lab = Lab.start(name, folder, accounts=("edge", "vault"))
    try:
        fault = {"method": "POST", "path": "/servers", "account": "vault", "no_boot": True}
        lab.door.ask("POST", "faults", fault)
        yield Deployed(name, "")
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


def up(deployed: Deployed) -> CompletedProcess[str]:
    """Deploy what nobody has to be told over SSH: delivery would wait for the dead one by itself, for minutes."""
    file = unreached_stack_file(ROOT / ".lab" / deployed.name)
    return farshore("lab", "up", "--name", deployed.name, "--stack-file", str(file))


def refused_up(deployed: Deployed) -> str:
    """Return the one message of an `up` that ends because a host is not born."""
    done = up(deployed)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "falkenstein (Falkenstein, DE) is born" in done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_server_that_never_boots_is_named_with_the_next_command(dead: Deployed) -> None:
    """Its API says that it runs; done as the message says, the page is there, and nothing was made anew."""
    said, name = refused_up(dead), dead.name
    steps = f"bin/farshore lab reset --name {name} press, then bin/farshore lab up --name {name}"
    assert said == (
        f"host press (server {dead.host('press').server_name}, account vault): off for 30 s, though its API says that "
        f"it runs, allowed: on; have it boot: {steps}\n"
    )
    shield = dead.machine("falkenstein").leader_pid
    assert farshore("lab", "reset", "--name", name, "press").returncode == 0
    done = up(dead)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "interrupted" not in done.stdout
    assert "26 unchanged" in done.stdout
    assert PAGE in dead.page()
    assert dead.machine("falkenstein").leader_pid == shield


@pytest.mark.long
def test_a_host_that_found_no_metadata_is_named_with_the_next_command(dead: Deployed) -> None:
    """cloud-init gives up after two minutes of refusals and says `done`; booted again, the host is born."""
    refused_up(dead)
    name = dead.name
    with dead.lab.inject(HideMetadata(dead.host("press").server_name, answer="refusal")):
        assert farshore("lab", "reset", "--name", name, "press").returncode == 0
        said = refused_up(dead)
    where, _, rest = said.partition(": up without its user data, ")
    assert where == f"host press (server {dead.host('press').server_name}, account vault)"
    assert rest.startswith("for cloud-init found no metadata service, allowed: born from it; boot it again: ")
    assert f"bin/farshore lab reboot --name {name} press, then bin/farshore lab up --name {name}" in rest
    assert "/var/log/cloud-init.log complains:" in rest
    assert "Getting data from <class 'cloudinit.sources.DataSourceHetzner.DataSourceHetzner'> failed" in rest
    assert farshore("lab", "reboot", "--name", name, "press").returncode == 0
    done = up(dead)
    assert done.returncode == 0, done.stdout + done.stderr
    assert PAGE in dead.page()

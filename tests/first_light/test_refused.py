"""Bad input: one message with all faults, a code that is not zero, and nothing created."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.first_light.deployed import FARSHORE, ROOT, farshore
from tests.labs import cloud_alone, lab_name, unreached_stack_file
from tools.workspace import EngineError, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import Lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A cloud without machines: enough to see that nothing was asked of it."""
    with cloud_alone("fr", tmp_path_factory.mktemp("cloud")) as lab:
        yield lab


def stack_file(folder: Path, **changes: Any) -> Path:
    """Write the lab's stack file with some of its keys changed, or left out where None."""
    content = yaml.safe_load(unreached_stack_file(folder).read_text(encoding="utf-8"))
    for key, value in changes.items():
        content["config"][f"farshore:{key}"] = value
    content["config"] = {key: value for key, value in content["config"].items() if value is not None}
    path = folder / "Pulumi.bad.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def refused(cloud: Lab, folder: Path, **changes: Any) -> str:
    """Return what `up` says of a stack file, having seen that it failed and asked the cloud for nothing."""
    work = Workspace(folder=folder / "pulumi", stack="bad", endpoint=cloud.endpoint)
    work.prepare(stack_file(folder, **changes), cloud.tokens)
    before = cloud.door.ask("GET", "requests/count")
    with pytest.raises(EngineError) as error:
        work.run(["up", "--yes", "--skip-preview", "--stack", "bad", "--config-file", str(work.stack_file)])
    assert cloud.door.ask("GET", "requests/count") == before
    assert "Traceback" not in str(error.value)
    return str(error.value)


def test_all_faults_come_in_one_message(cloud: Lab, tmp_path: Path) -> None:
    """Faults of every kind, as the user of the CLI sees them."""
    said = refused(
        cloud,
        tmp_path,
        shilds={"x": 1},
        network="203.0.113.7/24",
        origins={
            "press": {
                "slot": 1,
                "account": "vaults",
                "location": "fsn1",
                "shields": ["falkenstein"],
                "services": {"web": {"port": 0}},
                "setup": "LICENSE",
            }
        },
        domains={
            "www..example": {"origin": "press", "service": "ftp"},
            "a.example.com": {"origin": "pres", "service": "web"},
        },
    )
    for fault in (
        "the stack file has 9 faults",
        "farshore:shilds: unknown key",
        "farshore:network: '203.0.113.7/24', allowed: a network without host bits; write 203.0.113.0/24",
        "farshore:origins.press.slot: 1, allowed: 2 to 65533",
        "farshore:origins.press.account: 'vaults', allowed: edge, vault; did you mean 'vault'?",
        "farshore:origins.press: country 'DE', that of its shield 'falkenstein'",
        "farshore:origins.press.services.web.port: 0, allowed: 1 to 65535",
        "farshore:origins.press.setup: 'LICENSE', allowed: a file that begins with #cloud-config",
        "farshore:domains.www..example: 'www..example', allowed: a domain name",
        "farshore:domains.a.example.com.origin: 'pres', allowed: press; did you mean 'press'?",
    ):
        assert fault in said, fault


def test_an_empty_stack_is_refused(cloud: Lab, tmp_path: Path) -> None:
    """Nothing described is nothing deployed."""
    said = refused(cloud, tmp_path, accounts=None, shields=None, origins=None, domains=None)
    assert "farshore:shields: nothing, allowed: at least one; describe one" in said


def test_a_token_of_another_length_is_refused_without_being_shown(cloud: Lab, tmp_path: Path) -> None:
    """The message has its length, not its letters."""
    work = Workspace(folder=tmp_path / "pulumi", stack="bad", endpoint=cloud.endpoint)
    work.prepare(stack_file(tmp_path), {"edge": "short-and-secret", "vault": cloud.tokens["vault"]})
    with pytest.raises(EngineError) as error:
        work.run(["preview", "--stack", "bad", "--config-file", str(work.stack_file)])
    assert "farshore:secrets.tokens.edge: 16 characters, allowed: an API token of 64 characters" in str(error.value)
    assert "short-and-secret" not in str(error.value)


def test_a_server_type_newer_than_our_table_is_a_warning(cloud: Lab, tmp_path: Path) -> None:
    """With the table's date; the preview goes on."""
    work = Workspace(folder=tmp_path / "pulumi", stack="new", endpoint=cloud.endpoint)
    shields = {"falkenstein": {"slot": 0, "account": "edge", "location": "fsn1", "server_type": "cx999"}}
    work.prepare(stack_file(tmp_path, shields=shields), cloud.tokens)
    said = work.run(["preview", "--stack", "new", "--config-file", str(work.stack_file)])
    assert "farshore:shields.falkenstein.server_type: 'cx999' is not in our table of 2026-11-01" in said
    assert "29 to create" in said


def test_not_root(tmp_path: Path) -> None:
    """Without root's rights nothing is begun."""
    # Nobody's rights, but for reading: the checkout may lie in a folder that is closed to others.
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    done = subprocess.run(
        [*nobody, str(FARSHORE), "lab", "up", "--name", "nobody"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        cwd="/",
        env=os.environ | {"HOME": str(tmp_path)},
    )
    assert done.returncode == 2
    assert "allowed: 0" in done.stderr
    assert not (ROOT / ".lab" / "nobody").exists()


def test_a_bad_name(cloud: Lab) -> None:
    """Names of interfaces and namespaces are made from it."""
    del cloud
    done = farshore("lab", "up", "--name", "Not_A_Name")
    assert done.returncode == 2
    assert "lab name: 'Not_A_Name', allowed: 1-12 lower-case letters, digits and dashes" in done.stderr


def test_a_port_in_use(tmp_path: Path) -> None:
    """The message names the port; nothing is left of the lab."""
    del tmp_path
    name = lab_name("fp")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = farshore("lab", "up", "--name", name, "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == f"port: {port} (address already in use), allowed: a free one, or 0 to have one chosen\n"
    farshore("lab", "down", "--name", name)
    assert not (ROOT / ".lab" / name).exists()


def test_a_stack_file_that_is_not_there() -> None:
    """The message names the file."""
    done = farshore("lab", "up", "--name", lab_name("ff"), "--stack-file", "/nowhere/Pulumi.x.yaml")
    assert done.returncode == 2
    assert "/nowhere/Pulumi.x.yaml: No such file or directory, allowed: a stack file" in done.stderr

"""Every stack file under examples/ is sound as it stands, listed for a reader, and known to an editor."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloud_init import placeholder, render_bundle, render_user_data
from components.reading import named_files
from plan import check, load, make_plan
from tests.stacks import DAY, SMALLEST, planned

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(ROOT.glob("examples/*/Pulumi.*.yaml"))
EDITORS_LINE = "# yaml-language-server: $schema=../../docs/stack.schema.json\n"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_an_example_is_sound(path: Path) -> None:
    """It is planned without a fault, the checker finds nothing, and each host's user data can be made."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(EDITORS_LINE)
    said: dict[str, Any] = yaml.safe_load(text)["config"]
    config = {key.removeprefix("farshore:"): value for key, value in said.items() if key.startswith("farshore:")}
    config["secrets"] = SMALLEST["secrets"]
    stack = path.parent.name
    found, _ = load(config, project="farshore", stack=stack, day=DAY, files=named_files(config, ROOT), text=text)
    plan = make_plan(found)
    assert check(plan) == ()
    assert all(render_user_data(host, placeholder(host)) for host in plan.hosts)


def test_the_list_of_examples_names_each_and_no_other() -> None:
    """A folder without a row is found by nobody; a row without a folder leads nowhere."""
    rows = [line for line in (ROOT / "examples/README.md").read_text(encoding="utf-8").splitlines() if "](" in line]
    listed = {row.split("](", 1)[1].split(")", 1)[0].rstrip("/") for row in rows if row.startswith("| [")}
    assert listed == {folder.name for folder in (ROOT / "examples").iterdir() if folder.is_dir()}


def compose(*options: str) -> subprocess.CompletedProcess[str]:
    """Have Docker Compose read the example, with none of this process's own variables."""
    command = ["docker-compose", *options, "-f", str(ROOT / "examples/compose/compose.yaml"), "config"]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.lab
def test_a_container_is_published_on_the_tunnel_address_alone(tmp_path: Path) -> None:
    """As Docker Compose itself reads it, with the very file that lies on an origin."""
    origin = planned().origins[0]
    (told,) = [file for file in render_bundle(origin, placeholder(origin)).files if file.path.endswith("tunnel.env")]
    (tmp_path / "tunnel.env").write_text(told.content, encoding="ascii")
    done = compose("--env-file", str(tmp_path / "tunnel.env"))
    assert done.returncode == 0, done.stderr
    ports = yaml.safe_load(done.stdout)["services"]["web"]["ports"]
    assert [published(port) for port in ports] == [str(origin.address), str(origin.address6)]


@pytest.mark.lab
def test_without_the_tunnels_file_nothing_is_published() -> None:
    """An empty variable would leave an address out, and so mean every address: Compose is told to stop instead."""
    done = compose()
    assert done.returncode != 0
    assert "is in /etc/farshore/tunnel.env" in done.stderr


def published(port: str | dict[str, Any]) -> str:
    """Return the address of a published port: Compose 1 writes a text, Compose 2 a mapping."""
    if isinstance(port, dict):
        return str(port["host_ip"])
    return port.removesuffix("/tcp").rsplit(":", 2)[0].strip("[]")

"""What switches a server on, run as a command runs it: by its text alone, its token by standard input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hcloud import Client
from hcloud.images import Image
from hcloud.server_types import ServerType

from components import switch_on
from lab.cloud.cloud import Cloud
from lab.cloud.server import make_app, serving
from lab.cloud.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcloud.servers import BoundServer

pytestmark = pytest.mark.lab
TOKEN, OTHER = "t" * 64, "u" * 64
TEXT = Path(switch_on.__file__).read_text(encoding="utf-8")


@pytest.fixture
def cloud() -> Cloud:
    """A cloud whose actions take a moment, and lock their server meanwhile."""
    return Cloud({"vault": (TOKEN,)}, settings=Settings(action_polls=10**9, action_lasts_s=1.5))


@pytest.fixture
def endpoint(cloud: Cloud) -> Iterator[str]:
    """Where it listens."""
    with serving(make_app(cloud, control_token="c" * 64)) as address:
        yield f"{address}/v1"


@pytest.fixture
def server(endpoint: str) -> BoundServer:
    """A server that is off."""
    client = Client(token=TOKEN, api_endpoint=endpoint, poll_interval=0.05)
    made = client.servers.create(
        name="press", server_type=ServerType(name="cx23"), image=Image(name="debian-12"), start_after_create=False
    )
    made.action.wait_until_finished()
    made.server.reload()
    assert made.server.status == "off"
    return made.server


def switch(endpoint: str, server: int | None, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """Run it, as a command of Pulumi's does."""
    return subprocess.run(
        [sys.executable, "-I", "-c", TEXT],
        input=json.dumps({"account": "vault", "server": server, "type": "cx23", "token": token}),
        env={"PATH": os.environ["PATH"], "HCLOUD_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_is_off_runs_afterwards_and_what_runs_is_left(endpoint: str, server: BoundServer) -> None:
    """Once switched on it is looked at and nothing else is asked for; nothing is printed."""
    done = switch(endpoint, server.id)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    server.reload()
    assert server.status == "running"
    before = len(server.get_actions())
    assert switch(endpoint, server.id).returncode == 0
    assert len(server.get_actions()) == before


def test_a_lock_passes_by_itself(endpoint: str, server: BoundServer) -> None:
    """What the account's other work on the server holds is waited for."""
    server.change_type(ServerType(name="cx33"), upgrade_disk=False)
    done = switch(endpoint, server.id)
    assert (done.returncode, done.stderr) == (0, "")
    assert [action.command for action in server.get_actions()].count("start_server") == 1


@pytest.mark.parametrize(("token", "number", "status"), [(OTHER, None, 401), (TOKEN, 4711, 404)])
def test_what_does_not_pass_is_said_at_once_without_the_token(
    endpoint: str, server: BoundServer, token: str, number: int | None, status: int
) -> None:
    """A wrong token, a server that is gone: the account, the server and the API's answer are named."""
    number = number or server.id
    done = switch(endpoint, number, token)
    said = f"account vault: server {number}: HTTP status {status}, allowed: running; run `up` again, or farshore repair"
    assert (done.returncode, done.stdout, done.stderr.strip()) == (1, "", said)
    assert token not in done.stderr
    server.reload()
    assert server.status == "off"

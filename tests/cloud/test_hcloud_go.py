"""Hetzner's own Go client, the one inside the provider, against the lab, over HTTP.

hcloud_go/main.go (hcloud-go) ──HTTP──► 127.0.0.1:port/v1 ──► lab.cloud (pure)
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cloud.driver import TOKEN_A

if TYPE_CHECKING:
    from tests.cloud.serving import Lab

pytestmark = [pytest.mark.lab, pytest.mark.go, pytest.mark.long]

PROGRAM = Path(__file__).parent / "hcloud_go"
BUILD_WITHIN_S = 300.0  # a first build also fetches and compiles the client
RUN_WITHIN_S = 60.0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Build the program; its modules are those that go.sum names."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("not run: there is no go command here, and the program is built with it")
    built = tmp_path / "hcloud_go"
    order = [go, "build", "-mod=readonly", "-buildvcs=false", "-o", str(built), "."]
    done = subprocess.run(
        order,
        cwd=PROGRAM,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return built


def test_the_go_client_is_at_home(lab: Lab, program: Path) -> None:
    """A server with one of everything, labels, pages, refusals by code, DNS; and nothing is left of it."""
    done = subprocess.run(
        [program, f"{lab.url}/v1"],
        input=f"{TOKEN_A}\n",
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "status": "running",
        "country": "DE",
        "ipv4": True,
        "ipv6": True,
        "firewalls": 1,
        "volumes": 1,
        "private_ips": ["10.0.1.1"],
        "labelled": ["role=edge: edge"],
        "paged": 101,
        "codes": ["uniqueness_error", "invalid_input", "protected", "unauthorized", "not_found"],
        "missing": True,
        "records": ["203.0.113.1", "203.0.113.2"],
    }
    assert lab.cloud.objects() == {"a": {}, "b": {}}


def test_the_go_client_fails_on_a_wrong_token(lab: Lab, program: Path) -> None:
    """The program that passes above does see a refusal: it ends with the API's own code, and shows no token."""
    wrong = "c" * 64
    done = subprocess.run(
        [program, f"{lab.url}/v1"],
        input=f"{wrong}\n",
        capture_output=True,
        text=True,
        timeout=RUN_WITHIN_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "unauthorized" in done.stderr
    assert wrong not in done.stderr

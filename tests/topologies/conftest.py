"""One deployment for the module's tests; each leaves it as it found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import farshore
from tests.labs import lab_name
from tests.topologies.standing import Connected, new_key, write_example

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    """examples/connected, with two devices of one operator."""
    name, split, full = lab_name("t"), new_key(), new_key()
    operators = {
        "laptop": {"slot": 200, "public_key": split.public, "reach": ["press/web", "db/store", "falkenstein/ssh"]},
        "phone": {"slot": 201, "public_key": full.public, "tunnel": "full", "dns": ["192.0.2.53"]},
    }
    path = write_example(tmp_path_factory.mktemp("connected") / "Pulumi.connected.yaml", operators)
    done = farshore("lab", "up", "--name", name, "--stack-file", str(path))
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield Connected(name=name, said=done.stdout, split=split, full=full)
    finally:
        farshore("lab", "down", "--name", name)

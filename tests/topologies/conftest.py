"""One deployment for each example; every test leaves it as it found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import ROOT, Deployed, farshore
from tests.labs import lab_name
from tests.topologies.outside import Outside
from tests.topologies.sites import Sites, write_sites
from tests.topologies.standing import Connected, new_key, write_example

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def connected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    """examples/connected, with two devices of one operator."""
    name, split, full = lab_name("t"), new_key(), new_key()
    operators = {
        "laptop": {
            "slot": 200,
            "public_key": split.public,
            "reach": ["press/web", "db/store", "db/names", "falkenstein/ssh"],
            "dns": ["10.0.0.3"],
        },
        "phone": {
            "slot": 201,
            "public_key": full.public,
            "tunnel": "full",
            "dns": ["192.0.2.53"],
            "system": "linux",
        },
    }
    path = write_example(tmp_path_factory.mktemp("connected") / "Pulumi.connected.yaml", operators)
    done = farshore("lab", "up", "--name", name, "--stack-file", str(path))
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        yield Connected(name=name, said=done.stdout, split=split, full=full)
    finally:
        farshore("lab", "down", "--name", name)


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    """examples/sites, with a gateway of this run behind somebody's NAT."""
    folder, name, key, outside = tmp_path_factory.mktemp("sites"), lab_name("s"), new_key(), Outside()
    path = write_sites(folder / "Pulumi.sites.yaml", key)
    try:
        done = farshore("lab", "up", "--name", name, "--stack-file", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        found = Sites(
            name=name,
            said=done.stdout,
            key=key,
            file=folder / "office.conf",
            outside=outside,
            office=outside.box("office"),
            archive=outside.network("arch"),
            desks=outside.network("desks"),
            printers=outside.network("print"),
        )
        found.connect()
        found.dial()
        yield found
    finally:
        outside.remove()
        farshore("lab", "down", "--name", name)


@pytest.fixture(scope="session")
def ipv6_only() -> Iterator[Deployed]:
    """examples/ipv6-only, as it is."""
    name, path = lab_name("v"), ROOT / "examples/ipv6-only/Pulumi.ipv6-only.yaml"
    try:
        done = farshore("lab", "up", "--name", name, "--stack-file", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
        yield Deployed(name, done.stdout)
    finally:
        farshore("lab", "down", "--name", name)

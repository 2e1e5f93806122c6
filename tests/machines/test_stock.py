"""The image as a provider has it: what is missing is installed by cloud-init, from the lab's repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.machines.ordering import customer, lab_name, packed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lab.client import MachineSpot

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MachineSpot]:
    """Return a machine of the stock image whose user data installs a package."""
    folder: Path = tmp_path_factory.mktemp("stock")
    lab = Lab.start(lab_name("s"), folder, image="stock")
    machine = customer(lab).order("stock", packed("packages: [wireguard-tools]\npackage_update: true\n"))
    machine.wait_born()
    yield machine
    lab.stop()


def test_cloud_init_installs_what_user_data_asks_for(stock: MachineSpot) -> None:
    """The package was fetched from the mirror, and what nobody asked for is not there."""
    assert stock.wait_born()["errors"] == []
    assert stock.run(["wg", "--version"]).returncode == 0
    assert stock.run(["sh", "-c", "command -v haproxy"]).returncode != 0


def test_the_tools_of_a_providers_image_are_there(stock: MachineSpot) -> None:
    """What Debian's image at a provider has needs no installation."""
    for tool in ("nft", "sshd", "sudo", "curl", "dhclient", "ifup", "ip", "python3"):
        assert stock.run(["sh", "-c", f"command -v {tool}"]).returncode == 0, tool


def test_an_unsigned_change_of_the_repository_is_refused(stock: MachineSpot) -> None:
    """The signature is checked with the image's key: with another key ring it takes nothing."""
    update = ["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]
    assert stock.run(update).returncode == 0
    no_key = "sed 's/lab-archive/debian-archive/' /etc/apt/sources.list >/tmp/other.list; rm -rf /var/lib/apt/lists/*"
    stock.run(["sh", "-c", no_key], check=True)
    refused = stock.run([*update, "-o", "Dir::Etc::SourceList=/tmp/other.list"])
    assert refused.returncode != 0
    assert "NO_PUBKEY" in refused.stderr

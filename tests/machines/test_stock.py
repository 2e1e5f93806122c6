"""The image as a provider has it: what is missing is installed by cloud-init, from the lab's repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from tests.labs import lab_name
from tests.machines.ordering import customer, packed
from tests.machines.releases import ALL, DEBIAN, have

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab with the images as a provider has them."""
    lab = Lab.start(lab_name("s"), tmp_path_factory.mktemp("stock"), image="stock", releases=DEBIAN)
    yield lab
    lab.stop()


@pytest.fixture(scope="module", params=ALL)
def stock(shop: Lab, request: pytest.FixtureRequest) -> MachineSpot:
    """Return a machine of each stock image whose user data installs a package; both ask one mirror."""
    asked = packed("packages: [wireguard-tools]\npackage_update: true\n")
    machine = customer(shop).order(f"stock-{have(request.param).codename}", asked, image=request.param)
    machine.wait_born()
    return machine


def test_cloud_init_installs_what_user_data_asks_for(stock: MachineSpot) -> None:
    """The package was fetched from the mirror, and what nobody asked for is not there."""
    assert stock.wait_born()["errors"] == []
    assert stock.run(["wg", "--version"]).returncode == 0
    assert stock.run(["sh", "-c", "command -v haproxy"]).returncode != 0


def test_the_tools_of_a_providers_image_are_there(stock: MachineSpot) -> None:
    """What Debian's image at a provider has needs no installation."""
    for tool in (
        "nft",
        "sshd",
        "sudo",
        "curl",
        "dhclient || command -v dhcpcd",
        "ifup || command -v netplan",
        "ip",
        "python3",
    ):
        assert stock.run(["sh", "-c", f"command -v {tool}"]).returncode == 0, tool


def test_an_unsigned_change_of_the_repository_is_refused(stock: MachineSpot) -> None:
    """The signature is checked with the image's key: with another key ring it takes nothing."""
    update = ["apt-get", "update", "-o", "APT::Update::Error-Mode=any"]
    assert stock.run(update).returncode == 0
    no_key = (
        "mkdir -p /root/other && for from in /etc/apt/sources.list /etc/apt/sources.list.d/*; do"
        " [ ! -f $from ] || sed s/lab-archive/debian-archive/ $from >/root/other/${from##*/}; done;"
        " rm -rf /var/lib/apt/lists/*"
    )
    stock.run(["sh", "-c", no_key], check=True)
    other = ["-o", "Dir::Etc::SourceList=/root/other/sources.list", "-o", "Dir::Etc::SourceParts=/root/other"]
    refused = stock.run([*update, *other])
    assert refused.returncode != 0
    assert "InRelease' is not signed" in refused.stderr

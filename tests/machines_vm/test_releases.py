"""A virtual machine of the newer release: its own kernel, packed otherwise, and the units that only it has.

visitor ── inet ── site ── QEMU: Debian 13
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.client import Lab
from lab.machines.qemu_build import unpack_kernel
from tests.labs import lab_name
from tests.machines.ordering import WRITES_A_FILE, Customer, customer
from tests.machines_vm.test_birth import CARRIES_A_PACKET, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot

pytestmark = [pytest.mark.lab, pytest.mark.vm]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a lab that has Debian 13 ready, and nothing else."""
    started = Lab.start(
        lab_name("n"), tmp_path_factory.mktemp("lab"), machines="qemu", releases=("debian-13",), within_s=600
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def machine(lab: Lab) -> MachineSpot:
    """Return a machine of Debian 13 that was born."""
    somebody: Customer = customer(lab)
    ordered = somebody.order("newer", WRITES_A_FILE, image="debian-13")
    ordered.wait_born(420)
    return ordered


@pytest.mark.long
def test_debian_13_is_born_from_its_user_data(machine: MachineSpot) -> None:
    """cloud-init found the datasource by SMBIOS alone and had no complaint; no unit has failed."""
    assert machine.wait_born() == {"datasource": "DataSourceHetzner", "errors": []}
    assert said(machine, "cat", "/born") == "by user data"
    assert "VERSION_CODENAME=trixie\n" in said(machine, "cat", "/etc/os-release")
    assert said(machine, "systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""


@pytest.mark.long
def test_its_kernel_is_its_releases(machine: MachineSpot) -> None:
    """The one that QEMU was given is the one that is installed on its disk."""
    package = "linux-image-" + said(machine, "uname", "-r")
    assert package.endswith("+deb13-cloud-amd64")
    assert said(machine, "dpkg-query", "-W", "-f", "${db:Status-Status}", package) == "installed"


@pytest.mark.long
def test_its_kernels_wireguard_carries_a_packet(machine: MachineSpot) -> None:
    """Two interfaces in two namespaces shake hands, with no program in user space."""
    _, received, sent = said(machine, "sh", "-c", CARRIES_A_PACKET).split()
    assert int(received) > 100
    assert int(sent) > 100
    assert machine.run(["pgrep", "wireguard-go"]).returncode == 1


@pytest.mark.long
def test_its_nftables_reads_our_shape_by_its_own_kernel(machine: MachineSpot) -> None:
    """What the lab's own kernel may hide: a verdict map on the state, notrack, interval sets; the twin is refused."""
    rules = """table inet probe {
  set peers4 { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }
  counter seen {}
  chain raw_in { type filter hook prerouting priority raw; iifname != "fs*" udp dport { 51820 } notrack; }
  chain input {
    type filter hook input priority filter; policy accept;
    ct state vmap { established : accept, related : accept, invalid : drop, untracked : accept, new : continue }
    ip saddr @peers4 counter name seen accept
  }
}
"""
    assert machine.run(["nft", "-c", "-f", "-"], given=rules).returncode == 0
    assert machine.run(["nft", "-c", "-f", "-"], given=rules.replace("vmap", "vmop")).returncode != 0


@pytest.mark.parametrize("pack", [["lz4", "-l", "-c"], ["zstd", "-q", "-c"]], ids=["debian-12", "debian-13"])
def test_a_kernel_is_unpacked_as_its_release_packs_it(pack: list[str]) -> None:
    """The ELF comes out whole, from behind a boot sector and something that only looks like its start."""
    elf = b"\x7fELF" + bytes(range(256)) * 1000
    packed = subprocess.run(pack, input=elf, capture_output=True, check=True).stdout
    assert unpack_kernel(b"MZ" + packed[:4] + bytes(100) + packed + bytes(64)) == elf

"""A virtual machine is born from its real user data, on Debian's own kernel.

visitor ── inet ── site ── QEMU: kernel, systemd, cloud-init with the Hetzner datasource, sshd
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = [pytest.mark.lab, pytest.mark.vm]

# a ── fs0 ══ veth ══ fs0 ── b, as in the kernel's own netns.sh
CARRIES_A_PACKET = """
set -e
for end in a b; do
  ip netns add $end
  ip -n $end link add fs0 type wireguard
  wg genkey >/run/$end.key
done
ip -n a link add plain type veth peer name plain netns b
ip -n a address add 192.0.2.1/24 dev plain
ip -n b address add 192.0.2.2/24 dev plain
join() {
  ip netns exec $1 wg set fs0 private-key /run/$1.key listen-port 51820 \
    peer "$(wg pubkey </run/$2.key)" allowed-ips 10.0.0.0/24 endpoint $3:51820
  ip -n $1 address add $4/24 dev fs0
  ip -n $1 link set plain up
  ip -n $1 link set fs0 up
}
join a b 192.0.2.2 10.0.0.1
join b a 192.0.2.1 10.0.0.2
ip netns exec a ping -q -c 1 -W 20 10.0.0.2 >/dev/null
ip netns exec b wg show fs0 transfer
"""


def said(machine: MachineSpot, *program: str) -> str:
    """Return what a program in the machine says."""
    return machine.run(program, check=True).stdout.strip()


def test_user_data_is_applied(machine: MachineSpot) -> None:
    """The file that the user data asks for is there, and cloud-init had no complaint."""
    assert machine.wait_born() == {"datasource": "DataSourceHetzner", "errors": []}
    assert said(machine, "cat", "/born") == "by user data"


def test_the_kernel_is_debians(machine: MachineSpot, lab: Lab) -> None:
    """Its version is that of Debian's package, and not the one of the machine that the lab runs on."""
    package = "linux-image-" + said(machine, "uname", "-r")
    assert package.endswith("-cloud-amd64")
    assert said(machine, "dpkg-query", "-W", "-f", "${db:Status-Status}", package) == "installed"
    assert lab.place("visitor").run(["uname", "-v"]).stdout.strip() != said(machine, "uname", "-v")


def test_the_whole_system_is_up(machine: MachineSpot) -> None:
    """A whole Debian runs, with no failed unit."""
    assert said(machine, "cat", "/proc/1/comm") == "systemd"
    assert said(machine, "systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""


def test_smbios_tells_the_vendor_and_the_servers_id(machine: MachineSpot) -> None:
    """What the Hetzner datasource asks for comes from the firmware, without a stand-in."""
    assert said(machine, "cat", "/sys/class/dmi/id/sys_vendor") == "Hetzner"
    assert said(machine, "cat", "/sys/class/dmi/id/product_serial") == machine.name
    assert said(machine, "cat", "/run/cloud-init/.instance-id") == machine.name


def test_the_kernels_wireguard_carries_a_packet(machine: MachineSpot) -> None:
    """Two interfaces in two namespaces shake hands, with no program in user space."""
    peer, received, sent = said(machine, "sh", "-c", CARRIES_A_PACKET).split()
    assert len(peer) == 44
    assert int(received) > 100
    assert int(sent) > 100
    assert machine.run(["pgrep", "wireguard-go"]).returncode == 1


def test_a_visitor_reaches_it(machine: MachineSpot, lab: Lab, somebody: Customer) -> None:
    """What listens in the machine answers the internet, and what nobody listens on does not."""
    knock = "exec 3<>/dev/tcp/{}/{} && head -c 7 <&3"
    visitor, address = lab.place("visitor"), somebody.ipv4(machine)
    assert visitor.run(["bash", "-c", knock.format(address, 22)]).stdout == "SSH-2.0"
    assert visitor.run(["bash", "-c", knock.format(address, 23)]).returncode != 0


def test_its_disk_belongs_to_the_labs_owner_alone(machine: MachineSpot, lab: Lab) -> None:
    """User data and keys are on it."""
    disk = lab.folder / "run/disks" / machine.name / "disk.qcow2"
    assert disk.stat().st_mode & 0o777 == 0o600

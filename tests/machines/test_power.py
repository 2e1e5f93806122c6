"""Power: what a machine keeps, and what is left when it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.machines.ordering import WRITES_A_FILE, traces_of_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import Lab, MachineSpot
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab
READ_KEPT = ["cat", "/root/kept"]


@pytest.fixture
def own(somebody: Customer, request: pytest.FixtureRequest) -> Iterator[MachineSpot]:
    """Return a machine of the test's own, which has written a file to its disk."""
    machine = somebody.order(request.node.name.replace("_", "-")[5:40].strip("-"), WRITES_A_FILE)
    machine.wait_born()
    machine.run(["sh", "-c", "echo mine >/root/kept"], check=True)
    yield machine
    if machine.name in {str(server["id"]) for server in somebody.ask("GET", "/servers")["servers"]}:
        somebody.delete(machine)


def booted_anew(machine: MachineSpot, former_pid: int | None) -> None:
    """Wait until the machine is done with a boot that is not the former one."""
    until(lambda: machine.leader_pid not in {None, former_pid} or None, 20, "another first process")
    machine.wait_born()


def test_a_reboot_keeps_the_disk_and_nothing_of_the_kernels(own: MachineSpot) -> None:
    """After `systemctl reboot` files are there, and the network state is a new one."""
    pid = own.leader_pid
    own.run(["ip", "link", "add", "left0", "type", "bridge"], check=True)
    own.run(["systemctl", "reboot"])
    booted_anew(own, pid)
    assert own.run(READ_KEPT).stdout == "mine\n"
    assert own.run(["ip", "link", "show", "left0"]).returncode != 0


def test_a_reset_is_a_power_cut_and_keeps_the_disk(own: MachineSpot, somebody: Customer) -> None:
    """The API's reset ends everything at once, with no word to the machine, and boots from the same disk."""
    pid = own.leader_pid
    own.run(["sh", "-c", "systemd-run --unit=last --property=ExecStop='touch /root/asked' sleep 1000"], check=True)
    somebody.act(own, "reset")
    booted_anew(own, pid)
    assert own.run(READ_KEPT).stdout == "mine\n"
    assert own.run(["test", "-e", "/root/asked"]).returncode == 1


def test_a_machine_that_switches_itself_off_stays_off_until_switched_on(own: MachineSpot, somebody: Customer) -> None:
    """`poweroff` shows at the API; `poweron` boots from the same disk."""
    pid = own.leader_pid
    own.run(["systemctl", "poweroff"])
    until(lambda: somebody.server(own)["status"] == "off" or None, 15, "the server off")
    assert own.leader_pid is None
    somebody.act(own, "poweron")
    booted_anew(own, pid)
    assert own.run(READ_KEPT).stdout == "mine\n"


def test_a_rebuild_gives_an_empty_disk(own: MachineSpot, somebody: Customer) -> None:
    """What was written is gone, and user data is applied anew."""
    pid = own.leader_pid
    somebody.act(own, "rebuild", image="debian-12")
    booted_anew(own, pid)
    assert own.run(READ_KEPT).returncode == 1
    assert own.run(["cat", "/born"]).stdout == "by user data"


@pytest.mark.long
def test_a_rebuild_from_another_image_gives_its_release(own: MachineSpot, somebody: Customer) -> None:
    """A server's image is its name at the API, then and there."""
    pid = own.leader_pid
    somebody.act(own, "rebuild", image="debian-13")
    booted_anew(own, pid)
    assert "VERSION_CODENAME=trixie\n" in own.run(["cat", "/etc/os-release"]).stdout
    assert own.run(["cat", "/born"]).stdout == "by user data"


def test_nothing_is_left_of_a_deleted_server(own: MachineSpot, somebody: Customer, lab: Lab) -> None:
    """No process, no namespace, no control group, no mount, no file."""
    traces = traces_of_server(lab, own)
    somebody.delete(own)
    until(lambda: traces.left == [] or None, 15, "everything of the server gone")
    assert own.name not in [str(machine["server_id"]) for machine in lab.world()["machines"]]
    assert f"disks/{own.name}/" not in Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def test_a_cloud_firewall_is_applied_to_a_running_server(own: MachineSpot, somebody: Customer, lab: Lab) -> None:
    """Before, the port answers; once a firewall without rules is applied, it doesn't."""
    knock = ["bash", "-c", f"timeout 1 bash -c '</dev/tcp/{somebody.ipv4(own)}/22'"]
    visitor = lab.place("visitor")
    assert visitor.run(knock).returncode == 0
    made = somebody.ask("POST", "/firewalls", {"name": own.name, "rules": []})["firewall"]
    applied_to = [{"type": "server", "server": {"id": int(own.name)}}]
    somebody.ask("POST", f"/firewalls/{made['id']}/actions/apply_to_resources", {"apply_to": applied_to})
    until(lambda: visitor.run(knock).returncode != 0 or None, 10, "the port closed")

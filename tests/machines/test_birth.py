"""A server that is ordered is born: a Debian machine that boots from its real user data.

visitor ── inet ── site ── machine: systemd, cloud-init with the Hetzner datasource, sshd
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lab.machines.recipe import MIRROR_NAME
from tests.machines.ordering import WRITES_A_FILE

if TYPE_CHECKING:
    from lab.client import Lab, MachineSpot
    from lab.machines.recipe import Release
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab
RESOLVERS = ["185.12.64.1", "185.12.64.2"]
RESOLVERS6 = ["2a01:4ff:ff00::add:2", "2a01:4ff:ff00::add:1"]


def said(machine: MachineSpot, *program: str) -> str:
    """Return what a program in the machine says."""
    return machine.run(program, check=True).stdout.strip()


def test_user_data_is_applied(grown: MachineSpot) -> None:
    """The file that the user data asks for is there, and cloud-init had no complaint."""
    assert said(grown, "cat", "/born") == "by user data"
    assert grown.wait_born() == {"datasource": "DataSourceHetzner", "errors": []}


def test_user_data_with_a_newline_at_its_end_is_ignored(somebody: Customer, release: Release) -> None:
    """As on a real server: one newline after the base64, and cloud-init says nothing and does nothing."""
    machine = somebody.order(f"newline-{release.codename}", WRITES_A_FILE + "\n", image=release.image)
    assert machine.wait_born()["errors"] == []
    assert machine.run(["test", "-e", "/born"]).returncode == 1
    somebody.delete(machine)


def test_the_first_process_is_systemd_and_the_system_is_up(grown: MachineSpot, release: Release) -> None:
    """A whole system of the release that was ordered runs, with no failed unit."""
    assert said(grown, "cat", "/proc/1/comm") == "systemd"
    assert f"VERSION_CODENAME={release.codename}\n" in said(grown, "cat", "/etc/os-release")
    assert said(grown, "systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""


def test_it_has_the_name_and_the_keys_that_were_ordered(grown: MachineSpot, release: Release) -> None:
    """Host name and root's key come from the metadata service."""
    assert said(grown, "hostname") == f"grown-{release.codename}"
    assert said(grown, "cat", "/root/.ssh/authorized_keys").endswith(" laptop")


def test_ipv4_comes_by_dhcp_as_a_single_address(grown: MachineSpot, release: Release, somebody: Customer) -> None:
    """The address is a /32, the gateway off-link, and the metadata service is reached through it."""
    address = somebody.ipv4(grown)
    shown = json.loads(said(grown, "ip", "-json", "-4", "address", "show", "dev", "eth0"))
    assert [(a["local"], a["prefixlen"], a.get("dynamic")) for a in shown[0]["addr_info"]] == [(address, 32, True)]
    routes = json.loads(said(grown, "ip", "-json", "-4", "route"))
    # networkd leads to each resolver by a route of its own.
    to_resolvers = [(name, "172.31.1.1", None) for name in RESOLVERS] if release.distribution == "ubuntu" else []
    assert [(r["dst"], r.get("gateway"), r.get("scope")) for r in routes] == [
        ("default", "172.31.1.1", None),
        ("169.254.169.254", "172.31.1.1", None),
        ("172.31.1.1", None, "link"),
        *to_resolvers,
    ]


def test_names_are_asked_for_at_the_providers_resolvers(grown: MachineSpot, release: Release) -> None:
    """By the programs themselves, or on Ubuntu through systemd-resolved, which alone knows them."""
    own = nameservers(grown, "/etc/resolv.conf")
    if release.distribution == "ubuntu":
        assert own == ["127.0.0.53"]
        own = nameservers(grown, "/run/systemd/resolve/resolv.conf")
        assert sorted(own) == sorted([*RESOLVERS, *RESOLVERS6])  # in the order in which it heard of them
    else:
        assert own == [*RESOLVERS, *RESOLVERS6]
    assert grown.run(["getent", "ahostsv4", MIRROR_NAME]).returncode == 0
    assert grown.run(["getent", "ahostsv4", "nobody.example"]).returncode != 0


def nameservers(machine: MachineSpot, file: str) -> list[str]:
    """Return the resolvers that a file names."""
    return [line.split()[1] for line in said(machine, "cat", file).splitlines() if line.startswith("nameserver ")]


def test_ipv6_is_static_with_a_link_local_gateway(grown: MachineSpot, somebody: Customer) -> None:
    """The first address of the server's /64, and fe80::1 as the way out."""
    network = somebody.server(grown)["public_net"]["ipv6"]["ip"]
    shown = json.loads(said(grown, "ip", "-json", "-6", "address", "show", "scope", "global"))
    assert [f"{a['local']}/{a['prefixlen']}" for link in shown for a in link.get("addr_info", []) if a] == [
        network.replace("::/64", "::1/64")
    ]
    default = json.loads(said(grown, "ip", "-json", "-6", "route", "show", "default"))
    assert [route["gateway"] for route in default] == ["fe80::1"]


def test_a_visitor_reaches_it(lab: Lab, grown: MachineSpot, somebody: Customer) -> None:
    """What listens in the machine answers the internet."""
    script = f"exec 3<>/dev/tcp/{somebody.ipv4(grown)}/22 && head -c 7 <&3"
    assert lab.place("visitor").run(["bash", "-c", script]).stdout == "SSH-2.0"


def test_a_program_runs_as_the_user_named(grown: MachineSpot) -> None:
    """Rights in the machine are root's unless another user is asked for."""
    assert said(grown, "id", "-un") == "root"
    assert grown.run(["id", "-un"], user="nobody").stdout == "nobody\n"


def test_a_secret_can_be_given_on_standard_input(grown: MachineSpot) -> None:
    """What is given there shows on no command line."""
    assert grown.run(["wc", "-c"], given="12345").stdout == "5\n"


def test_the_tunnels_programs_are_in_the_fast_image(grown: MachineSpot) -> None:
    """WireGuard's tools and haproxy are there, and nothing of them is started or enabled."""
    assert said(grown, "wg", "--version").startswith("wireguard-tools")
    assert grown.run(["systemctl", "is-enabled", "haproxy"]).stdout == "disabled\n"

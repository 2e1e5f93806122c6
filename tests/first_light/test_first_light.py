"""The page arrives through the tunnel, and nothing else is there."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
from hcloud import Client

from lab.client import until
from tests.first_light.deployed import ONE_AND_LONG, PAGE, Deployed, farshore, redo_firewall, undo_firewall

if TYPE_CHECKING:
    from hcloud.firewalls import BoundFirewall, FirewallResource

    from tools.lab import Machines

pytestmark = pytest.mark.lab

HTTP, HTTPS = "http://www.example.com/", "https://secure.example.com/"


def transferred(deployed: Deployed) -> int:
    """Return the bytes that the shield's WireGuard has received from its peers."""
    said = deployed.machine("falkenstein").run(["wg", "show", "fs0", "transfer"], check=True).stdout
    return sum(int(line.split("\t")[1]) for line in said.splitlines())


@pytest.mark.parametrize("family", ["-4", "-6"])
@pytest.mark.parametrize("url", [HTTP, HTTPS])
def test_the_page_arrives_through_the_tunnel(deployed: Deployed, url: str, family: str) -> None:
    """A visitor gets the origin's page over IPv4 and IPv6, and the tunnel has carried it."""
    before = transferred(deployed)
    body = deployed.fetch(url, family)
    assert PAGE in body
    assert transferred(deployed) - before > len(body)


def test_an_up_that_succeeded_speaks_of_no_repair(deployed: Deployed) -> None:
    """The twin of tests/failures/test_hint.py: the next command is named after a failure only."""
    assert "to try:" in deployed.said
    assert "repair" not in deployed.said


def test_tls_ends_at_the_origin(deployed: Deployed) -> None:
    """The shield passes TLS through: the origin sees an encrypted connection, and the certificate is the origin's."""
    assert "at the origin" in deployed.fetch(HTTPS)
    said = deployed.fetch(HTTPS, "-v", "-o", "/dev/null", "--stderr", "-")
    assert "CN=secure.example.com" in said.replace("CN = ", "CN=")
    assert not deployed.machine("falkenstein").run(["find", "/etc", "/run", "-name", "cert.pem"]).stdout


def test_a_name_that_nobody_declared_is_closed(deployed: Deployed) -> None:
    """Neither a page nor a certificate for another name; port 80 sends TLS domains to 443."""
    shield = deployed.host("falkenstein").ipv4
    for url in (f"http://{shield}/", f"https://{shield}/"):
        done = deployed.lab.place("visitor").run(["curl", "-sS", "-k", "--max-time", "5", url])
        assert done.returncode != 0
        assert done.stdout == ""
    moved = deployed.fetch("http://secure.example.com/", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}")
    assert moved == f"308 {HTTPS}"


def test_without_the_tunnel_there_is_no_page(deployed: Deployed) -> None:
    """The page comes by no other way; when the tunnel is back, so is the page."""
    origin = deployed.machine("press")
    deployed.page()
    origin.run(["systemctl", "stop", "wg-quick@fs0g0"], check=True)
    try:
        deployed.gone()
        address = deployed.host("press").ipv4
        for port in (8080, 8443):
            attempt = deployed.lab.place("attacker").run(
                ["curl", "-sS", "--max-time", "2", f"http://{address}:{port}/"]
            )
            assert attempt.returncode == 28, attempt  # curl(1): timed out
    finally:
        origin.run(["systemctl", "start", "wg-quick@fs0g0"], check=True)
    deployed.page()


def test_keys_are_for_root_alone(deployed: Deployed) -> None:
    """Every key, configuration with addresses in it, and copy of the user data is 0600 below 0700."""
    for name in ("falkenstein", "press"):
        machine = deployed.machine(name)
        said = machine.run(
            ["find", "/etc/farshore/keys", "/etc/wireguard", "-printf", "%m %U %y %p\n"], check=True
        ).stdout
        modes = {line.split()[2] + line.split()[0] for line in said.splitlines()}
        assert modes == {"d700", "f600"}, said
        assert all(line.split()[1] == "0" for line in said.splitlines())
        more = machine.run(["stat", "-c", "%a", "/etc/farshore/farshore.nft", "/var/lib/cloud/instance/user-data.txt"])
        assert more.stdout.split() == ["600", "600"]
        refused = machine.run(["cat", "/etc/farshore/keys/fs0.key", "/etc/farshore/keys/fs0g0.key"], user="nobody")
        assert refused.returncode != 0
        assert refused.stdout == ""


@pytest.mark.parametrize("name", ["falkenstein", "press"])
@pytest.mark.parametrize("where", ["169.254.169.254", "[fe80::a9fe:a9fe%25eth0]"])
def test_the_metadata_service_is_for_root_alone(either: Deployed, name: str, where: str) -> None:
    """User data stays readable there for the server's life: root gets it, nobody else does."""
    machine = either.machine(name)
    ask = ["curl", "-sS", "-g", "--max-time", "4", f"http://{where}/hetzner/v1/userdata"]
    assert len(machine.run(ask, check=True).stdout) > 1000
    refused = machine.run(ask, user="nobody")
    assert refused.returncode != 0
    assert refused.stdout == ""


def test_the_firewall_is_ours_and_stays_when_its_unit_stops(either: Deployed) -> None:
    """Debian's own service can't be started, stopping ours opens nothing, and loading it again keeps the counters."""
    for name in ("falkenstein", "press"):
        machine = either.machine(name)
        assert machine.run(["systemctl", "start", "nftables.service"]).returncode != 0
        machine.run(["systemctl", "stop", "nftables.service"])
        assert machine.run(["systemctl", "is-enabled", "nftables.service"]).stdout.strip() == "masked"
        before = machine.run(["nft", "-s", "list", "table", "inet", "farshore"], check=True).stdout
        machine.run(["systemctl", "stop", "farshore-nftables.service"], check=True)
        assert machine.run(["nft", "-s", "list", "table", "inet", "farshore"], check=True).stdout == before
        machine.run(["systemctl", "start", "farshore-nftables.service"], check=True)
        after = machine.run(["nft", "-s", "list", "table", "inet", "farshore"], check=True).stdout
        assert _without_order(after) == _without_order(before)
    either.page()


def test_a_table_that_is_refused_leaves_the_host_closed(deployed: Deployed) -> None:
    """The fallback is loaded first: with a broken table the unit fails and everything is dropped."""
    machine = deployed.machine("press")
    path = "/etc/farshore/farshore.nft"
    sound = machine.run(["cat", path], check=True).stdout
    try:
        machine.run(["tee", path], given=sound + "nonsense\n", check=True)
        machine.run(["nft", "delete", "table", "inet", "farshore"], check=True)
        assert machine.run(["systemctl", "restart", "farshore-nftables.service"]).returncode != 0
        rules = machine.run(["nft", "list", "table", "inet", "farshore"], check=True).stdout
        assert rules.count("policy drop") == 2
        deployed.gone()
    finally:
        machine.run(["tee", path], given=sound, check=True)
        machine.run(["systemctl", "restart", "farshore-nftables.service"], check=True)
    deployed.page()


def test_ping_is_not_answered(deployed: Deployed) -> None:
    """Neither host answers an echo request from outside, v4 or v6; through the tunnel both do."""
    attacker = deployed.lab.place("attacker")
    for name in ("falkenstein", "press"):
        for address in (deployed.host(name).ipv4, deployed.address6(name)):
            assert attacker.run(["ping", "-c", "2", "-i", "0.2", "-W", "1", address]).returncode == 1
    inside = deployed.machine("falkenstein").run(["ping", "-c", "1", "-W", "2", "10.0.0.2"])
    assert inside.returncode == 0, inside.stdout


class TestScan:
    """All 65535 TCP ports, v4 and v6, from an attacker who knows every address."""

    def open_ports(self, deployed: Deployed) -> dict[str, set[int]]:
        """Return what is open at each host, both address families together."""
        targets = {name: (deployed.host(name).ipv4, deployed.address6(name)) for name in ("falkenstein", "press")}
        found = deployed.scan(*(address for pair in targets.values() for address in pair))
        for name, pair in targets.items():
            assert found[pair[0]] == found[pair[1]], (name, found)
        return {name: found[pair[0]] for name, pair in targets.items()}

    def test_both_layers(self, deployed: Deployed) -> None:
        """80 and 443 at the shield, nothing at the origin."""
        assert self.open_ports(deployed) == {"falkenstein": {80, 443}, "press": set()}

    def test_the_command_shows_it(self, deployed: Deployed) -> None:
        """`farshore lab scan` looks at every port: two of the shield's are open, and none of the origin's."""
        opened = {}
        for name in ("falkenstein", "press"):
            done = farshore("lab", "scan", "--name", deployed.name, name)
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"Nmap scan report for {deployed.host(name).ipv4}" in done.stdout
            opened[name] = {int(port) for port in re.findall(r"^(\d+)/tcp +open ", done.stdout, re.MULTILINE)}
            assert "Not shown: 6553" in done.stdout or "All 65535 scanned ports" in done.stdout
        assert opened == {"falkenstein": {80, 443}, "press": set()}

    @pytest.mark.long_on_vm  # it stands outside of the machine, on this machine's kernel
    def test_the_cloud_firewall_alone(self, deployed: Deployed) -> None:
        """The same with the guests' nftables flushed."""
        for name in ("falkenstein", "press"):
            undo_firewall(deployed.machine(name), name)
        try:
            assert self.open_ports(deployed) == {"falkenstein": {80, 443}, "press": set()}
        finally:
            for name in ("falkenstein", "press"):
                redo_firewall(deployed.machine(name))
        deployed.page()

    @pytest.mark.parametrize("either", ONE_AND_LONG, indirect=True)
    def test_nftables_alone(self, either: Deployed) -> None:
        """The same with the provider's firewalls taken off; and without both, the scan does find something."""
        with_firewalls = detach_firewalls(either)
        try:
            assert self.open_ports(either) == {"falkenstein": {80, 443}, "press": set()}
            undo_firewall(either.machine("press"), "press")
            try:
                address = either.host("press").ipv4
                assert 22 in either.scan(address)[address]
                assert either.lab.place("attacker").run(["ping", "-c", "1", "-W", "2", address]).returncode == 0
            finally:
                redo_firewall(either.machine("press"))
        finally:
            attach_firewalls(with_firewalls)
        either.page()


def detach_firewalls(deployed: Deployed) -> list[tuple[BoundFirewall, FirewallResource]]:
    """Take the provider's firewalls off all servers."""
    taken = []
    for token in deployed.lab.tokens.values():
        client = Client(token=token, api_endpoint=deployed.lab.endpoint)
        for firewall in client.firewalls.get_all():
            for resource in firewall.applied_to or ():
                for action in firewall.remove_from_resources([resource]):
                    action.wait_until_finished()
                taken.append((firewall, resource))
    return taken


def attach_firewalls(taken: list[tuple[BoundFirewall, FirewallResource]]) -> None:
    """Put them back."""
    for firewall, resource in taken:
        for action in firewall.apply_to_resources([resource]):
            action.wait_until_finished()


def _without_order(rules: str) -> list[str]:
    """Return the lines of a listing, sorted: a reload may list sets in another order."""
    return sorted(re.sub(r"\s+", " ", line).strip() for line in rules.splitlines())


def test_both_hosts_are_whole(either: Deployed) -> None:
    """Every unit is up, nothing has failed, and cloud-init had no word of warning about our user data."""
    for name in ("falkenstein", "press"):
        machine = either.machine(name)
        failed = machine.run(["systemctl", "list-units", "--failed", "--no-legend", "--plain"]).stdout
        assert failed == "", failed
        log = machine.run(["cat", "/var/log/cloud-init.log"]).stdout
        assert "Unhandled" not in log
        assert not re.search(r"WARNING.*(user.?data|schema)", log), log
        handshakes = machine.run(["wg", "show", "all", "latest-handshakes"]).stdout.split()
        assert int(handshakes[-1]) > 0


def test_the_tunnel_is_the_kernels_in_a_virtual_machine(deployed: Deployed, machines: Machines) -> None:
    """Debian's kernel carries it, with no program's help; under systemd-nspawn it is a program, the host having none."""
    for name, interface in (("falkenstein", "fs0"), ("press", "fs0g0")):
        machine = deployed.machine(name)
        link = machine.run(["ip", "-details", "link", "show", "dev", interface], check=True).stdout
        program = machine.run(["pgrep", "--exact", "wireguard-go"])
        kernel = machine.run(["uname", "--kernel-release"], check=True).stdout.strip()
        if machines == "vm":
            assert "wireguard" in link
            assert program.returncode == 1
            assert kernel.endswith("-cloud-amd64")
        else:
            assert kernel == os.uname().release
            assert ("wireguard" in link) is (program.returncode == 1)


def test_a_reboot_closes_before_the_network_and_comes_back(either: Deployed) -> None:
    """After a reboot of the origin the firewall was loaded before the network, and the page returns by itself."""
    machine = either.machine("press")
    before = machine.leader_pid
    machine.run(["systemctl", "reboot"])
    until(lambda: True if machine.leader_pid not in {None, before} else None, 60, "another boot")
    machine.wait_born()
    show = ["systemctl", "show", "-p", "ActiveEnterTimestampMonotonic", "--value"]
    loaded, network = (
        int(machine.run([*show, unit], check=True).stdout)
        for unit in ("farshore-nftables.service", "network-pre.target")
    )
    assert 0 < loaded <= network
    either.page(within_s=60)

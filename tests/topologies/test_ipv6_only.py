"""Hosts without a public IPv4 address: page, tunnel, packages, time and names go over IPv6, and IPv4 stays inside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import PAGE
from tests.topologies.egress import WAYS, Way, prove, update_packages

if TYPE_CHECKING:
    from tests.first_light.deployed import Deployed

pytestmark = [pytest.mark.lab, pytest.mark.long]
HOSTS = ("falkenstein", "press")


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_has_no_ipv4_address_outside(ipv6_only: Deployed, host: str) -> None:
    """What DHCP lends at birth, to ask for the metadata, is gone: outside the tunnel there is IPv6 alone."""
    shown = json.loads(ipv6_only.machine(host).run(["ip", "-json", "-4", "address", "show", "scope", "global"]).stdout)
    assert {link["ifname"][:2] for link in shown if link} == {"fs"}
    assert (ipv6_only.host(host).ipv4, ipv6_only.host(host).ipv6) == ("", ipv6_only.address6(host))
    assert ipv6_only.machine(host).run(["ip", "-4", "route", "show", "default"], check=True).stdout == ""


def test_the_page_is_reached_over_ipv6_alone(ipv6_only: Deployed) -> None:
    """A visitor with both families finds it; one who insists on IPv4 finds no address at all."""
    assert PAGE in ipv6_only.page("http://www.example.com/")
    assert PAGE in ipv6_only.page("https://secure.example.com/")
    assert ipv6_only.fetch("http://www.example.com/", "-4") == ""


def test_the_tunnel_is_over_ipv6_and_carries_ipv4(ipv6_only: Deployed) -> None:
    """WireGuard's peers are IPv6 addresses; inside, a full-size packet of either family passes, and no larger one."""
    press, shield = ipv6_only.machine("press"), ipv6_only.host("falkenstein").ipv6
    said = press.run(["wg", "show", "fs0g0", "endpoints"], check=True).stdout
    assert said.split()[1] == f"[{shield}]:51820"
    inside6 = "".join(
        line.partition("=")[2]
        for line in ipv6_only.machine("falkenstein").run(["cat", "/etc/farshore/tunnel.env"]).stdout.splitlines()
        if line.startswith("FARSHORE_ADDRESS6=")
    )
    for address, payload in (("10.0.0.1", 1420 - 28), (inside6, 1420 - 48)):
        ping = ["ping", "-c", "1", "-W", "3", "-M", "do"]
        assert press.run([*ping, "-s", str(payload), address]).returncode == 0, address
        assert press.run([*ping, "-s", str(payload + 1), address]).returncode != 0, address


@pytest.mark.long  # every port of both takes a quarter of a minute, and tests/first_light looks at the same rules
def test_an_origin_shows_nothing_and_a_shield_two_ports(ipv6_only: Deployed) -> None:
    """As with IPv4, on every port of the address that there is."""
    addresses = {name: ipv6_only.host(name).ipv6 for name in HOSTS}
    assert ipv6_only.scan(*addresses.values()) == {addresses["falkenstein"]: {80, 443}, addresses["press"]: set()}


def test_names_are_resolved_and_packages_come(ipv6_only: Deployed) -> None:
    """The provider's IPv6 resolvers are asked, and apt fetches from the mirror, with nothing but its own permit."""
    press = ipv6_only.machine("press")
    servers = [
        line.split()[1] for line in press.run(["cat", "/etc/resolv.conf"]).stdout.splitlines() if line[:1] == "n"
    ]
    assert servers
    assert all(server.startswith("2a01:4ff:ff00::add:") for server in servers)
    update_packages(press)


@pytest.mark.parametrize("way", [way for way in WAYS if ":" in way.address], ids=lambda way: way.what)
def test_egress_is_by_user(ipv6_only: Deployed, way: Way) -> None:
    """The user whose work it is gets an answer; another is refused at once; both are counted."""
    prove(ipv6_only.lab, ipv6_only.machine("press"), way)

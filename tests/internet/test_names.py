"""Names and addresses that the internet itself gives out: DNS, router advertisements, the mirror."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from lab.client import until
from lab.internet.namespace import configure
from tests.internet.standing import MIRROR_NAME, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab

# Asks for the IPv4 addresses of a name and prints the answer's code (RFC 1035, 4.1.1).
ASK: Final = """
import socket, sys
name = b"".join(bytes([len(part)]) + part for part in sys.argv[2].encode().split(b"."))
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(30)
asking.sendto(bytes.fromhex("1234 0100 0001 0000 0000 0000") + name + bytes.fromhex("00 0001 0001"), (sys.argv[1], 53))
print(asking.recv(512)[3] & 15)
"""


def look_up(internet: Standing, name: str) -> set[str]:
    """Return the addresses that a visitor finds for a name."""
    said = internet.place("visitor").run(["getent", "ahosts", name]).stdout
    return {line.split()[0] for line in said.splitlines()}


def test_a_published_name_is_known_until_it_is_withdrawn(internet: Standing) -> None:
    """A file in the names' folder counts at once, in both IP versions, and no longer than it is there."""
    published = internet.names / "published"
    published.write_text("203.0.113.10 www.example.com\n2001:db8:10::1 www.example.com\n", encoding="ascii")
    want = {"203.0.113.10", "2001:db8:10::1"}
    until(lambda: look_up(internet, "www.example.com") == want or None, 5, "the published name")
    published.unlink()
    until(lambda: look_up(internet, "www.example.com") == set() or None, 5, "the name withdrawn")


def test_an_unknown_name_is_denied(internet: Standing) -> None:
    """The resolver says that there is no such name (NXDOMAIN): nobody waits for an answer that never comes."""
    assert look_up(internet, "www.example.org") == set()
    said = internet.place("visitor").run([sys.executable, "-c", ASK, "192.0.2.53", "www.example.org"], check=True)
    assert said.stdout == "3\n"


def test_no_program_of_a_lab_writes_the_hosts_pid_file(internet: Standing) -> None:
    """All dnsmasqs would share it, and of two that start at once one would end: the host's own stays the host's."""
    shared = Path("/run/dnsmasq.pid")
    running = Path("/proc", shared.read_text(encoding="ascii").strip(), "cmdline") if shared.exists() else shared
    assert str(internet.names.parent) not in (running.read_text(encoding="utf-8") if running.exists() else "")


def test_a_place_asks_the_labs_resolver_and_no_other(internet: Standing) -> None:
    """A place sees its own resolver's address in /etc; the host's file is another one."""
    inside = internet.place("visitor").run(["cat", "/etc/resolv.conf"]).stdout
    assert inside.splitlines()[0] == "nameserver 192.0.2.53"


@pytest.mark.parametrize("flag", ["-4", "-6"])
def test_the_mirror_answers_by_its_name(internet: Standing, flag: str) -> None:
    """The package mirror serves the repository over both IP versions."""
    fetched = internet.place("visitor").run(["curl", "-sS", flag, "-m", "5", f"http://{MIRROR_NAME}/debian/hello"])
    assert fetched.stdout == "hello from the mirror\n"


@pytest.fixture
def advertised(tmp_path: Path) -> Iterator[Standing]:
    """Return an internet of its own whose site sends router advertisements."""
    standing = Standing(tmp_path, advertise=True, prefix_letter="r")
    try:
        standing.start()
        yield standing
    finally:
        standing.stop()


def test_a_site_can_advertise_its_prefix(advertised: Standing) -> None:
    """Where it is asked for, a host learns address and router by itself, as at other providers."""

    def learnt() -> tuple[str, str] | None:
        hosts = configure(advertised.host, lambda netlink: netlink.get_addr(family=10, scope=0))
        routes = configure(advertised.host, lambda netlink: netlink.get_default_routes(family=10))
        found = [host.get_attr("IFA_ADDRESS") for host in hosts]
        via = [route.get_attr("RTA_GATEWAY") for route in routes]
        return (found[0], via[0]) if found and via else None

    assert until(learnt, 15, "an address by advertisement") == ("2001:db8:10:0:9400:ff:fe00:7", "fe80::1")

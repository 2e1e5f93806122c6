"""Services of an origin listen on its tunnel address: they can before the tunnel is up, and others are found out."""

from __future__ import annotations

import contextlib
import re
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Final

import pytest
from rich.console import Console

from lab.client import until
from tools.deployment import LISTENERS, hosts_of, tell_listeners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot
    from tests.topologies.standing import Connected

pytestmark = pytest.mark.lab
PORT: Final = 9999
TUNNELS: Final = ("wg-quick@fs0g0", "wg-quick@fm0g0")


UDP: Final = """
import signal, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
held = socket.socket(family, socket.SOCK_DGRAM)
held.bind((sys.argv[1], int(sys.argv[2])))
signal.pause()
"""


@contextlib.contextmanager
def listening(machine: MachineSpot, address: str, protocol: str = "tcp", port: int = PORT) -> Iterator[None]:
    """Have a unit `careless` listen in a machine."""
    program = {
        "tcp": ["/usr/bin/python3", "-m", "http.server", str(port), "--bind", address],
        "udp": ["/usr/bin/python3", "-c", UDP, address, str(port)],
    }[protocol]
    machine.run(["systemd-run", "--quiet", "--unit=careless", *program], check=True)
    try:
        until(lambda: True if f":{port} " in machine.run(["ss", "-Hltun"]).stdout else None, 20, "a listener")
        yield
    finally:
        machine.run(["systemctl", "stop", "careless"], check=True)


def answered(connected: Connected, asking: str, address: str, answering: str) -> bool | None:
    """Return True once one host's store has answered another."""
    return True if connected.answer(asking, address, 5432).endswith(answering) else None


def findings(machine: MachineSpot) -> list[str]:
    """Return what a host's own look finds, a line each."""
    return machine.run([LISTENERS], check=True).stdout.splitlines()


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize(("address", "shown"), [("0.0.0.0", "0.0.0.0"), ("::", "*")])  # noqa: S104 - what is found out
def test_a_listener_on_every_address_is_a_finding(
    connected: Connected, address: str, shown: str, protocol: str
) -> None:
    """It is named with its unit and the remedy, by the host in its journal and by `lab up` on the terminal."""
    press = connected.machine("press")
    with listening(press, address, protocol):
        (found,) = [line for line in findings(press) if f":{PORT}/" in line]
        assert found.startswith(f"listener: {shown}:{PORT}/{protocol} of careless.service, allowed: 10.0.0.2")
        assert found.endswith("bind it to FARSHORE_ADDRESS, which /etc/farshore/tunnel.env holds")
        press.run(["systemctl", "start", "farshore-listeners"], check=True)
        said = press.run(["journalctl", "--unit=farshore-listeners", "--priority=warning", "--output=cat"], check=True)
        assert found in said.stdout.splitlines()
        shown_to_a_person = StringIO()
        tell_listeners(connected.lab, hosts_of(connected.lab).all, Console(file=shown_to_a_person, width=300))
        assert shown_to_a_person.getvalue() == f"  warning: press: {found}\n"
    assert findings(press) == []


def test_a_listener_of_a_socket_unit_is_named_by_it(connected: Connected) -> None:
    """The port is held by systemd itself: the unit is the socket's."""
    press = connected.machine("press")
    press.run(
        ["systemd-run", "--quiet", f"--socket-property=ListenStream={PORT}", "--unit=held", "/bin/true"], check=True
    )
    try:
        assert [line.partition(",")[0] for line in findings(press)] == [f"listener: *:{PORT}/tcp of held.socket"]
    finally:
        press.run(["systemctl", "stop", "held.socket"], check=True)


def test_a_listener_on_the_tunnel_address_is_none(connected: Connected) -> None:
    """What stands on an origin of the example listens where it should, and the look finds nothing."""
    press = connected.machine("press")
    with listening(press, "10.0.0.2"):
        assert findings(press) == []
    assert [findings(connected.machine(name)) for name in ("press", "db", "replica")] == [[], [], []]
    assert "listener:" not in connected.said


def test_a_client_and_a_tunnel_are_none(connected: Connected) -> None:
    """Both hold a UDP port on every address; a client's is one of those that the kernel lends."""
    press = connected.machine("press")
    assert re.search(r"(0\.0\.0\.0|\*):51820 ", press.run(["ss", "-Hlun"], check=True).stdout), "WireGuard's own"
    with listening(press, "0.0.0.0", "udp", 45678):  # noqa: S104 - a client that has sent, and waits for its answer
        assert findings(press) == []


def test_a_service_may_start_before_the_tunnel_is_up(connected: Connected) -> None:
    """It listens on an address that the host has not got yet; as soon as the tunnel is up it answers through it."""
    store = connected.machine("db")
    try:
        store.run(["systemctl", "stop", *TUNNELS], check=True)
        assert "10.0.0.3" not in store.run(["ip", "address"], check=True).stdout
        store.run(["systemctl", "restart", "store"], check=True)
        until(lambda: True if "10.0.0.3:5432 " in store.run(["ss", "-Hltn"]).stdout else None, 20, "the store")
    finally:
        store.run(["systemctl", "start", *TUNNELS], check=True)
    for asking, address, answering in (("press", "10.0.0.3", "db"), ("db", "10.0.0.4", "replica")):
        until(partial(answered, connected, asking, address, answering), 30, f"an answer of {answering}")


def test_without_the_hosts_setting_it_could_not(connected: Connected) -> None:
    """The kernel refuses an address that a host has not got, unless it is told (`ip_nonlocal_bind`)."""
    store = connected.machine("db")
    bind = ["python3", "-c", "import socket; socket.create_server(('10.0.0.77', 5433))"]
    assert store.run(bind).returncode == 0
    store.run(["sysctl", "-q", "-w", "net.ipv4.ip_nonlocal_bind=0"], check=True)
    try:
        assert "Cannot assign requested address" in store.run(bind).stderr
    finally:
        store.run(["sysctl", "-q", "-w", "net.ipv4.ip_nonlocal_bind=1"], check=True)

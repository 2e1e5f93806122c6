"""What an origin's own programs may say to the Internet, asked as the user whose work it is, and as others."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from lab.internet.namespace import run_inside
from lab.machines.recipe import MIRROR_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import Lab, MachineSpot

NTP: Final = 123
_NTP_REQUEST: Final = bytes([0x23]) + bytes(47)  # RFC 5905: version 4, client
_ASK: Final = """
import socket, sys
address, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
asked = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
asked.settimeout(5)
try:
    asked.connect((address, port))
    if kind == "udp":
        asked.send(bytes.fromhex(sys.stdin.read()))
        asked.recv(1000)
except TimeoutError:
    print("silent")
except OSError:
    print("refused")
else:
    print("answered")
"""


@dataclass(frozen=True, kw_only=True)
class Way:
    """Something that a host needs of the Internet.

    Args:
        what: For people.
        user: Whose programs need it.
        address: Of somebody who answers.
        port: Of theirs.
        kind: `tcp` or `udp`.
        denied: A user who may not; where everybody may, an address that nobody may ask stands in its place.
        elsewhere: Such an address.
        says: What is sent, if it is UDP.
    """

    what: str
    user: str
    address: str
    port: int
    kind: Literal["tcp", "udp"]
    denied: str
    elsewhere: str
    says: bytes = b""


_QUERY: Final = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x00\x00\x01\x00\x01"
# A provider's resolvers answer in each server's site; the mirror and the place of the visitor are on the Internet.
WAYS: Final = (
    Way(what="names", user="nobody", address="185.12.64.1", port=53, kind="udp", denied="nobody",
        elsewhere="192.0.2.53", says=_QUERY),
    Way(what="names6", user="nobody", address="2a01:4ff:ff00::add:1", port=53, kind="udp", denied="nobody",
        elsewhere="2001:db8:ff::53", says=_QUERY),
    Way(what="names by tcp", user="nobody", address="185.12.64.1", port=53, kind="tcp", denied="nobody",
        elsewhere="192.0.2.53"),
    Way(what="packages", user="_apt", address="192.0.2.80", port=80, kind="tcp", denied="nobody",
        elsewhere="192.0.2.80"),
    Way(what="packages6", user="_apt", address="2001:db8:ff::80", port=80, kind="tcp", denied="root",
        elsewhere="2001:db8:ff::80"),
    Way(what="time", user="systemd-timesync", address="192.0.2.7", port=NTP, kind="udp", denied="nobody",
        elsewhere="192.0.2.7", says=_NTP_REQUEST),
    Way(what="time6", user="systemd-timesync", address="2001:db8:ff::7", port=NTP, kind="udp", denied="root",
        elsewhere="2001:db8:ff::7", says=_NTP_REQUEST),
)  # fmt: skip


def ask(machine: MachineSpot, way: Way, *, user: str, address: str) -> str:
    """Return what becomes of a question that a user's program has: `answered`, `silent`, or `refused` at once."""
    program = ["python3", "-c", _ASK, address, str(way.port), way.kind]
    return machine.run(program, user=user, given=way.says.hex(), check=True).stdout.strip()


def prove(lab: Lab, machine: MachineSpot, way: Way) -> None:
    """See that the user may, that another may not, and that both are counted."""
    before = counted(machine)
    with clock(lab):
        assert ask(machine, way, user=way.user, address=way.address) == "answered"
        after = counted(machine)
        assert after["egress_new"] > before["egress_new"]
        assert ask(machine, way, user=way.denied, address=way.elsewhere) == "refused"
    assert counted(machine)["egress_denied"] > after["egress_denied"]


def update_packages(machine: MachineSpot) -> None:
    """See that apt(8) fetches its lists, though root itself may not fetch the same by its own hand."""
    done = machine.run(["apt-get", "update", "-o", "APT::Update::Error-Mode=any"], within_s=120)
    assert done.returncode == 0, done.stdout + done.stderr
    own = machine.run(["curl", "-sS", "--max-time", "10", f"http://{MIRROR_NAME}/debian/"])
    assert own.returncode == 7, own.stderr  # curl(1): failed to connect to host


def counted(machine: MachineSpot) -> dict[str, int]:
    """Return how many packets each named counter of a host has seen."""
    said = machine.run(["nft", "list", "counters", "table", "inet", "farshore"], check=True).stdout
    return {name: int(count) for name, count in re.findall(r"counter (\S+) \{\s+packets (\d+)", said)}


@contextlib.contextmanager
def clock(lab: Lab) -> Iterator[None]:
    """Answer whoever asks for the time at the visitor's place."""
    namespace = lab.place("visitor").namespace

    def listen(family: socket.AddressFamily) -> socket.socket:
        made = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(("", NTP))
        return made

    def answer(heard: socket.socket) -> None:
        with contextlib.suppress(OSError):  # it is shut down at the end
            while True:
                asked, address = heard.recvfrom(100)
                if not address:
                    return
                heard.sendto(bytes([0x24]) + asked[1:], address)

    with contextlib.ExitStack() as stack:
        for family in (socket.AF_INET, socket.AF_INET6):
            heard = stack.enter_context(run_inside(namespace, partial(listen, family)))
            thread = threading.Thread(target=answer, args=(heard,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(_shut, heard)
        yield


def _shut(heard: socket.socket) -> None:
    """Wake whoever waits at a socket, for the last time."""
    with contextlib.suppress(OSError):  # a datagram socket is not connected, and is shut down none the less
        heard.shutdown(socket.SHUT_RDWR)

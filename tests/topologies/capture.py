"""What passes a cable, seen by a packet socket: to whom names are asked for, and in how many packets a tunnel speaks."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final

from lab.internet.namespace import run_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES: Final = frozenset({53, 853})  # DNS, and DNS over TLS
_ETH_P_ALL: Final = 3
_IP: Final = frozenset({0x0800, 0x86DD})  # neither ARP nor anything else that has no ports
_ROOM_BYTES: Final = 1 << 22  # of what waits to be read: some thousand packets
_LAST_BYTES: Final = 65536
_SENT: Final = 4  # PACKET_OUTGOING of packet(7)


@dataclass
class Seen:
    """Packets that left by one interface, and were not read yet.

    Args:
        made: The packet socket.
        sent: Destination and port of each packet of TCP and UDP, in order.
    """

    made: socket.socket
    sent: list[tuple[str, int]] = field(default_factory=list)

    def names(self) -> list[str]:
        """Return who was asked for names, so far."""
        return [address for address, port in self._read() if port in NAMES]

    def count(self, port: int) -> int:
        """Return how many packets went to a port, so far."""
        return sum(to == port for _, to in self._read())

    def _read(self) -> list[tuple[str, int]]:
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (_, protocol, kind, *_) = self.made.recvfrom(_LAST_BYTES)
                if kind == _SENT and protocol in _IP and (found := _destination(packet)):
                    self.sent.append(found)
        return self.sent


@contextlib.contextmanager
def capturing(namespace: str, interface: str) -> Iterator[Seen]:
    """Capture what leaves a namespace by an interface."""

    def open_socket() -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM_BYTES)
        made.bind((interface, _ETH_P_ALL))
        made.settimeout(0)
        return made

    with run_inside(namespace, open_socket) as made:
        yield Seen(made)


def _destination(packet: bytes) -> tuple[str, int] | None:
    """Return address and port of a packet of TCP or UDP, whole or the first fragment."""
    if packet[0] >> 4 == 4:
        protocol, header, address = packet[9], 4 * (packet[0] & 15), socket.inet_ntoa(packet[16:20])
        if int.from_bytes(packet[6:8]) & 0x1FFF:
            return None
    else:
        protocol, header, address = packet[6], 40, str(IPv6Address(packet[24:40]))
    if protocol not in {socket.IPPROTO_TCP, socket.IPPROTO_UDP}:
        return None
    return address, int.from_bytes(packet[header + 2 : header + 4])

"""Talk from one namespace to another, to see who is let through."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

from lab.internet.namespace import listen_inside, run_inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

# A dropped packet is told from a slow one by this; a reply takes 0.2 ms here.
SILENCE_S = 0.4


def connect(namespace: str, address: IPv4Address | IPv6Address, port: int) -> socket.socket | None:
    """Return a TCP connection made from a namespace, or None if nobody answers."""

    def act() -> socket.socket | None:
        try:
            return socket.create_connection((str(address), port), timeout=SILENCE_S)
        except TimeoutError:
            return None

    return run_inside(namespace, act)


def reaches(namespace: str, address: IPv4Address | IPv6Address, port: int) -> bool:
    """Tell whether a TCP connection can be made from a namespace."""
    made = connect(namespace, address, port)
    if made is None:
        return False
    made.close()
    return True


@contextlib.contextmanager
def listening(namespace: str, address: IPv4Address | IPv6Address, port: int) -> Iterator[socket.socket]:
    """Listen on TCP in a namespace."""
    with listen_inside(namespace, str(address), port) as made:
        made.settimeout(5)
        yield made


@contextlib.contextmanager
def datagrams(
    namespace: str, address: IPv4Address | IPv6Address, port: int, *, transparent: bool = False
) -> Iterator[socket.socket]:
    """Open a UDP socket in a namespace.

    Args:
        namespace: Its.
        address: To send from and receive on.
        port: To send from and receive on; 0 for any.
        transparent: Whether `address` may be somebody else's.
    """

    def act() -> socket.socket:
        made = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        if transparent:
            made.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT
        made.bind((str(address), port))
        made.settimeout(SILENCE_S)
        return made

    with run_inside(namespace, act) as made:
        yield made


def receives(made: socket.socket) -> bytes | None:
    """Return the next datagram, or None if there is none."""
    try:
        return made.recvfrom(2048)[0]
    except TimeoutError:
        return None

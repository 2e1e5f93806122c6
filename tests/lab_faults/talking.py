"""Talk from one end of the internet to another, and measure."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

from lab.internet.namespace import listen_inside, run_inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

    from tests.lab_faults.standing import Standing

SILENCE_S = 0.25  # of what is not expected: an answer takes 0.2 ms here
PATIENCE_S = 5.0  # with what is
PORT = 5000


def is_ipv6(address: str) -> bool:
    """Tell the IP version of an address."""
    return ":" in address


def datagram_socket(namespace: str, address: IPv4Address | IPv6Address | str, port: int) -> socket.socket:
    """Return a bound UDP socket of a namespace that never fragments what it sends."""

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET6 if is_ipv6(str(address)) else socket.AF_INET, socket.SOCK_DGRAM)
        if is_ipv6(str(address)):
            made.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO
        else:
            made.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER, IP_PMTUDISC_DO
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        made.bind((str(address), port))
        made.settimeout(PATIENCE_S)
        return made

    return run_inside(namespace, make)


@contextlib.contextmanager
def echoing(internet: Standing, name: str, address: str) -> Iterator[None]:
    """Echo every datagram that comes to a host."""
    with datagram_socket(internet.namespace(name), address, PORT) as made:
        made.settimeout(None)

        def echo() -> None:
            while True:
                said, sender = made.recvfrom(1 << 16)
                if said == b"end":
                    return
                with contextlib.suppress(OSError):
                    made.sendto(said, sender)

        thread = threading.Thread(target=echo)
        thread.start()
        try:
            yield
        finally:
            with datagram_socket(internet.namespace(name), address, 0) as ending:
                ending.sendto(b"end", (address, PORT))
            thread.join()


def asks(
    internet: Standing, name: str, source: str, target: str, *, size_bytes: int = 8, within_s: float = PATIENCE_S
) -> float | None:
    """Return how many ms an answer takes to a packet of this size, headers included; None if there is none."""
    headers = 48 if is_ipv6(target) else 28
    with datagram_socket(internet.namespace(name), source, 0) as made:
        made.settimeout(within_s)
        began = time.monotonic()
        made.sendto(bytes(max(size_bytes - headers, 1)), (target, PORT))
        try:
            made.recvfrom(1 << 16)
        except TimeoutError:
            return None
        return (time.monotonic() - began) * 1000


@contextlib.contextmanager
def connected(
    internet: Standing, client: str, server: str, address: str, *, segment_bytes: int | None = None
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a TCP connection: the client's and the server's.

    Args:
        internet: Where.
        client: Who connects.
        server: Who is connected to.
        address: The server's.
        segment_bytes: Largest segment that the client sends.
    """

    def connect() -> socket.socket:
        made = socket.socket(socket.AF_INET6 if is_ipv6(address) else socket.AF_INET)
        if segment_bytes:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        made.settimeout(10)
        made.connect((address, port))
        return made

    with listen_inside(internet.namespace(server), address, 0) as listening:
        port = listening.getsockname()[1]
        listening.settimeout(10)
        with run_inside(internet.namespace(client), connect) as near, listening.accept()[0] as far:
            far.settimeout(10)
            yield near, far


def knocks(
    internet: Standing, client: str, server: str, address: str, port: int, *, within_s: float = PATIENCE_S
) -> bool:
    """Tell whether a TCP connection can be made."""

    def connect() -> bool:
        try:
            socket.create_connection((address, port), timeout=within_s).close()
        except TimeoutError:
            return False
        return True

    with listen_inside(internet.namespace(server), address, port):
        return run_inside(internet.namespace(client), connect)


def receive(connection: socket.socket, count: int) -> bytes:
    """Return exactly so many bytes."""
    whole = b""
    while len(whole) < count:
        piece = connection.recv(count - len(whole))
        assert piece
        whole += piece
    return whole

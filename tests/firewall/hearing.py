"""What arrives at listening sockets, asked for without waiting longer than it takes."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any, Final

IN_TIME_S: Final = 5.0


class Hearing:
    """What arrives at listening sockets."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self.accepted: list[socket.socket] = []
        self._last: tuple[socket.socket, Any] | None = None

    def silent(self) -> bool:
        """Tell whether nothing has arrived; ask when the sender's packet has been counted."""
        return self._next() is None

    def source(self) -> str:
        """Return the address that the next datagram or connection comes from, when it has come."""
        deadline = time.monotonic() + IN_TIME_S
        while (seen := self._next()) is None:
            assert time.monotonic() < deadline, f"nothing has come within {IN_TIME_S} s"
            time.sleep(0.005)
        return seen

    def answer(self) -> None:
        """Answer the last datagram that came."""
        assert self._last is not None
        one, address = self._last
        one.sendto(b"answer", address)

    def answer_refused(self) -> None:
        """Answer the last datagram that came, and be told that it may not leave."""
        with contextlib.suppress(PermissionError):
            self.answer()

    def _next(self) -> str | None:
        for one in self._sockets:
            one.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                if one.type == socket.SOCK_DGRAM:
                    self._last = one, one.recvfrom(100)[1]
                    return str(self._last[1][0])
                made, address = one.accept()
                self.accepted.append(made)
                return str(address[0])
        return None

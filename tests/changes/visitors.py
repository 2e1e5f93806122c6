"""Visitors of a shield, as a program of its own: it runs in the visitor's network and writes down all that it sees.

Each visitor asks at its own pace, whatever became of its last request: what comes late is counted from the moment at
which it was due, so a stall is seen by every request that it held up. Nothing is asked twice: what fails has failed.
It ends when it is told to (SIGTERM), once every request under way has its answer.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import ssl
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ANSWERED_WITHIN_S: Final = 20.0
BEAT_S: Final = 0.02  # of the look at this program's own lateness
FRAME_EVERY_S: Final = 0.1
TOLD_EACH: Final = 50  # answers after which whoever started it is told how many there are
LINE_BYTES: Final = 512
MIXED: Final = (  # kind, TLS, kept, visitors, requests a second of each
    ("kept", False, True, 8, 27.0),
    ("kept-tls", True, True, 4, 10.0),
    ("new", False, False, 5, 12.0),
    ("new-tls", True, False, 2, 4.0),
)


class Lost(Exception):  # noqa: N818 - what the visitor lost
    """A request has no answer; the text says why."""


@cache
def _unjudged() -> ssl.SSLContext:
    """Return a context that believes any certificate: the lab's origin has made its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom visitors ask.

    Args:
        address: Of the shield.
        plain: Domain that is asked over HTTP.
        safe: Domain whose TLS ends at the origin.
    """

    address: str
    plain: str
    safe: str

    def host(self, *, tls: bool) -> str:
        """Return the domain."""
        return self.safe if tls else self.plain

    async def connect(self, *, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return a new connection."""
        if not tls:
            return await asyncio.open_connection(self.address, 80)
        return await asyncio.open_connection(self.address, 443, ssl=_unjudged(), server_hostname=self.safe)


@dataclass
class Diary:
    """What became of every request; times are of the monotonic clock, which all processes of a machine share.

    Args:
        answered: By kind: when it was due, and for how long it was waited for.
        failed: When it was due, when it failed, kind and why.
        connections: Made, by kind.
        late: When this program itself was late, and by how much.
    """

    answered: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    failed: list[tuple[float, float, str, str]] = field(default_factory=list)
    connections: dict[str, int] = field(default_factory=dict)
    late: list[tuple[float, float]] = field(default_factory=list)
    _count: int = 0

    def note(self, kind: str, due: float) -> None:
        """Note an answer that has just come."""
        self.answered.setdefault(kind, []).append((round(due, 4), round(time.monotonic() - due, 4)))
        self._count += 1
        if self._count % TOLD_EACH == 0:
            print(self._count, flush=True)  # noqa: T201 - whoever started it waits for numbers

    def fail(self, kind: str, due: float, error: BaseException) -> None:
        """Note a failure of this moment."""
        said = str(error) if isinstance(error, Lost) else f"{type(error).__name__}: {error}"
        self.failed.append((round(due, 4), round(time.monotonic(), 4), kind, said))

    def last(self, kind: str) -> float:
        """Return when the last answer of a kind came; now, if there was none."""
        found = self.answered.get(kind)
        return sum(found[-1]) if found else time.monotonic()

    def connected(self, kind: str) -> None:
        """Note a connection."""
        self.connections[kind] = self.connections.get(kind, 0) + 1

    def as_json(self) -> dict[str, Any]:
        """Return all of it, with what this program cost."""
        told = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        return {**told, "cpu_s": round(time.process_time(), 2)}


class Visitors:
    """All of them.

    Args:
        target: Whom they ask.
        share: Of the mixed pace, 1.0 for all of it.
    """

    def __init__(self, target: Target, share: float) -> None:
        self._target, self._share = target, share
        self.diary = Diary()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Ask until told to stop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stop.set)
        asked: list[Awaitable[None]] = [self._lateness(), self._whole("stream", self._stream)]
        asked.append(self._whole("socket", self._socket))
        for kind, tls, kept, count, rate in MIXED:
            pace_s = 1 / (rate * self._share)
            asked += [self._ask(kind, pace_s, pace_s * one / count, tls=tls, kept=kept) for one in range(count)]
        await asyncio.gather(*asked)

    async def _lateness(self) -> None:
        """Note when this program was kept from running: no request could be answered meanwhile."""
        while not self.stop.is_set():
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            late = time.monotonic() - due
            if late > BEAT_S:
                self.diary.late.append((round(due, 4), round(late, 4)))

    async def _ask(self, kind: str, pace_s: float, first_s: float, *, tls: bool, kept: bool) -> None:
        """Ask for the page again and again, on one connection or on a new one each time."""
        due = time.monotonic() + first_s
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while await self._rest(due):
            try:
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    if connection is not None and connection[0].at_eof():  # closed between two requests: no loss
                        connection[1].close()
                        connection = None
                    if connection is None:
                        connection = await self._target.connect(tls=tls)
                        self.diary.connected(kind)
                    goes_on = await self._page(connection, tls=tls)
                self.diary.note(kind, due)
                ended = not (kept and goes_on)
            except (OSError, EOFError, TimeoutError, Lost) as error:
                self.diary.fail(kind, due, error)
                ended = True
            if ended and connection is not None:
                connection[1].close()
                connection = None
            due += pace_s
        if connection is not None:
            connection[1].close()

    async def _page(self, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], *, tls: bool) -> bool:
        """Get the page, and tell whether the connection may be used again."""
        reader, writer = connection
        writer.write(f"GET / HTTP/1.1\r\nHost: {self._target.host(tls=tls)}\r\n\r\n".encode())
        head = await _head(reader)
        status = head.split(b" ", 2)[1].decode()
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b"")
        body = await reader.readexactly(int(length.partition(b":")[2] or b"0"))
        if status != "200" or not body.startswith(b"hello from the far shore"):
            raise Lost(f"status {status}")
        return b"connection: close" not in head.lower()

    async def _whole(self, kind: str, do: Callable[[], Awaitable[None]]) -> None:
        """Do something that is to last; where it breaks, that is a failure, and it begins anew."""
        while not self.stop.is_set():
            try:
                self.diary.connected(kind)
                await do()
            except (OSError, EOFError, TimeoutError, Lost) as error:
                self.diary.fail(kind, self.diary.last(kind), error)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), 0.2)

    async def _stream(self) -> None:
        """Download without an end; each line has its number."""
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            reader, writer = await self._target.connect(tls=True)
        try:
            writer.write(f"GET /stream HTTP/1.1\r\nHost: {self._target.safe}\r\n\r\n".encode())
            await _head(reader)
            number = 0
            while not self.stop.is_set():
                due = time.monotonic()
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    line = await reader.readexactly(LINE_BYTES)
                if int(line[:8]) != number:
                    raise Lost(f"line {line[:8]!r} instead of {number}")
                self.diary.note("stream", due)
                number += 1
        finally:
            writer.close()

    async def _socket(self) -> None:
        """Have an echo of ten websocket frames a second."""
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            reader, writer = await self._target.connect(tls=False)
        try:
            key = base64.b64encode(os.urandom(16)).decode()
            writer.write(
                f"GET /echo HTTP/1.1\r\nHost: {self._target.plain}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
            )
            if b" 101 " not in await _head(reader):
                raise Lost("no upgrade")
            due, number = time.monotonic(), 0
            while await self._rest(due):
                text, mask = b"%08d" % number, os.urandom(4)
                masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(text))
                writer.write(bytes((0x81, 0x80 | len(text))) + mask + masked)
                async with asyncio.timeout(ANSWERED_WITHIN_S):
                    echo = await reader.readexactly(2 + len(text))
                if echo[2:] != text:
                    raise Lost(f"echo {echo[2:]!r} of {text!r}")
                self.diary.note("socket", due)
                due, number = due + FRAME_EVERY_S, number + 1
        finally:
            writer.close()

    async def _rest(self, until: float) -> bool:
        """Wait for a moment, and tell whether to go on then."""
        await asyncio.sleep(until - time.monotonic())
        return not self.stop.is_set()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """Return an answer's head.

    Raises:
        Lost: The connection ended before its end.
    """
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        raise Lost(f"closed after {len(error.partial)} bytes of an answer") from error


async def visit(target: Target, share: float, diary: Path) -> None:
    """Visit until told to stop, and write the diary, whole."""
    visitors = Visitors(target, share)
    await visitors.run()
    fresh = diary.with_suffix(".new")
    fresh.write_text(json.dumps(visitors.diary.as_json()), encoding="utf-8")
    fresh.replace(diary)


if __name__ == "__main__":
    asyncio.run(
        visit(Target(address=sys.argv[1], plain=sys.argv[2], safe=sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
    )

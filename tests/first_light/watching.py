"""Look for secrets where none may be: argument lists, environments, files, logs, as they are and disguised."""

from __future__ import annotations

import base64
import gzip
import re
import threading
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

# Pulumi itself fills these processes' environments with the decrypted configuration: the program's, and the plugins'.
FILLED_BY_PULUMI = re.compile(rb"lab\.engine\.(launcher|plugins)|pulumi-(language-python-exec|resource-)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_GZIP = b"\x1f\x8b\x08"


class Watcher:
    """Collects the arguments and environments of all processes while it is open.

    Attributes:
        arguments: Every argument list seen.
        environments: Every environment seen, but those that Pulumi fills.
    """

    def __init__(self) -> None:
        self.arguments: set[bytes] = set()
        self.environments: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    self._look(process)

    def _look(self, process: Path) -> None:
        try:
            arguments = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            return
        self.arguments.add(arguments)
        if not FILLED_BY_PULUMI.search(arguments):
            self.environments.add(environment)


def disguises(secret: bytes) -> Iterator[bytes]:
    """Yield a secret as it is, and the part of it that survives base64 at each of the three offsets."""
    yield secret
    for offset in range(3):
        encoded = base64.b64encode(b"\x00" * offset + secret)
        yield encoded[4 if offset else 0 : -4]


def layers(content: bytes, depth: int = 3) -> Iterator[bytes]:
    """Yield content, and what lies in it packed by gzip or base64, down to a depth."""
    yield content
    if depth == 0:
        return
    start = content.find(_GZIP)
    while start >= 0:
        unpacked = _unpacked(content[start:])
        if unpacked:
            yield from layers(unpacked, depth - 1)
        start = content.find(_GZIP, start + 1)
    for found in _BASE64.findall(content):
        decoded = _decoded(found)
        if _GZIP in decoded[:8]:
            yield from layers(decoded, depth - 1)


def finds(secrets: dict[str, bytes], content: bytes) -> list[str]:
    """Return the names of the secrets that stand in some content."""
    parts = list(layers(content))
    return [
        name for name, secret in secrets.items() if any(form in part for form in disguises(secret) for part in parts)
    ]


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)
    except zlib.error:
        return b""


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        return b""


def packed(text: bytes) -> bytes:
    """Return a text as user data has it, for the twin of the canary."""
    return base64.b64encode(gzip.compress(text))

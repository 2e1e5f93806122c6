"""What the lab and the agent in a virtual machine say to each other over a serial port.

Pure, and only the standard library: the machine gets a copy. A port carries one session at a time and does not tell
where one begins, so each line names its session; what a broken one left behind is read as nothing.

    <session> <kind> <base64>

| kind | direction | content |
|---|---|---|
| run, terminal | to the machine | the program and its arguments, as a JSON list: with pipes, or on a terminal |
| size | to the machine | rows and columns of that terminal, in decimal |
| in, eof | to the machine | bytes of its standard input, and its end |
| out, err | from the machine | bytes of its standard output and error |
| end | from the machine | its exit code in decimal |
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

# One port for each program that runs at the same time; a further one waits for its turn.
PORTS = 8
PORT_PREFIX = "farshore.lab."
CHUNK_BYTES = 24 << 10  # of content in a line


@dataclass(frozen=True)
class Line:
    """One line.

    Args:
        session: Whose.
        kind: As in the table.
        content: Its bytes.
    """

    session: str
    kind: str
    content: bytes = b""


def render_line(line: Line) -> bytes:
    """Return a line as it goes over the port."""
    return f"{line.session} {line.kind} ".encode() + base64.b64encode(line.content) + b"\n"


class Reader:
    """Puts lines together from whatever pieces the port gives."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> list[Line]:
        """Return the lines that are complete with this piece; what is no line is left out."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return [line for text in whole if (line := _parse(text)) is not None]


def _parse(text: bytes) -> Line | None:
    fields = text.split(b" ")
    if len(fields) != 3:
        return None
    try:
        return Line(fields[0].decode("ascii"), fields[1].decode("ascii"), base64.b64decode(fields[2], validate=True))
    except (UnicodeDecodeError, binascii.Error):
        return None

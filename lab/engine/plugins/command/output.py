"""Collect what a command writes: for the state, for the error, for the person who watches.

`logging` decides only what the person sees; the state and the error text always get everything, as with Pulumi's
own plugin. So a script must never echo what is secret.
"""

from __future__ import annotations

import codecs
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lab.engine.plugins.contract import Target

SHOWN: Final = {
    None: ("stdout", "stderr"),
    "stdoutAndStderr": ("stdout", "stderr"),
    "stdout": ("stdout",),
    "stderr": ("stderr",),
    "none": (),
}
"""Which streams are shown, by the input `logging`."""

_ESCAPES: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


class Transcript:
    """The streams of one run; both may be written at once from two threads.

    Args:
        target: Whose lines these are.
        logging: The input of that name.
    """

    def __init__(self, target: Target, logging: str | None) -> None:
        self._target = target
        self._shown = SHOWN[logging]
        self._lock = threading.Lock()
        self._streams: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._both: list[str] = []
        self._begun: dict[str, str] = {"stdout": "", "stderr": ""}
        decoder = codecs.getincrementaldecoder("utf-8")
        self._decoders = {stream: decoder(errors="replace") for stream in self._streams}

    def finish(self) -> None:
        """Show the lines that have no end; called once, when nothing more comes."""
        for stream in self._streams:
            self.write(stream, b"", last=True)

    def write(self, stream: str, data: bytes, *, last: bool = False) -> None:
        """Take bytes of `stdout` or `stderr`; `last` flushes a line that has no end."""
        with self._lock:
            text = self._decoders[stream].decode(data, final=last)
            self._streams[stream].append(text)
            self._both.append(text)
            *lines, begun = (self._begun[stream] + text).split("\n")
            if last and begun:
                lines, begun = [*lines, begun], ""
            self._begun[stream] = begun
        if stream in self._shown:
            for line in lines:
                self._target.progress(line.removesuffix("\r"))

    def text(self, stream: str) -> str:
        """Return one stream without its last newline."""
        return "".join(self._streams[stream]).removesuffix("\n")

    def failure(self, status: str, command: str) -> str:
        """Return the error text: how it ended, what ran, and all it wrote."""
        return f"{status}: running {quoted(command)}:\n{''.join(self._both)}"


def quoted(text: str) -> str:
    r"""Return the text as Go's `%q` writes it: in double quotes, control characters escaped.

    >>> print(quoted('say "a"\n'))
    "say \"a\"\n"
    """
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

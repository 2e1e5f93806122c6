"""The lab's agent in a virtual machine: runs what the lab asks for, as root, and says what came of it.

Only the standard library, and nothing of the lab's but the wire: it is copied into the machine. Whoever can open the
ports on the host owns the machine's disk anyhow; in the machine the ports are root's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

from lab.machines.qemu_wire import CHUNK_BYTES, PORT_PREFIX, PORTS, Line, Reader, render_line

TYPE_CHECKING = False  # typing takes 20 ms of a boot without KVM
if TYPE_CHECKING:
    from collections.abc import Callable

_STDIN_PENDING_BYTES = 256 << 10


def find_ports(folder: Path = Path("/sys/class/virtio-ports")) -> list[Path]:
    """Return the device files of the lab's ports."""
    named = [entry for entry in folder.glob("*/name") if entry.read_text(encoding="ascii").startswith(PORT_PREFIX)]
    return sorted(Path("/dev") / entry.parent.name for entry in named)


class Pipes:
    """A program with a pipe for each of its streams.

    Args:
        program: The program and its arguments.
    """

    def __init__(self, program: list[str]) -> None:
        self.process = subprocess.Popen(
            program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/root",
            start_new_session=True,
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.input = self.process.stdin.fileno()
        self.outputs = {self.process.stdout.fileno(): "out", self.process.stderr.fileno(): "err"}

    def end_input(self) -> None:
        """Let the program see the end of its input."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        """Let go of the streams."""
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


class Terminal:
    """A program on a terminal of its own, which is its session's.

    Args:
        program: The program and its arguments.
    """

    def __init__(self, program: list[str]) -> None:
        self.input, far_end = os.openpty()
        self.outputs = {self.input: "out"}
        try:
            # setsid(1) makes the terminal the program's own: ^C and job control need that.
            self.process = subprocess.Popen(
                ["setsid", "--ctty", *program], stdin=far_end, stdout=far_end, stderr=far_end, cwd="/root"
            )
        except BaseException:
            self.close()
            raise
        finally:
            os.close(far_end)

    def resize(self, rows: int, columns: int) -> None:
        """Tell the program how large its terminal is."""
        fcntl.ioctl(self.input, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end_input(self) -> None:
        """Type what ends a terminal's input; if it can't be typed, nobody reads."""
        with contextlib.suppress(OSError):
            os.write(self.input, b"\x04")

    def close(self) -> None:
        """Hang up."""
        os.close(self.input)


class Session:
    """One program, from `run` or `terminal` until its end or until the lab hangs up.

    Args:
        port: Where its lines come from and go to.
        name: The session's.
        streams: The program, as it was started.
    """

    def __init__(self, port: int, name: str, streams: Pipes | Terminal) -> None:
        self._port = port
        self._name = name
        self._streams = streams
        self._outputs = dict(streams.outputs)
        self._pending = b""
        self._no_more = False
        self._deaf = False
        self._hung_up = False
        os.set_blocking(streams.input, False)

    def serve(self, reader: Reader, lines: list[Line]) -> list[Line]:
        """Carry bytes both ways until the program has ended and all it said is told, or the lab has hung up.

        Args:
            reader: Of the port.
            lines: What has come already.

        Returns:
            The lines of the next session: its first one may be all there is to tell that this one was hung up.
        """
        try:
            following = self._hear(lines)
            self._give()
            while self._outputs and not following and not self._hung_up:
                following = self._step(reader)
            if self._outputs:
                return following
            code = self._streams.process.wait()
            self._tell("end", str(code if code >= 0 else 128 - code).encode())
            return following
        finally:
            process = self._streams.process
            with contextlib.suppress(ProcessLookupError):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._streams.close()

    def _step(self, reader: Reader) -> list[Line]:
        """Wait for something and deal with it; return the lines of the next session."""
        wanted = {self._port: select.POLLIN if len(self._pending) < _STDIN_PENDING_BYTES else 0}
        wanted |= dict.fromkeys(self._outputs, select.POLLIN)
        if self._pending:  # a terminal is both
            wanted[self._streams.input] = wanted.get(self._streams.input, 0) | select.POLLOUT
        poll = select.poll()
        for descriptor, kinds in wanted.items():
            poll.register(descriptor, kinds)
        events = dict(poll.poll())
        if events.get(self._port, 0) & (select.POLLIN | select.POLLHUP):
            piece = os.read(self._port, 1 << 16)  # of a port without a listener: nothing, at once
            self._hung_up = not piece
            if following := self._hear(reader.feed(piece)):
                return following
        for output in [output for output in self._outputs if events.get(output, 0) & ~select.POLLOUT]:
            if said := _read_output(output):
                self._tell(self._outputs[output], said)
            else:
                del self._outputs[output]
        self._give()
        return []

    def _hear(self, lines: list[Line]) -> list[Line]:
        """Take what the lab says; return the lines of the next session."""
        for number, line in enumerate(lines):
            if line.kind in STARTS and line.session != self._name:
                return lines[number:]
            if line.session == self._name and line.kind == "in" and not self._deaf:
                self._pending += line.content
            elif line.session == self._name and line.kind == "eof":
                self._no_more = True
            elif line.session == self._name and line.kind == "size" and isinstance(self._streams, Terminal):
                self._streams.resize(*map(int, line.content.split()))
        return []

    def _give(self) -> None:
        if self._deaf:
            return
        try:
            while self._pending:
                self._pending = self._pending[os.write(self._streams.input, self._pending) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self._pending, self._no_more = b"", True
        if self._no_more:
            self._deaf = True
            self._streams.end_input()

    def _tell(self, kind: str, content: bytes) -> None:
        write_all(self._port, render_line(Line(self._name, kind, content)))


def _read_output(output: int) -> bytes:
    """Return what a program has said; nothing at its end, which a terminal tells by an error."""
    try:
        return os.read(output, CHUNK_BYTES)
    except OSError:
        return b""


STARTS: dict[str, Callable[[list[str]], Pipes | Terminal]] = {"run": Pipes, "terminal": Terminal}


def write_all(port: int, whole: bytes) -> None:
    """Write all of it; a port takes 32 KiB at a time."""
    while whole:
        whole = whole[os.write(port, whole) :]


def serve_port(port: int) -> None:
    """Run what is asked for on a port, one after another, until the lab hangs up."""
    reader = Reader()
    while piece := os.read(port, 1 << 16):
        lines = reader.feed(piece)
        while lines:
            first, *lines = lines
            if first.kind in STARTS:
                lines = _run(port, first, lines, reader)


def _run(port: int, asked: Line, lines: list[Line], reader: Reader) -> list[Line]:
    """Run what is asked for, and return the lines of the next session."""
    write_all(port, b"\n")  # ends what a broken session may have left unfinished
    try:
        program = [str(word) for word in json.loads(asked.content)]
        session = Session(port, asked.session, STARTS[asked.kind](program))
    except (OSError, ValueError) as error:
        write_all(port, render_line(Line(asked.session, "err", f"{error}\n".encode())))
        write_all(port, render_line(Line(asked.session, "end", b"127")))
        return lines
    return session.serve(reader, lines)


def serve_forever(path: Path) -> None:
    """Serve a port to whoever connects to it next.

    Its hang-up is a level, not an event; an edge-triggered epoll turns it into one, and keeps those that come while a
    session lasts.
    """
    port = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    changes = select.epoll()
    changes.register(port, select.EPOLLIN | select.EPOLLET)
    while True:
        changes.poll()
        serve_port(port)


def main() -> None:
    """Serve every port, each in a thread."""
    while len(paths := find_ports()) < PORTS:
        time.sleep(0.1)  # the driver is on its way
    for path in paths:
        threading.Thread(target=serve_forever, args=(path,)).start()


if __name__ == "__main__":
    main()

"""The agent in a virtual machine, at the end of a pair of sockets instead of a port."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.machines.qemu_agent import serve_port
from lab.machines.qemu_wire import Line, Reader, render_line

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.lab


@pytest.fixture
def port() -> Iterator[socket.socket]:
    """Return the lab's end of a port; when it is hung up, the agent lets go of it."""
    ours, agents = socket.socketpair()
    serving = threading.Thread(target=serve_port, args=(agents.fileno(),))
    serving.start()
    ours.settimeout(10)
    yield ours
    ours.close()
    serving.join(10)
    agents.close()
    assert not serving.is_alive()


def ask(port: socket.socket, session: str, *program: str, kind: str = "run") -> None:
    """Begin a session, as the lab does."""
    port.sendall(b"\n" + render_line(Line(session, kind, json.dumps(program).encode())))


def answer(port: socket.socket) -> list[Line]:
    """Return what the agent says, until a program has ended."""
    reader, lines = Reader(), list[Line]()
    while not any(line.kind == "end" for line in lines):
        lines += reader.feed(port.recv(1 << 16))
    return lines


def test_a_session_that_was_broken_off_does_not_hold_up_the_next(port: socket.socket, tmp_path: Path) -> None:
    """The next caller may come before the agent has seen the former one go: it is heard, and alone."""
    ask(port, "former", "sh", "-c", f"echo $$ >{tmp_path}/pid && exec sleep 1000")
    pid = until(
        lambda: ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()) or None, 10, "the former"
    )
    port.sendall(render_line(Line("former", "in", b"half a line"))[:12])
    ask(port, "next", "cat")
    port.sendall(render_line(Line("former", "in", b"bad")) + render_line(Line("next", "in", b"good")))
    port.sendall(render_line(Line("next", "eof")))
    assert answer(port) == [Line("next", "out", b"good"), Line("next", "end", b"0")]
    assert not Path("/proc", pid).exists()


def test_one_session_follows_another(port: socket.socket) -> None:
    """A program that can't be started is told as a shell does, and the port goes on serving."""
    ask(port, "first", "no-such-program")
    assert [line.kind for line in answer(port)] == ["err", "end"]
    ask(port, "second", "sh", "-c", "exit 4")
    assert answer(port) == [Line("second", "end", b"4")]


# Blocked before it says so, the signal can't come between a check for it and the wait.
INTERRUPTED = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready", flush=True)
signal.sigwait({signal.SIGINT})
os.system("stty size; tty >&2")
sys.exit(5)
"""


def test_a_terminal_is_the_programs_own(port: socket.socket) -> None:
    """What it says comes back as one stream, a size is told, ^C is a signal, and the exit code is the program's."""
    ask(port, "shell", "python3", "-c", INTERRUPTED, kind="terminal")
    port.sendall(render_line(Line("shell", "size", b"33 101")))
    reader, said = Reader(), b""
    while b"ready" not in said:
        said += b"".join(line.content for line in reader.feed(port.recv(1 << 16)))
    port.sendall(render_line(Line("shell", "in", b"\x03")))
    *rest, end = answer(port)
    assert {line.kind for line in rest} == {"out"}
    text = b"".join(line.content for line in rest).decode()
    assert "33 101\r\n/dev/pts/" in text
    assert end == Line("shell", "end", b"5")


def test_the_end_of_a_terminals_input_is_typed(port: socket.socket) -> None:
    """A program that reads to the end gets there, and what it says is whole."""
    ask(port, "reads", "cat", kind="terminal")
    port.sendall(render_line(Line("reads", "in", b"typed\n")) + render_line(Line("reads", "eof")))
    lines = answer(port)
    assert b"".join(line.content for line in lines if line.kind == "out") == b"typed\r\ntyped\r\n"
    assert lines[-1] == Line("reads", "end", b"0")


def test_what_nobody_reads_is_dropped(port: socket.socket) -> None:
    """A program that has closed its input still runs to its end, however much it is given."""
    ask(port, "deaf", "sh", "-c", "exec <&-; sleep 0.5; echo done")
    for _ in range(40):
        port.sendall(render_line(Line("deaf", "in", b"x" * 16384)))
    assert answer(port) == [Line("deaf", "out", b"done\n"), Line("deaf", "end", b"0")]

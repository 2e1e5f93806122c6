"""Run a program in a virtual machine, from outside: `python -m lab.machines.qemu_door KIND FOLDER PROGRAM ARGUMENT…`.

Standard input, output and error are the program's, and so is the exit code. It waits while the machine boots, and
while all ports are taken. When this process ends, the program in the machine is ended. KIND is `run`, or `terminal`:
then the program has a terminal as large as the caller's, if the caller has one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import signal
import socket
import sys
import termios
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from lab.machines.qemu_wire import CHUNK_BYTES, PORTS, Line, Reader, render_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Kind: TypeAlias = Literal["run", "terminal"]

HUNG_UP: Final = 255  # as ssh(1) has it
_PROJECT: Final = Path(__file__).parents[2]
_RETRY_S: Final = 0.05


def door_command(door: Path, program: Sequence[str], *, kind: Kind = "run") -> list[str]:
    """Return the command that runs a program in the machine behind `door`, from any folder."""
    # No site packages: it starts in 30 ms.
    ours = [sys.executable, "-P", "-S", "-m", "lab.machines.qemu_door"]
    return ["env", f"PYTHONPATH={_PROJECT}", *ours, kind, str(door), *program]


@contextlib.contextmanager
def free_port(door: Path) -> Iterator[socket.socket]:
    """Connect to a port that nobody else uses, as soon as there is one.

    A socket's path may have 107 bytes; one below /proc/self/fd has fewer, wherever the folder is.
    """
    folder = os.open(door, os.O_PATH | os.O_DIRECTORY)
    try:
        while True:
            for number in range(PORTS):
                with (door / f"port{number}.lock").open("a", encoding="ascii") as lock:
                    try:
                        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        continue
                    with socket.socket(socket.AF_UNIX) as port:
                        port.connect(f"/proc/self/fd/{folder}/port{number}")
                        yield port
                        return
            time.sleep(_RETRY_S)
    finally:
        os.close(folder)


@contextlib.contextmanager
def raw_terminal() -> Iterator[int]:
    """Hand every key to the program in the machine, ^C included; yield what tells of each change of the size."""
    before = termios.tcgetattr(0)
    changed, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    former = signal.signal(signal.SIGWINCH, lambda *_: None)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is kept
    os.write(tell, b"\0")  # the first size is a change as well
    try:
        yield changed
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGWINCH, former)
        os.close(changed)
        os.close(tell)


def converse(port: socket.socket, kind: Kind, program: Sequence[str], *, resized: int | None = None) -> int:
    """Run the program, carry bytes both ways, and return its exit code.

    Args:
        port: Of the machine.
        kind: How the program is run.
        program: The program and its arguments.
        resized: What tells of each change of the terminal's size; None without a terminal.
    """
    session, reader = secrets.token_hex(8), Reader()
    port.sendall(b"\n" + render_line(Line(session, kind, json.dumps(list(program)).encode())))
    watched = [port.fileno(), 0, *([] if resized is None else [resized])]
    while True:
        ready = select.select(watched, [], [])[0]
        if resized in ready:
            os.read(resized, 64)
            columns, rows = os.get_terminal_size(0)
            port.sendall(render_line(Line(session, "size", f"{rows} {columns}".encode())))
        if 0 in ready:
            given = os.read(0, CHUNK_BYTES)
            port.sendall(render_line(Line(session, "in" if given else "eof", given)))
            if not given:
                watched.remove(0)
        if port.fileno() not in ready:
            continue
        piece = port.recv(1 << 16)
        if not piece:
            return HUNG_UP
        for line in reader.feed(piece):
            if line.session != session:
                continue
            if line.kind == "end":
                return int(line.content)
            _write_all({"out": 1, "err": 2}[line.kind], line.content)


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def main() -> int:
    """Run what the command line says."""
    kind, door, *program = sys.argv[1:]
    try:
        with free_port(Path(door)) as port:
            if kind == "terminal" and os.isatty(0):
                with raw_terminal() as resized:
                    return converse(port, "terminal", program, resized=resized)
            return converse(port, "run", program)
    except BrokenPipeError:  # nobody reads what the program says
        return HUNG_UP
    except OSError as error:
        sys.stderr.write(f"{door}: {error.strerror}, allowed: the ports of a machine that is on; switch it on\n")
        return HUNG_UP


if __name__ == "__main__":
    sys.exit(main())

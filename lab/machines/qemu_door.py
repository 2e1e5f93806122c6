"""Run a program in a virtual machine, from outside: `python -m lab.machines.qemu_door FOLDER PROGRAM ARGUMENT…`.

Standard input, output and error are the program's, and so is the exit code. It waits while the machine boots, and
while all ports are taken. When this process ends, the program in the machine is ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.machines.qemu_wire import CHUNK_BYTES, PORTS, Line, Reader, render_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HUNG_UP: Final = 255  # as ssh(1) has it
_PROJECT: Final = Path(__file__).parents[2]
_RETRY_S: Final = 0.05


def door_command(door: Path, program: Sequence[str]) -> list[str]:
    """Return the command that runs a program in the machine behind `door`, from any folder."""
    # No site packages: it starts in 30 ms.
    ours = [sys.executable, "-P", "-S", "-m", "lab.machines.qemu_door"]
    return ["env", f"PYTHONPATH={_PROJECT}", *ours, str(door), *program]


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


def converse(port: socket.socket, program: Sequence[str]) -> int:
    """Run the program, carry bytes both ways, and return its exit code."""
    session, reader = secrets.token_hex(8), Reader()
    port.sendall(b"\n" + render_line(Line(session, "run", json.dumps(list(program)).encode())))
    watched = [port.fileno(), 0]
    while True:
        ready = select.select(watched, [], [])[0]
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
    door, *program = sys.argv[1:]
    try:
        with free_port(Path(door)) as port:
            return converse(port, program)
    except BrokenPipeError:  # nobody reads what the program says
        return HUNG_UP
    except OSError as error:
        sys.stderr.write(f"{door}: {error.strerror}, allowed: the ports of a machine that is on; switch it on\n")
        return HUNG_UP


if __name__ == "__main__":
    sys.exit(main())

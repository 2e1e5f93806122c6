"""What the programs that will read staged files say of them, before anything is touched.

A parser's own words are shown only where the file is no secret: nft and haproxy quote its lines.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloud_init.host.commands import Command, Deadline, run
from cloud_init.host.interface import interfaces_of
from cloud_init.host.places import HAPROXY, NEW, SSHD_FOLDER, UNITS, WIREGUARD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloud_init.host.document import Told

_LINE = re.compile(r":(\d+):")
_ERROR = re.compile(r"ALERT.*\[|[Ee]rror|[Ff]ailed")
_SAID_MAX = 200


def check_staged(told: Told, secret: frozenset[str], writes: Sequence[str], deadline: Deadline) -> list[str]:
    """Return what speaks against the files of `writes`, which lie staged.

    Raises:
        Refused: An interface's file says what the program does not know.
    """
    interfaces_of(told.files)
    faults = []
    for path, command in _parsers(writes):
        said = run(command, deadline)
        if said.code != 0:
            lines = _own_lines(said.err + said.out, told)
            if said.code < 0 or lines or not path.startswith(UNITS):
                what = _told_of(path, lines, secret) if said.code > 0 else said.err
                program = "systemd-analyze" if command.words[0] == "env" else os.path.basename(command.words[0])
                faults.append(f"{path}: {program} refuses {what}")
    return faults


def _parsers(writes: Sequence[str]) -> Iterator[tuple[str, Command]]:
    for path in writes:
        staged = NEW + path
        if path.startswith(WIREGUARD) and path.endswith(".conf"):
            yield path, Command("", ("wg-quick", "strip", staged))
        elif path.endswith(".nft"):
            yield path, Command("", ("nft", "-c", "-f", staged))
        elif path == HAPROXY:
            yield path, Command("", ("haproxy", "-c", "-f", staged))
        elif path.startswith(SSHD_FOLDER):
            os.makedirs("/run/sshd", 0o755, exist_ok=True)  # Ubuntu's sshd, started by a socket, has it from then on
            yield path, Command("", ("/usr/sbin/sshd", "-t", "-f", staged))
    units = dict.fromkeys(
        path[len(UNITS) :].split("/")[0].removesuffix(".d") for path in writes if path[: len(UNITS)] == UNITS
    )
    for unit in units:
        words = ("env", f"SYSTEMD_UNIT_PATH={NEW}{UNITS}:", "systemd-analyze", "--man=no", "--recursive-errors=no")
        yield UNITS + unit, Command("", (*words, "verify", unit), within_s=60)


def _own_lines(said: str, told: Told) -> list[str]:
    """Return the lines that count: a program that comes with the same bundle is not there yet."""
    coming = ("is not executable", "No such file")
    return [
        line
        for line in said.splitlines()
        if line.strip() and not (any(word in line for word in coming) and any(path in line for path in told.files))
    ]


def _told_of(path: str, lines: list[str], secret: frozenset[str]) -> str:
    if path in secret:
        found = _LINE.search("\n".join(lines))
        return f"line {found[1]}" if found else "it"
    first = next((line for line in lines if _ERROR.search(line)), "".join(lines[:1]))
    return f"it: {first.replace(NEW, '')[:_SAID_MAX]}"

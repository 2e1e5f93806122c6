"""What stands in the program's place at birth, where the whole of it is brought by delivery or has no room.

The first bundle brings the whole program: the seed puts it in its own place, and has it apply that bundle.
"""

from __future__ import annotations

import os
import sys

from cloud_init.host.birth import BIRTH_WITHIN_S, await_birth
from cloud_init.host.document import parse_document, read_input
from cloud_init.host.durable import read_json, write_file
from cloud_init.host.faults import Refused
from cloud_init.host.leftovers import wipe_leftovers
from cloud_init.host.places import IDENTITY, PROGRAM

SEED_INPUT_WITHIN_S = 30.0


def grow(words: list[str]) -> int:
    """Run one verb of the few that there are, and return what the process ends with."""
    os.umask(0o077)
    try:
        match words:
            case ["wipe-leftovers"]:
                return wipe_leftovers()
            case ["adopt"]:
                return 0  # the whole program does it, when it has come
            case ["apply", *_]:
                _become(words)
            case ["ssh"] if os.environ.get("SSH_ORIGINAL_COMMAND") == "wait":
                return await_birth(BIRTH_WITHIN_S)
            case ["ssh"] if os.environ.get("SSH_ORIGINAL_COMMAND") == "apply":
                _become(words)
        _decline()
    except Refused as refused:
        print("\n".join(refused.faults), file=sys.stderr)
    return 2


def _decline() -> None:
    raise Refused(["farshore-host: only its seed is here, allowed: apply; apply a bundle, which brings the rest"])


def _become(words: list[str]) -> None:
    """Put the bundle's program in this one's place, and run it with the same words and input."""
    data = read_input(sys.stdin.fileno(), SEED_INPUT_WITHIN_S)
    files = parse_document(data, read_json(IDENTITY)).told.files
    if PROGRAM not in files:
        raise Refused([f"bundle.files: without {PROGRAM}, allowed: with it; send what was rendered"])
    again = os.memfd_create("bundle")
    with open(again, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(again, 0, os.SEEK_SET)
    os.dup2(again, 0)
    mode, content = files[PROGRAM]
    write_file(PROGRAM, content, mode)
    os.execv(sys.executable, [sys.executable, "-I", "-B", PROGRAM, *words])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    sys.exit(grow(sys.argv[1:]))

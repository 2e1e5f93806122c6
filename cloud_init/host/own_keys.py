"""Private keys that are made on this host and never leave it: nothing but their public halves is ever said.

`/etc/farshore/keys/fs1.own2.key` is of interface fs1 in generation 2. A bundle that has it brings no content for it.
Else it is a file of that bundle as any other: kept while that may be taken back, gone with the first that has it no
more.
"""

from __future__ import annotations

from cloud_init.host.commands import Command, Deadline, ask, run
from cloud_init.host.durable import read_text, write_file
from cloud_init.host.faults import Refused
from cloud_init.host.lock import only_one
from cloud_init.host.places import KEY_FOLDER, path_fault


def make_keys(generation: str, names: list[str]) -> int:
    """Make the keys of a generation that are not there yet, and print the public half of each, a line an interface.

    Args:
        generation: Its number.
        names: Interfaces.

    Raises:
        Refused: A name is none, or `wg` makes no key.
    """
    deadline = Deadline(20)
    with only_one("keys", wait_s=20):
        for name in names:
            path = f"{KEY_FOLDER}{name}.own{generation}.key"
            fault = path_fault(path)
            there = None if fault else read_text(path)
            private = there or ask(("wg", "genkey"), deadline)
            public = run(Command("", ("wg", "pubkey"), given=private), deadline)
            if fault or public.code != 0:
                raise Refused([f"keys: {fault or 'none of wg'}, allowed: a key; send what was rendered"])
            if not there:
                write_file(path, private, 0o600)
            print(name, public.out, end="")
    return 0

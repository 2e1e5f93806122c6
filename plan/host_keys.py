"""SSH host keys that are born on hosts: one for each generation of keys, and which of them delivery believes.

Pure. Generations take turns at two algorithms, for a server offers one key of each: while two stand, whoever believes
either of them gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from plan.standing import Told

ODD: Final = "ssh-ed25519"
EVEN: Final = "ecdsa-sha2-nistp384"


def host_key_algorithm(generation: int) -> str:
    """Return the algorithm of a generation's SSH host keys, in OpenSSH's words."""
    return ODD if generation % 2 else EVEN


def read_host_keys(said: str) -> tuple[str, ...]:
    """Return the public halves in what a host has said: its lines of an algorithm and a key."""
    return tuple(line.strip() for line in said.splitlines() if line.startswith((f"{ODD} ", f"{EVEN} ")))


def believed_key(told: Told | None, server: str, met: str, generation: int) -> str:
    """Return the one SSH host key by which a host is dialled.

    Args:
        told: What the last run left of the host: a server that stands has said its keys when it confirmed.
        server: The provider's number of the one that stands now.
        met: What it said at the first contact, the keys of its birth.
        generation: Of the keys that are in use.
    """
    known = told.host_keys if told is not None and told.server == server else ()
    wanted = host_key_algorithm(generation)
    for line in (*known, *read_host_keys(met)):
        if line.startswith(f"{wanted} "):
            return line
    return met.strip()

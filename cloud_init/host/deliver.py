"""What delivery may ask of a host over SSH, and nothing else: to be waited for, told, confirmed, proven.

Each is a connection of its own, so whoever confirms has proven that a new one can be made. What worked before a change
works after it, or the change is taken back at once; a tunnel that is new may wait for its other end, which has its turn
later.
"""

from __future__ import annotations

import json
import sys
import time

from cloud_init.host.apply import apply, confirm, roll_back
from cloud_init.host.birth import BIRTH_WITHIN_S, await_birth
from cloud_init.host.commands import Deadline
from cloud_init.host.domains import Domain, ask_domain, domains_of
from cloud_init.host.durable import read_json
from cloud_init.host.faults import Refused
from cloud_init.host.interface import interfaces_of
from cloud_init.host.journal import paths_of, read_disk
from cloud_init.host.live import read_interfaces
from cloud_init.host.own_keys import make_keys
from cloud_init.host.places import DOMAINS, MARKER
from cloud_init.host.prove import (
    FRESH_S,
    PROVE_WITHIN_S,
    _ping,
    _prove_table,
    _prove_units,
    inner_addresses,
    is_expected,
    prove,
    prove_domains,
    unproven,
)
from cloud_init.host.status import status

# Confirming follows at once, with ten tries to connect; without it the host is what it was after this.
DELIVERED_WITHIN_S = 180.0
_ASKED_WITHIN_S = 10.0


def serve(words: str) -> int:
    """Do what a delivery asks for.

    Args:
        words: As the client wrote them, sshd(8)'s SSH_ORIGINAL_COMMAND.
    """
    match words.split():
        case ["wait"]:
            return await_birth(BIRTH_WITHIN_S)
        case ["keys", generation, *names] if names:
            return make_keys(generation, names)
        case ["apply"]:
            return deliver()
        case ["confirm", digest]:
            return settle(digest)
        case ["prove"]:
            return prove()
        case ["status"]:
            print(json.dumps(status(), indent=2, sort_keys=True))
            return 0
        case _:
            allowed = "wait, keys GENERATION NAMES, apply, confirm DIGEST, prove, status"
            raise Refused([f"ssh: other words, allowed: {allowed}; this key is for delivery alone"])


def deliver() -> int:
    """Apply the bundle on standard input, and take it back unless what worked before still works."""
    worked = working(Deadline(20))
    answered = answering(Deadline(_ASKED_WITHIN_S))
    code = apply(DELIVERED_WITHIN_S, unproven)
    if code or not read_json(MARKER):
        return code
    failed = broken(worked, answered, Deadline(PROVE_WITHIN_S))
    if not failed:
        return 0
    print("\n".join(f"FAILS {what}" for what in failed))
    roll_back("", at_boot=False)
    sys.stdout.flush()
    raise Refused(["proof: failed, allowed: all that worked before; this host is what it was, mend what FAILS names"])


def settle(digest: str) -> int:
    """Confirm what was applied, from this new connection; apply it again where it was taken back meanwhile."""
    try:
        return confirm(digest)
    except Refused:
        if read_json(MARKER):
            raise
    code = deliver()
    if code or not read_json(MARKER):
        return code or confirm(digest)
    within = f"within {DELIVERED_WITHIN_S:.0f} s"
    why = "taken back before anybody confirmed it, and applied again just now"
    raise Refused([f"confirm: {why}, allowed: a connection made after that; repeat the command {within}"])


def working(deadline: Deadline) -> set[tuple[str, str]]:
    """Return the tunnels that carry packets: interface and the peer's public key."""
    now = time.time()
    return {
        (name, key)
        for name, interface in read_interfaces(deadline).items()
        for key, peer in interface.peers.items()
        if now - peer.handshake_s < FRESH_S
    }


def answering(deadline: Deadline) -> set[Domain]:
    """Return the domains that have an answer from their origins; those that there is no time for count as none."""
    return {domain for domain in domains_of(read_disk([DOMAINS])) if not ask_domain(domain, deadline)}


def broken(worked: set[tuple[str, str]], answered: set[Domain], deadline: Deadline) -> list[str]:
    """Return what fails that worked before: tunnels, by a packet of full size, domains, units, the firewall."""
    record = read_json(MARKER)
    files = read_disk(paths_of(record))
    found = [
        (f"tunnel {interface.name} to {peer.name}, {address}", _ping(interface, address, deadline))
        for interface in interfaces_of(files).values()
        for peer in interface.peers
        if (interface.name, peer.public_key) in worked and is_expected(peer, "")
        for address in inner_addresses(peer)
    ]
    kept = [domain for domain in domains_of(files) if domain in answered]
    found += prove_domains(kept, deadline)
    found += [*_prove_units(record.get("units", []), deadline), *_prove_table(deadline)]
    return [f"{what}: {fault}" for what, fault in found if fault]

"""What delivery may ask of a host over SSH, and nothing else: to be waited for, told, confirmed, proven.

Each is a connection of its own, so whoever confirms has proven that a new one can be made. What worked before a change
works after it, or the change is taken back at once; a tunnel that is new may wait for its other end, which has its turn
later.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from cloud_init.host.apply import apply, confirm, roll_back
from cloud_init.host.birth import BIRTH_WITHIN_S, await_birth
from cloud_init.host.commands import Deadline
from cloud_init.host.domains import Domain, ask_domain, domains_of
from cloud_init.host.durable import read_json
from cloud_init.host.faults import Refused
from cloud_init.host.interface import interfaces_of
from cloud_init.host.journal import paths_of, read_disk, read_record
from cloud_init.host.live import read_interfaces
from cloud_init.host.own_keys import make_keys
from cloud_init.host.places import DOMAINS, MARKER, WIREGUARD
from cloud_init.host.prove import (
    FRESH_S,
    PROVE_WITHIN_S,
    Way,
    _prove_table,
    _prove_units,
    prove,
    prove_domains,
    prove_ways,
    unproven,
    ways_of,
)
from cloud_init.host.status import status

# Confirming follows at once, with ten tries to connect; without it the host is what it was after this.
DELIVERED_WITHIN_S = 180.0
_ASKED_WITHIN_S = 10.0
PATIENCE_S = 2.0  # with a host, before a change: two packets


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


def working(deadline: Deadline) -> set[tuple[str, str, bool]]:
    """Return the tunnels that carry a packet of full size: interface, the peer's public key, whether it is IPv6.

    Only those with a fresh handshake are asked, twice; a host that went off just now does not answer.
    """
    now, live = time.time(), read_interfaces(deadline)
    fresh = {
        (name, key)
        for name, interface in live.items()
        for key, peer in interface.peers.items()
        if now - peer.handshake_s < FRESH_S
    }
    ways = _ways(read_json(MARKER) or read_record())
    asked = prove_ways(
        [way for way in ways if (way.interface.name, way.peer.public_key) in fresh], deadline, PATIENCE_S
    )
    return {_tunnel(way) for way, fault in asked if not fault}


def answering(deadline: Deadline) -> set[Domain]:
    """Return the domains that have an answer from their origins; those that there is no time for count as none."""
    return {domain for domain in domains_of(read_disk([DOMAINS])) if not ask_domain(domain, deadline)}


def broken(worked: set[tuple[str, str, bool]], answered: set[Domain], deadline: Deadline) -> list[str]:
    """Return what fails that worked before: tunnels, by a packet of full size, domains, units, the firewall."""
    record = read_json(MARKER)
    ways = [way for way in _ways(record) if _tunnel(way) in worked]
    found = [(f"tunnel {way}", fault) for way, fault in prove_ways(ways, deadline)]
    kept = [domain for domain in domains_of(read_disk([DOMAINS])) if domain in answered]
    found += prove_domains(kept, deadline)
    found += [*_prove_units(record.get("units", []), deadline), *_prove_table(deadline)]
    return [f"{what}: {fault}" for what, fault in found if fault]


def _ways(record: dict[str, Any]) -> list[Way]:
    """Return the ways to hosts by the interfaces that a record has, as their files are."""
    paths = [path for path in paths_of(record) if path.startswith(WIREGUARD)]
    return ways_of(interfaces_of(read_disk(paths)).values(), "")


def _tunnel(way: Way) -> tuple[str, str, bool]:
    """Return what a way is of, whatever address the peer has today."""
    return way.interface.name, way.peer.public_key, ":" in way.address

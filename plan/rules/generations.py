"""Sets of keys that stand side by side: which is active, who dials which, and whether each has a port.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plan.faults import Fault, choices
from plan.stack.hosts import Endpoint, WireGuard
from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.rules.draft import Draft

LAST_PORT: Final = 65535


def judge_generations(draft: Draft) -> Iterator[Fault]:
    """Yield a fault for a generation that is named and does not stand, and for one without a port."""
    if draft.generations is None:
        return
    allowed = choices(str(one) for one in draft.generations)
    if draft.active is not None and draft.active not in draft.generations:
        yield Fault(
            "farshore:active",
            repr(draft.active),
            f"{allowed}, which farshore:generations has",
            "name one of them, or leave it out for the older one",
        )
    for where, name, device in draft.devices():
        if device.generation is not None and device.generation not in draft.generations:
            yield Fault(
                f"farshore:{where}.generation",
                repr(device.generation),
                f"{allowed}, which farshore:generations has",
                f"name one of them, and give {name} its new files",
            )
    if all((one - FIRST_GENERATION) % 2 == 0 for one in draft.generations):
        return
    for where, _, server in draft.servers():
        said = server.wireguard.endpoint if isinstance(server.wireguard, WireGuard) else None
        if isinstance(said, Endpoint) and said.port == LAST_PORT:
            yield Fault(
                f"farshore:{where}.wireguard.endpoint.port",
                f"{said.port}, after which there is none for every other generation",
                f"one below {LAST_PORT}",
                "forward two ports in a row, and name the first",
            )

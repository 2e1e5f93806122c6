"""Where hosts stand, and what they have there.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.faults import Fault, nearest
from plan.tables import hetzner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.rules.draft import Draft


def judge_places(draft: Draft) -> Iterator[Fault]:
    """Yield a fault for each location whose country nobody knows, or which is said to be elsewhere."""
    table = hetzner()
    for where, _, host in draft.servers():
        if host.location is None:
            continue
        known = table.locations.get(host.location)
        if known is None and host.country is None:
            meant = nearest(host.location, tuple(table.locations))
            remedy = f"did you mean {meant!r}?" if meant else f"or add its country: our table is of {table.day}"
            yield Fault(f"farshore:{where}.location", repr(host.location), ", ".join(table.locations), remedy)
        if known is not None and host.country not in {None, known.country}:
            yield Fault(
                f"farshore:{where}.country",
                repr(host.country),
                f"{known.country}, where {host.location} is",
                "remove it",
            )

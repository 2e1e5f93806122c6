"""A shield and an origin behind it that one court can reach.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Plan


def find_neighbours(plan: Plan) -> Iterator[str]:
    """Find a pair that has in common what the policy separates, and no waiver."""
    shields = {shield.name: shield for shield in plan.shields}
    origins = {origin.name: origin for origin in plan.origins}
    for near, far in sorted({(tunnel.near, tunnel.far) for tunnel in plan.tunnels}):
        if near not in shields or far not in origins:
            continue
        for rule in plan.separate:
            ours, theirs = getattr(shields[near], rule, None), getattr(origins[far], rule, None)
            if ours is not None and ours == theirs and (near, far, rule) not in plan.waived:
                yield f"{near}-{far}: {rule} {ours!r} on both sides"

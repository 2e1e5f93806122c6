"""Hosts that would have to be moved, which no server can be: refused, with the way that loses nothing.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Plan
    from plan.standing import Standing


def find_moves(plan: Plan, standing: Standing) -> Iterator[Fault]:
    """Yield a fault for each host whose server stands somewhere else than the plan says.

    The provider would delete it first, its public addresses with it, and only then order the other.

    Args:
        plan: What should exist.
        standing: What does.
    """
    for host in plan.hosts:
        told = standing.hosts.get(host.name)
        if told is not None and told.location not in {"", host.location}:
            yield Fault(
                f"{host.key}.location",
                repr(host.location),
                f"{told.location!r}, where it stands",
                "add a host of another name and slot there, `up`, move to it, then take this one out (docs/day2.md)",
            )

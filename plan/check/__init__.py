"""Re-derive the safety properties from a finished plan.

Pure, and shares no code with the planner: it reads the plan as a stranger would, who trusts nothing but what is
written there. A finding is a fault of Farshore itself, not of the stack file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.check.deliveries import find_wide_deliveries
from plan.check.ends import find_loose_ends
from plan.check.exposure import find_exposures
from plan.check.generations import find_odd_generations
from plan.check.numbers import find_clashes
from plan.check.places import find_neighbours
from plan.check.secrets import find_leaks
from plan.check.ways import find_broken_ways

if TYPE_CHECKING:
    from plan.model import Plan

__all__ = ["check"]


def check(plan: Plan) -> tuple[str, ...]:
    """Return what is unsafe in a plan, a line each; empty for a sound one."""
    return (
        *find_clashes(plan),
        *find_loose_ends(plan),
        *find_odd_generations(plan),
        *find_exposures(plan),
        *find_leaks(plan),
        *find_neighbours(plan),
        *find_broken_ways(plan),
        *find_wide_deliveries(plan),
    )

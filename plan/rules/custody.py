"""Hosts that are to make their own keys have to be asked for them.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.delivery import shield_way
from plan.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.rules.draft import Draft
    from plan.stack.hosts import Shield


def judge_custody(draft: Draft) -> Iterator[Fault]:
    """Yield a fault for each host that could make its keys and tell nobody."""
    if draft.custody != "host":
        return
    told = {name for name, shield in draft.shields.items() if shield.families is None or _answers(draft, shield)}
    for name in draft.shields.keys() - told:
        why = f"{name} answers no SSH of delivery's"
        yield _fault(f"shields.{name}.ssh", why, "name the networks that `pulumi up` comes from")
    for name, origin in draft.origins.items():
        if origin.ssh == "off":
            yield _fault(f"origins.{name}.ssh", f"the ssh of {name} is off", "say tunnel")


def _answers(draft: Draft, shield: Shield) -> bool:
    glass = draft.break_glass.sources if draft.break_glass else ()
    sources = shield.ssh if isinstance(shield.ssh, tuple) else glass if shield.ssh is None else ()
    return shield_way(shield.families, sources, ()) is not None


def _fault(where: str, why: str, remedy: str) -> Fault:
    found = f"nobody to ask for keys under farshore:custody host: {why}"
    return Fault(
        f"farshore:{where}", found, "a host that delivery reaches", f"{remedy}, or say state (docs/custody.md)"
    )

"""From one set of keys to the next: which steps keep every tunnel, and what each means.

Pure. Two generations stand side by side for a while, and hosts are told of a step one after the other. In between,
some are a step further than others, so a step may only be one that both sides of it can live with: whatever a host
sends by has to stand at everybody, before the step and after it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from plan.faults import Fault, choices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Plan
    from plan.standing import Standing


ONE_AT_A_TIME: Final = "a step at a time, each with its `up`: both stand, the new one is active, the old one goes"


def judge_step(plan: Plan, standing: Standing) -> Iterator[Fault]:
    """Yield a fault where a plan would have hosts send by keys that running ones do not have, or take those in use.

    Args:
        plan: What should exist.
        standing: What running hosts were told.
    """
    lacking: dict[tuple[int, ...], list[str]] = defaultdict(list)
    robbed: dict[int, list[str]] = defaultdict(list)
    for host in plan.hosts:
        told = standing.hosts.get(host.name)
        if told is None:
            continue
        if plan.active not in told.generations:
            lacking[told.generations].append(host.name)
        elif told.active not in plan.generations:
            robbed[told.active].append(host.name)
    for known, names in lacking.items():
        has = choices(str(one) for one in known)
        yield Fault(
            "farshore:active",
            f"{plan.active}, whose keys {choices(names)} {_have(names)} not been told",
            f"a generation that every running host has: {has}",
            ONE_AT_A_TIME,
        )
    for active, names in robbed.items():
        yield Fault(
            "farshore:generations",
            f"{_listed(plan.generations)} without {active}, by which {choices(names)} {_send(names)}",
            f"with {active} while it is active anywhere",
            ONE_AT_A_TIME,
        )


def tell_step(plan: Plan, standing: Standing) -> Iterator[str]:
    """Tell what a step of a rotation does."""
    told = [standing.hosts[host.name] for host in plan.hosts if host.name in standing.hosts]
    for known in sorted({one.generations for one in told} - {plan.generations}):
        come, gone = set(plan.generations) - set(known), set(known) - set(plan.generations)
        what = [f"tunnels of generation {one} come beside the others" for one in sorted(come)]
        what += [f"the keys and interfaces of generation {one} go for good" for one in sorted(gone)]
        yield f"farshore:generations: {_listed(known)} to {_listed(plan.generations)}; {', '.join(what)}"
    for active in sorted({one.active for one in told} - {plan.active}):
        yield f"farshore:active: {active} to {plan.active}; traffic moves there by route, host by host"


def _listed(generations: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, generations))}]"


def _have(names: list[str]) -> str:
    return "have" if len(names) > 1 else "has"


def _send(names: list[str]) -> str:
    return "send" if len(names) > 1 else "sends"

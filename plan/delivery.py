"""Which running hosts are told a change, by which way, and in which order.

Pure. A way is decided by the stack file alone (`shield_way`, `origin_way`); whether a host that runs can be told by it
depends on what it was told before (`plan_rollout`).

The order, where it matters: a tunnel that comes is told to the shield, which answers, before the origin, which dials,
and the way to a new origin to the shield that lets it through; one that goes is taken from the origin first; and an
origin accepts what is new before its shields send it. Hosts take their turns one after the other, so that one which
does not prove itself keeps the rest as they are.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from plan.model.delivery import Step, Way
from plan.standing import accepted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from ipaddress import IPv4Address
    from typing import Literal

    from plan.addresses import Network
    from plan.model import Host, Plan
    from plan.standing import Standing


def shield_way(
    families: Sequence[Literal["ipv4", "ipv6"]], sources: Sequence[Network], behind: Sequence[IPv4Address]
) -> Way | None:
    """Return how a shield is told a change: from the networks that its SSH answers; None where it answers none.

    Args:
        families: Of its public addresses, in the order in which they are preferred.
        sources: Networks from which its SSH answers outside the tunnels.
        behind: Tunnel addresses of the origins that are reached through it.
    """
    answered = {"ipv4" if source.version == 4 else "ipv6" for source in sources}
    family = next((family for family in families if family in answered), None)
    return None if family is None else Way(family=family, shields=(), opens=tuple(behind))


def origin_way(shields: Mapping[str, Way | None]) -> Way | None:
    """Return how an origin is told a change: through those of its shields that can be reached; None if none can.

    Args:
        shields: Those from which its SSH answers, each with its own way.
    """
    reached = {name: way for name, way in shields.items() if way is not None}
    if not reached:
        return None
    return Way(family=next(iter(reached.values())).family, shields=tuple(reached), opens=())


def plan_rollout(plan: Plan, standing: Standing) -> tuple[Step, ...]:
    """Return the hosts that are told what the plan says, in the order of their turns; none where it tells nobody."""
    return who_can_be_told(plan, standing) if plan.delivers else ()


def who_can_be_told(plan: Plan, standing: Standing) -> tuple[Step, ...]:
    """Return the hosts that can be told what the plan says, in the order of their turns.

    A host without a server is born with the plan, and is then waited for and told the same. One that runs is left out
    where it was not told to answer delivery, or where its tunnel address changes: it is to be replaced.
    """
    steps: dict[str, Step] = {}
    for host in plan.hosts:  # shields, then origins
        if host.way is not None and _answers(host, standing):
            ways = [shield for shield in host.way.shields if shield in steps and _stays(host, shield, standing)]
            if ways or not host.way.shields:
                steps[host.name] = Step(host=host.name, through=ways[0] if ways else None)
    return tuple(steps[name] for name in _in_turn(list(steps), set(_before(plan, standing))))


def _answers(host: Host, standing: Standing) -> bool:
    """Tell whether a host's server lets delivery in, at the address that the plan says."""
    told = standing.hosts.get(host.name)
    return told is None or (told.delivery and told.addresses == (str(host.address), str(host.address6)))


def _stays(origin: Host, shield: str, standing: Standing) -> bool:
    """Tell whether an origin has a tunnel to a shield, both before the change and after it."""
    told, theirs = standing.hosts.get(origin.name), standing.hosts.get(shield)
    return told is None or (theirs is not None and shield in told.shields)


def _before(plan: Plan, standing: Standing) -> Iterator[tuple[str, str]]:
    """Yield pairs of hosts of which the first is to be told before the second, where that matters."""
    for origin in plan.origins:
        told = standing.hosts.get(origin.name)
        if told is None:
            for shield in sorted(origin.shields):
                yield shield, origin.name
            continue
        was, now = set(told.shields), set(origin.shields)
        for shield in sorted(now - was):
            yield shield, origin.name
        for shield in sorted(was - now):
            yield origin.name, shield
        if set(accepted(origin)) - set(told.accepts):
            for shield in sorted(now & was):
                yield origin.name, shield


def _in_turn(names: list[str], before: set[tuple[str, str]]) -> list[str]:
    """Return the names so that each pair is kept, else in their own order; a circle is cut at its first name."""
    place = {name: number for number, name in enumerate(names)}
    pairs = [(place[first], place[later]) for first, later in before if first in place and later in place]
    following: dict[int, list[int]] = {}
    waits = [0] * len(names)
    for first, later in pairs:
        following.setdefault(first, []).append(later)
        waits[later] += 1
    ready = [number for number, count in enumerate(waits) if not count]
    left, turns = set(place.values()), []
    while left:
        number = heappop(ready) if ready else min(left)
        if number not in left:
            continue
        left.remove(number)
        turns.append(names[number])
        for later in following.get(number, ()):
            waits[later] -= 1
            if not waits[later]:
                heappush(ready, later)
    return turns

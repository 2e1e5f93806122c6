"""What a reader of the preview should know, though nothing of it stops the deployment.

Pure. One line each, with the key of the stack file that it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plan.faults import choices
from plan.jurisdiction import tell_places
from plan.tables import hetzner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from plan.model import Host
    from plan.stack import Stack

SOON_DAYS: Final = 14  # an end that is nearer is named in every preview


def find_warnings(stack: Stack, hosts: Sequence[Host], *, crowded: Mapping[str, str]) -> tuple[str, ...]:
    """Return all warnings of a stack, in the order of its parts.

    Args:
        stack: Sound.
        hosts: The plan's.
        crowded: What did not fit into the provider's firewall, by the name of its host.
    """
    return (
        *_newer(stack),
        *_closed(hosts),
        *_untold(stack, hosts),
        *_crowded(crowded),
        *_rotating(stack),
        *_ending(stack),
        *tell_places(stack),
    )


def _rotating(stack: Stack) -> Iterator[str]:
    """Warn of a rotation that is not over: keys that were to go are still admitted."""
    if len(stack.generations) > 1:
        yield (
            f"farshore:generations: {list(stack.generations)} stand side by side, and the keys of both are admitted; "
            "go on with `farshore rotate` (docs/rotation.md)"
        )


def _newer(stack: Stack) -> Iterator[str]:
    """Warn of what our table does not know yet."""
    table = hetzner()
    hosts = [
        *((f"shields.{name}", host) for name, host in sorted(stack.shields.items(), key=lambda item: item[1].slot)),
        *((f"origins.{name}", host) for name, host in sorted(stack.origins.items(), key=lambda item: item[1].slot)),
    ]
    for where, host in hosts:
        if host.server_type not in table.server_types:
            yield (
                f"farshore:{where}.server_type: {host.server_type!r} is not in our table of {table.day}; "
                "Hetzner will say whether it exists"
            )
    for where, host in hosts:
        if host.location not in table.locations:
            yield (
                f"farshore:{where}.location: {host.location!r} is not in our table of {table.day}; "
                f"country {host.country!r} is taken from the stack file"
            )


def _closed(hosts: Sequence[Host]) -> Iterator[str]:
    """Warn of hosts that nobody can tell a change while they live; an origin is named by its first shield."""
    closed = [host for host in hosts if host.way is None]
    for host in closed:
        if host.hidden and host.ssh:
            continue
        cut = [one.name for one in closed if one.ssh and one.shields[:1] == (host.name,)]
        why = (
            "SSH answers inside the tunnel only, and delivery comes from outside" if host.ssh else "SSH answers nowhere"
        )
        others = f", and so {'does' if len(cut) == 1 else 'do'} {choices(cut)} behind it" if cut else ""
        yield f"{host.key}.ssh: {why}; this host changes by replacement only{others}"


def _untold(stack: Stack, hosts: Sequence[Host]) -> Iterator[str]:
    """Warn of a deployment that tells nobody."""
    if stack.delivery == "none" and any(host.way is not None for host in hosts):
        yield "farshore:delivery: none; no running host is told a change, each stays what it is until this is ssh again"


def _crowded(crowded: Mapping[str, str]) -> Iterator[str]:
    """Warn of what the provider's firewall has no room for."""
    yield from (f"{name}: {left}" for name, left in crowded.items())


def _ending(stack: Stack) -> Iterator[str]:
    """Warn of what ends soon, or has ended."""
    for name, operator in sorted(stack.operators.items()):
        if operator.until is None or not operator.enabled:
            continue
        left_days = (operator.until - stack.day).days
        if left_days < 0:
            yield f"farshore:operators.{name}.until: ended on {operator.until}; it is left out, remove its entry"
        elif left_days <= SOON_DAYS:
            yield f"farshore:operators.{name}.until: ends on {operator.until}, in {left_days} days"

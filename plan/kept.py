"""Public addresses that are kept: a host that has some is not taken out before they have been released.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Plan
    from plan.standing import Standing


def find_kept(plan: Plan, standing: Standing) -> Iterator[Fault]:
    """Yield a fault for each host that the plan no longer has, and whose addresses are protected.

    The engine would refuse to delete them, by their names in the state and not by what to do in the stack file.

    Args:
        plan: What should exist.
        standing: What does.
    """
    there = {host.name for host in plan.hosts}
    for name, told in sorted(standing.hosts.items()):
        if told.kept and name not in there:
            yield Fault(
                f"farshore:{'origins' if told.shields else 'shields'}.{name}",
                "taken out",
                "a host, as long as its public addresses are kept",
                "put it back with `addresses: release`, `up`, then take it out (docs/day2.md)",
            )


def tell_kept(plan: Plan, standing: Standing) -> Iterator[str]:
    """Tell of hosts whose addresses are protected no more."""
    for host in plan.hosts:
        told = standing.hosts.get(host.name)
        if told is not None and told.kept and not host.addresses_kept:
            yield (
                f"{host.key}.addresses: kept to released; nothing protects its public addresses any more, and the next "
                "`pulumi up` may take it out, which gives them back"
            )

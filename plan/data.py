"""Data volumes of a deployment that stands: what can't become of them, what is told of them, who uses them yet.

Pure. A server that was born without its volume goes on without: what it has in that place would be hidden, and what
opens an encrypted one is a package of the birth. So a volume that comes later is used by the next server.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plan.faults import Fault, choices, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.model import Host, Plan
    from plan.standing import Standing, Told


def as_it_runs(host: Host, told: Told | None, server: str) -> Host:
    """Return a host as a server of its can be told: without a volume that this one was not born with.

    Args:
        host: The plan's.
        told: What the last run left of it.
        server: The provider's number of the one that stands now.
    """
    if host.data is None or told is None or told.server != server or (told.data is not None and told.data.used):
        return host
    return replace(host, data=None)


def judge_data(plan: Plan, standing: Standing) -> Iterator[Fault]:
    """Yield a fault for each volume that can't become what a plan says, or would be lost, or can't be removed.

    Args:
        plan: What should exist.
        standing: What does.
    """
    hosts = {host.name: host for host in plan.hosts}
    for name, told in standing.hosts.items():
        host, where = hosts.get(name), f"farshore:origins.{name}.data"
        if told.data is None or host is None:  # what is taken out is judged as a whole: plan.kept
            continue
        if host.data is None:
            if told.kept:
                yield Fault(
                    where,
                    "nothing, and its volume is protected",
                    f"{{size_gb: {told.data.size_gb}, mount: {told.data.mount}, …}}, as it stands",
                    "to give it back with all that is on it: `addresses: release` in its entry, `up`, then take it out",
                )
            continue
        if host.data.size_gb < told.data.size_gb:
            yield Fault(
                f"{where}.size_gb",
                shown(host.data.size_gb),
                f"{told.data.size_gb} and more: a volume can't shrink",
                "write what it has, or add an origin with a smaller one and move to it",
            )
        if host.data.encrypted != told.data.encrypted:
            yield Fault(
                f"{where}.encrypted",
                shown(host.data.encrypted),
                f"{shown(told.data.encrypted)}, as it was formatted",
                "what is on it can't be changed in place: add an origin with the other kind and move to it",
            )


def tell_data(plan: Plan, standing: Standing) -> Iterator[str]:
    """Tell of volumes that come, grow, move and go."""
    hosts = {host.name: host for host in plan.hosts}
    for name, told in standing.hosts.items():
        host = hosts.get(name)
        was, now, where = told.data, host.data if host else None, f"farshore:origins.{name}.data"
        if was is None and now is not None:
            yield (
                f"{where}: its volume comes with this `pulumi up`, empty, and is used from the next server on: what is "
                f"in {now.mount} now goes with the server that has it"
            )
        elif was is not None and now is None:
            yield f"{where}: its volume goes for good, with all that is on it"
        elif was is not None and now is not None:
            if was.size_gb != now.size_gb:
                yield f"{where}.size_gb: {was.size_gb} to {now.size_gb}; it grows in place"
            if was.mount != now.mount:
                yield f"{where}.mount: {was.mount} to {now.mount}; whatever has a file open there keeps it from moving"


def tell_erasure(plan: Plan) -> tuple[str, ...]:
    """Return a line about whose disks whatever replaces their servers erases; none where every origin has a volume."""
    bare = [host.name for host in plan.origins if host.data is None]
    if not bare:
        return ()
    what = "replacing a server or recreating the deployment erases all that is on its disk"
    return (f"{choices(bare)}: without `data`; {what} (docs/recreate.md)",)

"""Looking at every resource before anything else is decided.

What is gone leaves the state, and so do the references to it; what differs is remembered as it is now. Components,
providers and rows whose replacement is due stay as they are.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.engine.choices import mark_outputs
from lab.engine.operations import Step
from lab.engine.provider import ProviderError
from lab.engine.urns import is_provider_type
from lab.engine.values import equal

if TYPE_CHECKING:
    from lab.engine.deployment import Deployment
    from lab.engine.rows import Row


class Refresh:
    """The look of one run at its resources.

    Args:
        deployment: The run, before its program starts.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._run = deployment
        self._slots = asyncio.Semaphore(max(deployment.options.parallel, 1))

    async def run(self) -> None:
        """Look, and put what was seen into the state."""
        state = self._run.journal.settle()
        looks = [asyncio.create_task(self._look(row) if self._looked_at(row) else _unseen(row)) for row in state]
        for look in looks:
            self._run.executor.watch(look)
        found = await asyncio.gather(*looks, return_exceptions=True)
        for result in found:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result
        # What an interrupt left unseen is as it was.
        seen = {row: row if isinstance(now, BaseException) else now for row, now in zip(state, found, strict=True)}
        gone = {row.urn: row.parent for row, now in seen.items() if now is None and not row.delete}
        changes = []
        for row, now in seen.items():
            pruned = now if now is None else prune(now, gone)
            if pruned is not row:
                changes.append((row, pruned))
        self._run.journal.refreshed(changes)
        await self._run.commits.commit()

    def _looked_at(self, row: Row) -> bool:
        return (
            row.custom
            and bool(row.id)
            and not is_provider_type(row.type)
            and not row.pending_replacement
            and self._run.options.wants(row.urn)
        )

    async def _look(self, row: Row) -> Row | None:
        """Return a row as it is now; the same object if nothing changed, None if it is gone."""
        async with self._slots:
            if self._run.canceled:
                return row
            step = Step(op="refresh", urn=row.urn, old=row, new=row, registered=False)
            self._run.events.begin(step)
            try:
                provider = await self._run.registry.live(row.provider)
                seen = await provider.read(row.urn, row.id, inputs=row.inputs, outputs=row.outputs)
            except ProviderError as fault:
                self._run.events.fail(step)
                self._run.events.error(str(fault), row.urn)
                self._run.executor.failed.add(row.urn)
                self._run.executor.stop()
                return row
            now = row
            if not seen.id:
                self._count("delete")
                self._run.events.end(replace(step, new=None), None)
                return None
            inputs = seen.inputs if seen.inputs is not None else row.inputs
            outputs = mark_outputs(row, seen.outputs)
            if seen.id != row.id or not equal(inputs, row.inputs) or not equal(outputs, row.outputs):
                now = replace(row, id=seen.id, inputs=inputs, outputs=outputs, init_errors=seen.init_errors)
            self._run.events.mask.learn([now.inputs, now.outputs])
            self._count("same" if now is row else "update")
            self._run.events.end(replace(step, new=now), now)
            return now

    def _count(self, op: str) -> None:
        """Count what was seen, unless something else is done afterwards, which is what counts."""
        if self._run.options.kind == "refresh":
            self._run.events.changes[op] += 1


def prune(row: Row, gone: dict[str, str]) -> Row:
    """Return a row without references to rows that are gone; their children go to the next parent above.

    Args:
        row: The row.
        gone: Parent by URN of what is gone.
    """
    if not row.named() & gone.keys():
        return row
    parent = row.parent
    while parent in gone:
        parent = gone[parent]
    return replace(
        row,
        parent=parent,
        dependencies=tuple(urn for urn in row.dependencies if urn not in gone),
        property_dependencies={
            key: tuple(urn for urn in urns if urn not in gone) for key, urns in row.property_dependencies.items()
        },
        deleted_with="" if row.deleted_with in gone else row.deleted_with,
        replace_with=tuple(urn for urn in row.replace_with if urn not in gone),
    )


async def _unseen(row: Row) -> Row:
    return row

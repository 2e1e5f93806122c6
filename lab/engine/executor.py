"""Doing the steps: at most so many at once, in the order in which they were decided.

The state is saved before and after each. A step that fails stops what waits, and lets finish what runs.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lab.engine.backend import BackendError, rfc3339
from lab.engine.choices import mark_outputs
from lab.engine.plugin import PartlyDoneError
from lab.engine.provider import ProviderError
from lab.engine.urns import is_provider_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab.engine.commits import Commits
    from lab.engine.events import Events
    from lab.engine.journal import Journal
    from lab.engine.operations import Step
    from lab.engine.options import Options
    from lab.engine.registry import Registry
    from lab.engine.rows import Row


class StoppedError(Exception):
    """The run stopped before this step began."""


class StepFailedError(Exception):
    """A step failed; whoever waits for it learns nothing more."""


class Executor:
    """Do steps.

    Args:
        options: What was asked.
        registry: Who answers.
        journal: Remembers what was done.
        commits: Writes that down.
        events: Are told.
    """

    def __init__(
        self, options: Options, registry: Registry, journal: Journal, commits: Commits, events: Events
    ) -> None:
        self._options = options
        self._registry = registry
        self._journal = journal
        self._commits = commits
        self._events = events
        self._slots = asyncio.Semaphore(max(options.parallel, 1))
        self._running: set[asyncio.Task[Row | None]] = set()
        self.stopping = asyncio.Event()
        self.failed: set[str] = set()
        self.unsaved = False
        self.final: dict[str, tuple[Step, Row]] = {}

    def submit(self, steps: Sequence[Step]) -> asyncio.Task[Row | None]:
        """Queue steps that are done one after the other, and return the row that the last one leaves."""
        task = asyncio.create_task(self._chain(tuple(steps)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(heard)
        return task

    def watch(self, task: asyncio.Task[Any]) -> None:
        """Have a task that does no step waited for, and left by an abort, as those that do one."""
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def stop(self) -> None:
        """Begin nothing more; what runs may finish."""
        self.stopping.set()

    def abort(self) -> None:
        """Leave what runs as it is; the state keeps saying that it was under way."""
        self.stop()
        for task in self._running:
            task.cancel()

    async def drain(self) -> None:
        """Wait until nothing runs any more."""
        while self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    async def complete(self, urn: str, row: Row) -> None:
        """Give a component the outputs that it registered.

        Raises:
            BackendError: They can't be written down.
        """
        step, before = self.final[urn]
        self.final[urn] = (step, row)
        self._events.mask.learn(row.outputs)
        self._journal.amend(before, row)
        await self._commits.commit()
        self._events.end(step, row)

    async def _chain(self, steps: tuple[Step, ...]) -> Row | None:
        async with self._slots:
            row: Row | None = None
            for step in steps:
                if self.stopping.is_set():
                    raise StoppedError
                if step.op == "replace" and row is not None and step.old is not None:
                    step = replace(step, old=replace(step.old, delete=True), new=row)  # noqa: PLW2901 - it is done
                try:
                    row = await self._do(_following(step, row)) or row
                except BackendError as fault:
                    self._unsaved(step, fault)
                    raise StepFailedError(step.urn) from fault
            return row

    def _unsaved(self, step: Step, fault: BackendError) -> None:
        """Begin nothing more: what is done without a state that says so is lost."""
        if not self.unsaved:
            self._events.error(str(fault), "")
        self.unsaved = True
        self.failed.add(step.urn)
        self.stop()

    async def _do(self, step: Step) -> Row | None:
        if step.new is not None:
            self._events.mask.learn(step.new.inputs)
        self._events.begin(step)
        if self._journal.begin(step):
            await self._commits.commit()
        try:
            self._refuse_protected(step)
            row = await self._apply(step)
        except PartlyDoneError as fault:
            await self._fail(step, fault, _partly(step, fault))
        except ProviderError as fault:
            await self._fail(step, fault, None)
        except Exception as bug:  # noqa: BLE001 - whatever happens, the state says what was reached
            await self._fail(step, ProviderError(f"engine: {type(bug).__name__}: {bug}"), None)
        if row is not None:
            row = replace(row, outputs=mark_outputs(row, row.outputs))
            self._events.mask.learn([row.inputs, row.outputs])
            self.final[step.urn] = (step, row)
        if self._journal.end(step, row):
            await self._commits.commit()
        self._events.count(step)
        if step.row.custom or not step.registered:
            self._events.end(step, row)
        return row

    def _refuse_protected(self, step: Step) -> None:
        if step.op == "delete" and step.row.protect:
            raise ProviderError(protected_message(step.urn))

    async def _fail(self, step: Step, fault: ProviderError, row: Row | None) -> None:
        self.failed.add(step.urn)
        self._events.fail(step)
        self._events.error(str(fault), step.urn)
        if not self._options.continue_on_error:
            self.stop()
        self._journal.fail(step, row)
        await self._commits.commit()
        raise StepFailedError(step.urn)

    async def _apply(self, step: Step) -> Row | None:
        match step.op:
            case "replace" | "remove-pending-replace":
                return None
            case "delete" | "delete-replaced":
                await self._delete(step)
                return None
            case "read" | "read-replacement":
                return await self._read(step)
            case "create" | "create-replacement":
                return await self._create(step)
            case "update":
                return await self._update(step)
            case _:
                assert step.new is not None
                if is_provider_type(step.new.type):
                    await self._registry.configure(step.new)
                return step.new

    async def _create(self, step: Step) -> Row:
        row = step.new
        assert row is not None
        now = rfc3339()
        if not row.custom:
            return replace(row, created=now, modified=now)
        provider = await self._registry.for_row(row)
        made = await provider.create(row, preview=self._options.preview)
        now = rfc3339()
        return replace(row, id=made.id, outputs=made.outputs, created=now, modified=now)

    async def _update(self, step: Step) -> Row:
        row = step.new
        assert row is not None
        assert step.old is not None
        if not row.custom:
            return row
        provider = await self._registry.for_row(row)
        made = await provider.update(step.old, row, preview=self._options.preview)
        return replace(row, id=made.id, outputs=made.outputs, modified=rfc3339())

    async def _read(self, step: Step) -> Row:
        row = step.new
        assert row is not None
        provider = await self._registry.for_row(row)
        seen = await provider.read(row.urn, row.id, inputs=row.inputs, outputs=row.inputs)
        if not seen.id:
            raise ProviderError(f"resource '{row.id}' does not exist")
        inputs = seen.inputs if seen.inputs is not None else row.inputs
        return replace(row, id=seen.id, inputs=inputs, outputs=seen.outputs, external=True)

    async def _delete(self, step: Step) -> None:
        row = step.old
        assert row is not None
        if self._options.preview:
            return
        if is_provider_type(row.type):
            await self._registry.delete(row, {})
        elif step.call:
            provider = await self._registry.live(row.provider)
            await provider.delete(row, row.custom_timeouts)


def heard(task: asyncio.Task[Any]) -> None:
    """Take note of how a task ended: it told all there was to tell, though nobody may wait for it any more."""
    if not task.cancelled():
        task.exception()


def protected_message(urn: str) -> str:
    """Return why a protected resource is not deleted, and what to do about it."""
    return (
        f'resource "{urn}" cannot be deleted\nbecause it is protected. To unprotect the resource, either remove '
        "the `protect` flag from the resource in your Pulumi program and run `pulumi up`, or use the command:\n"
        f"`pulumi state unprotect '{urn}'`"
    )


def _following(step: Step, row: Row | None) -> Step:
    """Return a step that goes on from what the one before it left: an update after an import."""
    return replace(step, old=row) if step.op == "update" and row is not None else step


def _partly(step: Step, fault: PartlyDoneError) -> Row:
    row = step.new
    assert row is not None
    made = fault.made
    outputs = mark_outputs(row, made.outputs)
    if step.op == "update" and step.old is not None:
        row = replace(row, inputs=step.old.inputs)
    return replace(row, id=made.id or row.id, outputs=outputs, init_errors=made.init_errors)

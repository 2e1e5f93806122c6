"""Deciding what to do with each resource that a program registers, and with those that it does not.

One registration at a time. Decisions need the old state, the goal and what the provider says; nothing is done to
any resource here, and nothing is saved.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from lab.engine.aliases import alias_urns
from lab.engine.choices import (
    apply_replace_on_changes,
    detail,
    replacement,
    settle,
    trigger_fires,
    unknown_where,
)
from lab.engine.levels import dependents
from lab.engine.operations import SAME, Difference, Step
from lab.engine.options import matches
from lab.engine.paths import reset_ignored
from lab.engine.urns import STACK_TYPE, split_reference
from lab.engine.values import equal, has_unknown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.engine.goals import Goal
    from lab.engine.options import Options
    from lab.engine.provider import Failure, Provider
    from lab.engine.rows import Row
    from lab.engine.values import Properties


class RefusedError(Exception):
    """A registration that can't be carried out; the run stops.

    Args:
        message: What a person reads.
        urn: The resource.
    """

    def __init__(self, message: str, urn: str) -> None:
        super().__init__(message)
        self.urn = urn


class Providers(Protocol):
    """Where the generator finds who answers for a resource."""

    async def for_row(self, row: Row) -> Provider:
        """Return the provider of a row, started if need be."""

    async def compare(self, old: str, new: str) -> Difference:
        """Return what it means that a resource moves from one provider to another."""


class Notes(Protocol):
    """Where the generator tells what a person should know."""

    def info(self, message: str, urn: str) -> None:
        """Tell something."""

    def error(self, message: str, urn: str) -> None:
        """Tell of a fault that makes the whole run a failure, yet does not stop it."""


@dataclass
class Generator:
    """The decisions of one run.

    Args:
        state: The rows at the start, in order.
        options: What was asked.
        providers: Who answers.
        notes: Where faults and hints go.
        renamed: Old URN to new one, for resources found by an alias; shared with the journal.
    """

    state: tuple[Row, ...]
    options: Options
    providers: Providers
    notes: Notes
    renamed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the old state."""
        self.old = {row.urn: row for row in self.state if not row.delete}
        self.touched: set[Row] = set()
        self.replaced: set[str] = set()
        self.cascaded: dict[str, Row] = {}
        self.deleting: set[str] = set()
        self.skipped: set[str] = set()
        self._targeted: set[str] = set()
        self._excluded: set[str] = set()
        self._was: dict[str, str] = {}
        self._registered: set[str] = set()

    def restart(self, state: tuple[Row, ...]) -> None:
        """Begin from another old state: the one that a refresh has seen."""
        self.state = state
        self.__post_init__()

    async def register(self, goal: Goal) -> list[Step]:
        """Return the steps that a registration needs.

        Raises:
            RefusedError: It can't be carried out.
            ProviderError: The provider could not answer.
        """
        old = self._claim(goal)
        if not self._wanted(goal):
            return self._untargeted(goal, old)
        self._refuse_skipped(goal)
        new = goal.row()
        if goal.import_id and (old is None or goal.import_id not in (old.id, old.import_id)):
            return await self._import(goal, new)
        pinned = goal.inputs
        if old is not None and goal.custom:
            pinned, refused = reset_ignored(goal.inputs, old.inputs, goal.ignore_changes)
            for path in refused:
                self.notes.info(f"cannot ignore changes to {path!r}: old and new differ in shape", goal.urn)
        forced = old is not None and (old.taint or matches(self.options.replaces, goal.urn))
        fresh = old is None or old.external or forced or old.urn in self.cascaded
        if goal.custom:
            new = await self._checked(new, None if fresh else old, goal.inputs if fresh else pinned)
        if old is None:
            return [Step(op="create", urn=goal.urn, new=new)]
        if old.urn in self.cascaded:
            return [
                Step(op="replace", urn=goal.urn, old=old, new=new, difference=replacement()),
                Step(op="create-replacement", urn=goal.urn, old=old, new=new, difference=replacement()),
            ]
        if old.external:
            return self._create_first(goal, old, new, replacement())
        difference = replacement() if forced else await self._difference(goal, old, new)
        if difference.replacing or old.pending_replacement:
            return await self._replace(goal, old, new, difference)
        new = replace(new, id=old.id, outputs=old.outputs, created=old.created, modified=old.modified)
        if difference.changed or old.init_errors:
            return [Step(op="update", urn=goal.urn, old=old, new=new, difference=difference)]
        return [Step(op="same", urn=goal.urn, old=old, new=new)]

    def read(self, new: Row) -> list[Step]:
        """Return the steps that look at a resource which somebody else owns."""
        old = self.old.get(new.urn)
        if old is None:
            return [Step(op="read", urn=new.urn, new=new)]
        self.touched.add(old)
        if old.external or old.id == new.id:
            return [Step(op="read", urn=new.urn, old=old, new=new)]
        return [
            Step(op="read-replacement", urn=new.urn, old=old, new=new),
            Step(op="replace", urn=new.urn, old=old, new=new, difference=replacement()),
        ]

    def condemned(self, rows: Iterable[Row]) -> list[Step]:
        """Return what goes at the end, in the order of the state: leftovers, and what was not registered.

        Args:
            rows: The rows as they stand now, those that this run did being left out by `touched`.
        """
        steps = []
        for row in rows:
            if row.delete:
                steps.append(Step(op="delete-replaced", urn=row.urn, old=row, registered=False))
            elif row.pending_replacement:
                steps.append(Step(op="remove-pending-replace", urn=row.urn, old=row, registered=False))
            else:
                steps.append(Step(op="delete", urn=row.urn, old=row, registered=False))
        self.deleting.update(step.urn for step in steps if step.op != "remove-pending-replace")
        return [replace(step, call=self.calls_plugin(step.row)) for step in steps]

    def calls_plugin(self, row: Row) -> bool:
        """Tell whether a deletion asks the plugin, from the flags that the row has in the old state."""
        return row.custom and not row.external and not row.retain_on_delete and row.deleted_with not in self.deleting

    def _claim(self, goal: Goal) -> Row | None:
        for urn in (goal.urn, *alias_urns(goal, self._was.get(goal.parent, ""))):
            old = self.old.get(urn)
            if old is None:
                continue
            if urn in self.renamed or old in self.touched:
                if urn == goal.urn:
                    continue
                raise RefusedError(
                    f"resource {goal.urn} and {self.renamed.get(urn, urn)} are both aliased to {urn}", goal.urn
                )
            self.touched.add(old)
            if urn != goal.urn:
                self.renamed[urn] = goal.urn
                self._was[goal.urn] = urn
            return old
        return None

    def _wanted(self, goal: Goal) -> bool:
        """Tell whether a resource is meant or left out, by itself or because of one that it depends on."""
        options = self.options
        above = {goal.parent, split_reference(goal.provider)[0], *goal.dependencies}
        left_out = matches(options.excludes, goal.urn) or (options.exclude_dependents and bool(above & self._excluded))
        if left_out:
            self._excluded.add(goal.urn)
        meant = bool(options.targets) and matches(options.targets, goal.urn)
        meant = meant or (options.target_dependents and bool(above & self._targeted))
        if meant:
            self._targeted.add(goal.urn)
        return not left_out and (meant or options.wants(goal.urn))

    def _untargeted(self, goal: Goal, old: Row | None) -> list[Step]:
        if old is not None:
            kept = replace(old, urn=goal.urn)
            return [Step(op="same", urn=goal.urn, old=old, new=kept, call=False)]
        self.skipped.add(goal.urn)
        return []

    def _refuse_skipped(self, goal: Goal) -> None:
        needed = goal.row().named() & self.skipped
        if needed:
            raise RefusedError(
                f"{goal.urn} depends on {min(needed)}, which is to be created but not targeted; target it too",
                goal.urn,
            )

    async def _checked(self, new: Row, old: Row | None, inputs: Properties) -> Row:
        provider = await self.providers.for_row(new)
        checked = await provider.check(new.urn, None if old is None else old.inputs, inputs)
        if checked.failures:
            raise RefusedError("\n".join(map(_failure, checked.failures)), new.urn)
        if not self.options.preview and has_unknown(checked.inputs):
            raise RefusedError("an input is unknown in an update, not in a preview", new.urn)
        return replace(new, inputs=checked.inputs)

    async def _difference(self, goal: Goal, old: Row, new: Row) -> Difference:
        if trigger_fires(old.replacement_trigger, new.replacement_trigger):
            return replacement("replacementTrigger")
        if self.replaced.intersection(goal.replace_with):
            return replacement("replaceWith")
        if await self._moved(old, new):
            return replacement("provider")
        if not goal.custom:
            if goal.type == STACK_TYPE or equal(old.inputs, new.inputs):
                return SAME
            return Difference(changed=True, detailed=detail(old.inputs, new.inputs))
        provider = await self.providers.for_row(new)
        said = settle(await provider.diff(old, new.inputs, goal.ignore_changes), old, new.inputs)
        return apply_replace_on_changes(said, goal.replace_on_changes, old)

    async def _moved(self, old: Row, new: Row) -> bool:
        if not old.custom or old.provider == new.provider:
            return False
        urn, identity = split_reference(old.provider)
        if f"{self.renamed.get(urn, urn)}::{identity}" == new.provider:
            return False
        if not old.provider or not new.provider:
            return True
        return (await self.providers.compare(old.provider, new.provider)).replacing

    async def _replace(self, goal: Goal, old: Row, new: Row, difference: Difference) -> list[Step]:
        if goal.protect and old.protect:
            message = (
                f'unable to replace resource "{goal.urn}"\nas it is currently marked for protection. '
                "To unprotect the resource, remove the `protect` flag from the resource in your Pulumi "
                "program and run `pulumi up`"
            )
            if not self.options.preview:
                raise RefusedError(message, goal.urn)
            self.notes.error(message, goal.urn)
        if goal.custom:
            new = await self._checked(new, None, goal.inputs)
        first = goal.delete_before_replace
        if first is None:
            first = difference.delete_before_replace
        if not first and not old.pending_replacement:
            return self._create_first(goal, old, new, difference)
        self.replaced.add(goal.urn)
        steps = await self._cascade(old) if first else []
        if not old.pending_replacement:
            self.deleting.add(old.urn)
            steps.append(self._delete_first(old))
        return [
            *steps,
            Step(op="replace", urn=goal.urn, old=old, new=new, difference=difference),
            Step(op="create-replacement", urn=goal.urn, old=old, new=new, difference=difference),
        ]

    def _create_first(self, goal: Goal, old: Row, new: Row, difference: Difference) -> list[Step]:
        self.replaced.add(goal.urn)
        return [
            Step(op="create-replacement", urn=goal.urn, old=old, new=new, difference=difference),
            Step(op="replace", urn=goal.urn, old=old, new=new, difference=difference),
        ]

    def _delete_first(self, old: Row) -> Step:
        return Step(op="delete-replaced", urn=old.urn, old=old, call=self.calls_plugin(old), keep_pending=True)

    async def _cascade(self, root: Row) -> list[Step]:
        """Return the deletions of what would be replaced because `root` goes first, users before used."""
        done = {row.urn for row in self.touched} - {root.urn}
        gone = {root.urn}
        chosen: list[Row] = []
        for row in dependents(root, self.state, ignored=done):
            if root.urn in row.replace_with or await self._must_follow(row, gone):
                if row.protect:
                    raise RefusedError(
                        f'unable to replace resource "{row.urn}" as part of replacing '
                        f'"{root.urn}" as it is currently marked for protection',
                        row.urn,
                    )
                gone.add(row.urn)
                chosen.append(row)
        self.deleting.update(gone)
        for row in chosen:
            self.cascaded[row.urn] = row
            self.replaced.add(row.urn)
        return [self._delete_first(row) for row in reversed(chosen)]

    async def _must_follow(self, row: Row, gone: set[str]) -> bool:
        if not row.custom or row.external:
            return False
        if split_reference(row.provider)[0] in gone:
            return True
        inputs = unknown_where(row.inputs, row.property_dependencies, gone)
        if inputs is None:
            return False
        provider = await self.providers.for_row(row)
        difference = settle(await provider.diff(row, inputs, ()), row, inputs)
        return apply_replace_on_changes(difference, row.replace_on_changes, row).replacing

    async def _import(self, goal: Goal, new: Row) -> list[Step]:
        provider = await self.providers.for_row(new)
        seen = await provider.read(goal.urn, goal.import_id, inputs=None, outputs={})
        if not seen.id:
            raise RefusedError(f"resource '{goal.import_id}' does not exist", goal.urn)
        inputs = seen.inputs if seen.inputs is not None else goal.inputs
        found = replace(new, id=seen.id, inputs=inputs, outputs=seen.outputs)
        steps = [Step(op="import", urn=goal.urn, old=self.old.get(goal.urn), new=found)]
        wanted = await self._checked(new, found, reset_ignored(goal.inputs, inputs, goal.ignore_changes)[0])
        difference = settle(await provider.diff(found, wanted.inputs, goal.ignore_changes), found, wanted.inputs)
        if difference.replacing:
            raise RefusedError(f"importing '{goal.import_id}': the program's inputs would replace it", goal.urn)
        if difference.changed:
            better = replace(wanted, id=seen.id, outputs=seen.outputs)
            steps.append(Step(op="update", urn=goal.urn, old=found, new=better, difference=difference))
        return steps


def _failure(failure: Failure) -> str:
    where = f"property {failure.property}: " if failure.property else ""
    return f"{where}{failure.reason}"

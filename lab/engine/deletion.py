"""The end of a run: what the program no longer asks for goes, users before used.

A protected resource is reported and kept, and so is all that it needs; the rest still goes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from lab.engine.executor import StepFailedError, StoppedError, protected_message
from lab.engine.levels import all_needed_by, delete_levels, dependents
from lab.engine.operations import Step
from lab.engine.options import matches
from lab.engine.urns import STACK_TYPE, is_provider_type

if TYPE_CHECKING:
    from lab.engine.deployment import Deployment
    from lab.engine.rows import Row


ENDED: Final = (StepFailedError, StoppedError, asyncio.CancelledError)
"""How a step ends otherwise than well: it failed, was not begun, or was left as it is by a second interrupt."""


class Deletion:
    """The deletions of one run.

    Args:
        deployment: The run, whose program is done.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._run = deployment
        self._options = deployment.options
        self._state = deployment.journal.settle()

    async def run(self) -> None:
        """Delete what goes.

        With `--continue-on-error` a registration may have failed: what hangs on it was perhaps never asked for, so
        nothing goes until a later run has seen all of the program.
        """
        if self._run.executor.failed:
            return
        leftovers = self._run.journal.leftovers()
        chosen = self._chosen(leftovers)
        if chosen is None:
            return
        steps = {step.row: step for step in self._run.generator.condemned(chosen)}
        kept = self._keep_protected(steps)
        for row in kept:
            steps.pop(row, None)
        for level in delete_levels(list(steps), self._state):
            failed = [row for row in steps if row.urn in self._run.executor.failed]
            needed = all_needed_by(failed, self._state) if failed else set()
            tasks = [self._run.executor.submit([steps[row]]) for row in level if row not in needed]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for result in results:
                if isinstance(result, BaseException) and not isinstance(result, ENDED):
                    raise result
            if self._run.executor.stopping.is_set():
                return

    def _chosen(self, leftovers: list[Row]) -> list[Row] | None:
        """Return the leftovers that were asked for; None if the targets don't fit together."""
        options = self._options
        if options.targets:
            return self._targeted(leftovers)
        kept: set[Row] = set()
        if options.excludes:
            spared = [row for row in self._state if matches(options.excludes, row.urn)]
            if options.exclude_dependents:
                for row in list(spared):
                    spared.extend(dependents(row, self._state))
            kept |= all_needed_by(spared, self._state)
        if options.exclude_protected:
            kept |= all_needed_by([row for row in leftovers if row.protect], self._state)
        return [row for row in leftovers if row not in kept]

    def _targeted(self, leftovers: list[Row]) -> list[Row] | None:
        options = self._options
        chosen = [row for row in leftovers if matches(options.targets, row.urn)]
        wanted = set(chosen)
        for row in chosen:
            users = [user for user in dependents(row, self._state) if user in leftovers and user not in wanted]
            users += [child for child in leftovers if child.parent == row.urn and child not in wanted]
            if users and not options.target_dependents:
                names = ", ".join(user.urn for user in users)
                self._run.events.error(
                    f"cannot delete {row.urn} without also deleting {names}; add --target-dependents", row.urn
                )
                return None
            wanted.update(users)
        if options.kind == "destroy":
            for row in leftovers:
                if row not in wanted and row.type != STACK_TYPE and not is_provider_type(row.type):
                    step = Step(op="same", urn=row.urn, old=row, new=row, call=False)
                    self._run.events.begin(step)
                    self._run.events.count(step)
                    self._run.events.end(step, row)
        return [row for row in leftovers if row in wanted]

    def _keep_protected(self, steps: dict[Row, Step]) -> set[Row]:
        protected = [row for row, step in steps.items() if row.protect and step.op == "delete"]
        for row in protected:
            step = steps[row]
            self._run.events.begin(step)
            message = protected_message(row.urn)
            if self._options.preview:
                self._run.events.error(f"Preview failed: {message}", row.urn)
            else:
                self._run.events.fail(step)
                self._run.events.error(message, row.urn)
            self._run.executor.failed.add(row.urn)
        return all_needed_by(protected, self._state)

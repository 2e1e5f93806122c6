"""The state of a stack while it changes.

Holds the rows that were there, those that this run has finished, and the operations under way, and says after each
change whether it has to be saved. Rows done in this run stand first, in order of completion, then the untouched ones
in their old order: each row stays below all that it names.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lab.engine.aliases import child_urn
from lab.engine.checkpoint import Pending
from lab.engine.rows import rename

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.engine.checkpoint import Snapshot
    from lab.engine.operations import Op, Step
    from lab.engine.rows import Row

PENDING: Final[dict[Op, str]] = {
    "create": "creating",
    "create-replacement": "creating",
    "update": "updating",
    "delete": "deleting",
    "delete-replaced": "deleting",
    "read": "reading",
    "read-replacement": "reading",
    "import": "importing",
}


class Journal:
    """The rows of a stack during a run.

    Args:
        before: The state at the start.
        keep_creating: Carry forward creations that a dead engine left behind.
    """

    def __init__(self, before: Snapshot, *, keep_creating: bool = True) -> None:
        self._old: dict[Row, Row] = {row: row for row in before.rows}
        self._done: list[Row] = []
        self._under_way: dict[Step, Pending] = {}
        creating = {item.row.urn: item for item in before.pending if item.kind == "creating"}
        self._carried = list(creating.values()) if keep_creating else []
        self.renamed: dict[str, str] = {}

    def rows(self) -> list[Row]:
        """Return every row as it would be saved now."""
        renamed = dict(self.renamed)
        result = list(self._done)
        for row in self._old.values():
            current = rename(row, renamed)
            if row.parent in renamed:
                urn = child_urn(row.urn, row.parent, renamed[row.parent])
                if urn != row.urn:
                    renamed.setdefault(row.urn, urn)
            # Also one that is found under its new name and not yet done: what it carries names it so already.
            if row.urn in renamed:
                current = replace(current, urn=renamed[row.urn])
            result.append(current)
        return ordered(result)

    def settle(self) -> list[Row]:
        """Return every row as it stands once the program is done; from now on these are the rows.

        References to renamed resources are final, and a row of the old state is told by the row that is returned.
        """
        rows = self.rows()
        old = rows[len(self._done) :]
        self._old = {row: row for row in old}
        return rows

    def leftovers(self) -> list[Row]:
        """Return the rows of the old state that this run has not dealt with, in their order."""
        return list(self._old.values())

    def pending(self) -> list[Pending]:
        """Return the operations under way, and the creations that a dead engine left behind."""
        return [*self._carried, *self._under_way.values()]

    def begin(self, step: Step) -> bool:
        """Note that a step is under way; tell whether that has to be saved first."""
        if step.op in PENDING and step.call:
            self._under_way[step] = Pending(PENDING[step.op], step.row)
            return True
        return False

    def end(self, step: Step, row: Row | None) -> bool:
        """Note that a step is done, and the row that it left; tell whether that has to be saved."""
        was_pending = self._under_way.pop(step, None)
        if row is not None:
            self._done.append(row)
        if step.op in ("create-replacement", "read-replacement") and step.old is not None:
            self._leave_replaced(step.old)
        elif step.op == "delete-replaced" and step.keep_pending and step.old is not None:
            if step.old in self._old:
                self._old[step.old] = replace(self._old[step.old], pending_replacement=True)
        elif step.old is not None and step.op != "replace":
            self._forget(step.old)
        return was_pending is not None or step.op not in ("same", "replace")

    def fail(self, step: Step, row: Row | None = None) -> None:
        """Note that a step failed; `row` is what it left all the same."""
        self._under_way.pop(step, None)
        if row is not None:
            self._done.append(row)
            if step.old is not None:
                if step.op == "create-replacement":
                    self._leave_replaced(step.old)
                else:
                    self._forget(step.old)

    def amend(self, row: Row, better: Row) -> None:
        """Put another row in the place of one that is done."""
        self._done[self._done.index(row)] = better

    def refreshed(self, rows: Iterable[tuple[Row, Row | None]]) -> None:
        """Put what a refresh saw in the place of old rows; None drops one."""
        for old, new in rows:
            if new is None:
                self._old.pop(old, None)
            else:
                self._old[old] = new

    def _leave_replaced(self, old: Row) -> None:
        if old not in self._old:
            return
        current = self._old[old]
        if current.pending_replacement:
            del self._old[old]
        else:
            self._old[old] = replace(current, delete=True)

    def _forget(self, old: Row) -> None:
        self._old.pop(old, None)
        if old in self._done:
            self._done.remove(old)


def ordered(rows: list[Row]) -> list[Row]:
    """Return the rows so that each stands below all that it names, otherwise in the order they have.

    Order of completion is such an order, but for a row that was not targeted: it is done as it was, before what
    it needs.
    """
    unplaced = {row.urn for row in rows}
    result: list[Row] = []
    waiting = rows
    while waiting:
        late: list[Row] = []
        for row in waiting:
            if row.named().isdisjoint(unplaced):
                result.append(row)
                unplaced.discard(row.urn)
            else:
                late.append(row)
        if len(late) == len(waiting):
            return rows
        waiting = late
    return result

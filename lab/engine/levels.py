"""The order in which resources go.

Pure: rows in, rows out. What depends on something goes before it; what depends on nothing goes at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from lab.engine.rows import Row


def delete_levels(condemned: Collection[Row], state: Sequence[Row]) -> list[list[Row]]:
    """Return the rows to delete as levels; each is done before the next begins.

    Args:
        condemned: Rows to delete.
        state: All rows, in the order of the checkpoint.
    """
    chosen = set(condemned)
    rows = [row for row in state if row in chosen]
    needs = {row: needed_by(row, rows) for row in rows}
    levels: list[list[Row]] = []
    left = list(rows)
    while left:
        remaining = set(left)
        free = [row for row in left if not needs[row] & remaining]
        if not free:  # can't be, for the checkpoint is ordered; but never loop for ever
            free = left
        levels.append(free)
        left = [row for row in left if row not in set(free)]
    return [list(reversed(level)) for level in reversed(levels)]


def needed_by(row: Row, state: Sequence[Row]) -> set[Row]:
    """Return the rows above `row` that it needs directly: what it names, and the children of named components."""
    above = list(_before(row, state))
    names = row.named()
    components = {other.urn for other in above if other.urn in names and not other.custom}
    if components:
        inside = set(components) - {row.parent}
        for other in above:
            if other.parent in inside:
                inside.add(other.urn)
        names = names | inside
    return {other for other in above if other.urn in names}


def all_needed_by(rows: Iterable[Row], state: Sequence[Row]) -> set[Row]:
    """Return every row that the given rows need, at any distance, and the rows themselves."""
    wanted = set(rows)
    for row in reversed(state):
        if row in wanted:
            wanted |= needed_by(row, state)
    return wanted


def dependents(root: Row, state: Sequence[Row], *, ignored: Collection[str] = ()) -> list[Row]:
    """Return the rows below `root` that depend on it at any distance, in the order of the state.

    A parent alone is no dependency here. Rows whose URN is ignored are left out, and what depends on them only.
    """
    found: list[Row] = []
    urns = {root.urn}
    below = False
    for row in state:
        if row is root:
            below = True
        elif below and row.urn not in ignored and not row.delete:
            names = set(row.named() - {row.parent})
            if row.parent and row.parent in {*row.dependencies, row.deleted_with}:
                names.add(row.parent)
            if names & urns:
                found.append(row)
                urns.add(row.urn)
    return found


def _before(row: Row, state: Sequence[Row]) -> Iterable[Row]:
    for other in state:
        if other is row:
            return
        yield other

"""What goes with a resource that is deleted before its replacement is made.

Decides, and asks providers what they would do; changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.engine.choices import apply_replace_on_changes, settle, unknown_where
from lab.engine.goals import RefusedError
from lab.engine.levels import dependents
from lab.engine.urns import split_reference

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lab.engine.provider import Providers
    from lab.engine.rows import Row


async def find_followers(
    root: Row, state: Sequence[Row], *, ignored: Collection[str], providers: Providers
) -> list[Row]:
    """Return what would be replaced because `root` goes first, in the order of the state.

    Args:
        root: The resource that goes.
        state: All rows, in the order of the checkpoint.
        ignored: URNs that are settled already.
        providers: Who answers whether a resource stands a change of what it depends on.

    Raises:
        RefusedError: One of them is protected.
        ProviderError: A provider could not answer.
    """
    gone = {root.urn}
    chosen: list[Row] = []
    for row in dependents(root, state, ignored=ignored):
        if root.urn in row.replace_with or await _must_follow(row, gone, providers):
            if row.protect:
                raise RefusedError(
                    f'unable to replace resource "{row.urn}" as part of replacing '
                    f'"{root.urn}" as it is currently marked for protection',
                    row.urn,
                )
            gone.add(row.urn)
            chosen.append(row)
    return chosen


async def _must_follow(row: Row, gone: set[str], providers: Providers) -> bool:
    if not row.custom or row.external:
        return False
    if split_reference(row.provider)[0] in gone:
        return True
    inputs = unknown_where(row.inputs, row.property_dependencies, gone)
    if inputs is None:
        return False
    provider = await providers.for_row(row)
    difference = settle(await provider.diff(row, inputs, ()), row, inputs)
    return apply_replace_on_changes(difference, row.replace_on_changes, row).replacing

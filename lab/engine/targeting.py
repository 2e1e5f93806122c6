"""Which registrations an operation means, where it was told to touch some resources and leave others alone.

Pure. A program registers everything; what is not meant keeps its old row, and a new one is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.engine.goals import RefusedError
from lab.engine.options import matches
from lab.engine.urns import split_reference

if TYPE_CHECKING:
    from lab.engine.goals import Goal
    from lab.engine.options import Options


class Targeting:
    """The choices of one run, which depend on those before: dependents of what is meant may be meant too."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._targeted: set[str] = set()
        self._excluded: set[str] = set()
        self._skipped: set[str] = set()

    def wants(self, goal: Goal) -> bool:
        """Tell whether a resource is meant or left out, by itself or because of one that it depends on."""
        options = self._options
        above = {goal.parent, split_reference(goal.provider)[0], *goal.dependencies}
        left_out = matches(options.excludes, goal.urn) or (options.exclude_dependents and bool(above & self._excluded))
        if left_out:
            self._excluded.add(goal.urn)
        meant = bool(options.targets) and matches(options.targets, goal.urn)
        meant = meant or (options.target_dependents and bool(above & self._targeted))
        if meant:
            self._targeted.add(goal.urn)
        return not left_out and (meant or options.wants(goal.urn))

    def skip(self, goal: Goal) -> None:
        """Note a resource that is not meant and does not exist: nothing that is meant may need it."""
        self._skipped.add(goal.urn)

    def refuse_skipped(self, goal: Goal) -> None:
        """Refuse a resource that needs a skipped one.

        Raises:
            RefusedError: It does.
        """
        needed = goal.row().named() & self._skipped
        if needed:
            raise RefusedError(
                f"{goal.urn} depends on {min(needed)}, which is to be created but not targeted; target it too",
                goal.urn,
            )

"""Writing a stack's state, after every step.

A row that did not change since the last save is not turned into text again, so a save costs what changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lab.engine.backend import rfc3339
from lab.engine.checkpoint import check_rows, dump_deployment, needed_features, wrap
from lab.engine.rows import dump_row
from lab.engine.stored import compact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lab.engine.checkpoint import Pending
    from lab.engine.place import Place
    from lab.engine.rows import Row
    from lab.engine.stored import Stored

ROWS: Final = "here stand the rows"
"""Stands for the rows while the rest of a checkpoint is turned into text."""


class Saver:
    """Write a stack's state; rows that did not change since the last save are not turned into JSON again.

    Args:
        place: The stack.
        codec: Encrypts secrets.
        salt: Returns the stack's `encryptionsalt`.
    """

    def __init__(self, place: Place, codec: Stored, salt: Callable[[], str]) -> None:
        self._place = place
        self._codec = codec
        self._salt = salt
        self._dumped: dict[Row, tuple[frozenset[str], str]] = {}

    def save(self, rows: Sequence[Row], pending: Sequence[Pending]) -> None:
        """Write rows and pending operations.

        Raises:
            CheckpointError: The rows don't fit together; nothing is written.
        """
        check_rows(rows)
        known = self._dumped
        self._dumped = {row: known[row] if row in known else self._dump(row) for row in rows}
        features = frozenset[str]().union(*{needs for needs, _ in self._dumped.values()})
        latest = dump_deployment((), pending, self._codec, salt=self._salt(), time=rfc3339())
        if rows:
            latest["resources"] = ROWS
        document = compact(wrap(self._place.project.name, self._place.stack, latest, features=features))
        before, _, after = document.rpartition(f'"{ROWS}"')  # the last of the document
        texts = ",".join(text for _, text in self._dumped.values())
        text = f"{before}[{texts}]{after}" if rows else document
        self._place.backend.write(self._place.project.name, self._place.stack, text)

    def _dump(self, row: Row) -> tuple[frozenset[str], str]:
        stored = dump_row(row, self._codec.dump)
        return frozenset(needed_features([stored])), compact(stored)

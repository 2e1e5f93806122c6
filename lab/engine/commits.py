"""Writing a run's state while it changes: one write for all who wait.

What is promised, at whatever moment the engine is killed: an operation begins only when the state on disk says that
it is under way, and whatever rests on its result (what depends on it, the next step of a replacement, the program's
own code) begins only when the result is on disk. So a killed engine leaves, of each resource, what was last reached
or the word that it was under way.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.engine.checkpoint import Pending
    from lab.engine.journal import Journal
    from lab.engine.rows import Row

    Save = Callable[[list[Row], list[Pending]], None]


class Commits:
    """Write a journal, beside the loop and one write at a time.

    Args:
        journal: What is written.
        save: Writes rows and pending operations, in a thread; None writes nothing, as in a preview.
    """

    def __init__(self, journal: Journal, save: Save | None) -> None:
        self._journal = journal
        self._save = save
        self._writing: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def commit(self) -> None:
        """Wait until the journal, as it is now, is on disk.

        A write that has begun may have missed the last change, so it is the next one that counts, and everyone who
        asks until that one begins shares it.

        Raises:
            BackendError: It can't be written.
            CheckpointError: Its rows don't fit together.
        """
        if self._save is None:
            return
        if self._next is None:
            self._next = asyncio.create_task(self._write(self._save, self._writing))
            self._next.add_done_callback(_heard)
        await asyncio.shield(self._next)

    async def settle(self) -> None:
        """Wait until nothing is being written; how that ends is for those who asked."""
        while under_way := [task for task in (self._writing, self._next) if task is not None and not task.done()]:
            await asyncio.wait(under_way)

    async def _write(self, save: Save, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._writing, self._next = self._next, None
        await asyncio.to_thread(save, self._journal.rows(), self._journal.pending())


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of how a write ended: whoever waited for it may have been stopped."""
    if not task.cancelled():
        task.exception()

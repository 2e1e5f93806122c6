"""One write serves all who wait for it, and none of them goes on before what it waited for is on disk."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from lab.engine.backend import BackendError
from lab.engine.checkpoint import Pending, Snapshot
from lab.engine.commits import Commits
from lab.engine.journal import Journal
from lab.engine.operations import Step
from tests.engine.test_levels import row, urn

if TYPE_CHECKING:
    from lab.engine.rows import Row


class Disk:
    """A disk whose writes take until they are let go; each is remembered once it is done."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.written: list[set[str]] = []
        self.fault: BackendError | None = None

    def save(self, rows: list[Row], pending: list[Pending]) -> None:
        """Write what there is when the write begins."""
        self.begun.release()
        assert self.go.acquire(timeout=20)
        if self.fault:
            raise self.fault
        self.written.append({one.urn for one in rows} | {f"{item.kind} {item.row.urn}" for item in pending})

    async def has_begun(self) -> None:
        """Wait until a write has begun."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=20)


def creation(name: str) -> Step:
    """Return the creation of a resource."""
    return Step(op="create", urn=urn(name), new=row(name))


def test_who_asks_during_a_write_waits_for_the_next_and_shares_it() -> None:
    """Ten changes during one write are one more write, which has them all."""

    async def story() -> list[set[str]]:
        disk, journal = Disk(), Journal(Snapshot())
        commits = Commits(journal, disk.save)
        steps = [creation(f"r{at}") for at in range(10)]
        journal.begin(steps[0])
        first = asyncio.create_task(commits.commit())
        await disk.has_begun()
        for step in steps:
            journal.end(step, step.new)
        rest = [asyncio.create_task(commits.commit()) for _ in steps]
        disk.go.release()
        await first
        await disk.has_begun()
        assert not any(task.done() for task in rest)
        disk.go.release()
        await asyncio.gather(*rest)
        return disk.written

    assert asyncio.run(story()) == [{f"creating {urn('r0')}"}, {urn(f"r{at}") for at in range(10)}]


def test_a_write_that_fails_is_a_fault_of_everyone_who_waited_for_it() -> None:
    """And of nobody else: the next write is a new attempt."""

    async def story() -> None:
        disk, journal = Disk(), Journal(Snapshot())
        commits = Commits(journal, disk.save)
        disk.fault = BackendError("no room")
        disk.go.release()
        seen = await asyncio.gather(commits.commit(), commits.commit(), return_exceptions=True)
        assert list(seen) == [disk.fault, disk.fault]
        disk.fault = None
        disk.go.release()
        await commits.commit()
        assert disk.written == [set()]

    asyncio.run(story())


def test_a_run_that_is_stopped_leaves_no_write_behind() -> None:
    """Whoever waited is gone; the write is not, and `settle` waits for it."""

    async def story() -> None:
        disk, journal = Disk(), Journal(Snapshot())
        commits = Commits(journal, disk.save)
        waiting = asyncio.create_task(commits.commit())
        await disk.has_begun()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        settled = asyncio.create_task(commits.settle())
        await asyncio.sleep(0)
        assert not settled.done()
        disk.go.release()
        await settled
        assert disk.written == [set()]

    asyncio.run(story())


def test_a_preview_writes_nothing() -> None:
    """Nobody waits for anything."""
    asyncio.run(Commits(Journal(Snapshot()), None).commit())

"""One run of the engine: a program's registrations in, a changed stack out.

Joins the rooms: the monitor hands in what the program asks for, the generator decides, the executor does.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lab.engine.backend import BackendError
from lab.engine.builtin import BuiltinProvider
from lab.engine.commits import Commits
from lab.engine.deletion import Deletion
from lab.engine.events import Summary
from lab.engine.executor import Executor
from lab.engine.generator import Generator
from lab.engine.goals import RefusedError
from lab.engine.guard import check_lab_only
from lab.engine.journal import Journal
from lab.engine.options import unmatched
from lab.engine.place import outputs_of
from lab.engine.plugin import Surroundings
from lab.engine.program import Launch, start_program
from lab.engine.provider import ProviderError
from lab.engine.refresh import Refresh
from lab.engine.registrations import Registrations
from lab.engine.registry import Registry
from lab.engine.remote import VERSION
from lab.engine.transforms import Transforms
from lab.engine.urns import STACK_TYPE, build_urn, is_provider_type, package_of
from lab.engine.values import unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.engine.checkpoint import Snapshot
    from lab.engine.children import Child
    from lab.engine.commits import Save
    from lab.engine.config import Entry
    from lab.engine.events import Events, Severity
    from lab.engine.options import Options
    from lab.engine.project import Project
    from lab.engine.rows import Row
    from lab.engine.values import Properties

EXPLAINED = 32


@dataclass(frozen=True, kw_only=True)
class Context:
    """What a run works on.

    Args:
        project: The project.
        stack: Name of the stack.
        config: Its configuration.
        snapshot: Its state.
        save: Writes its state.
        stack_outputs: Returns the outputs of any stack of the backend.
    """

    project: Project
    stack: str
    config: Mapping[str, Entry]
    snapshot: Snapshot
    save: Save
    stack_outputs: Callable[[str], Properties]


class Deployment:
    """One update or preview of a stack; make one, then `run` it once.

    Args:
        context: What it works on.
        options: What was asked.
        events: Are told.
    """

    def __init__(self, context: Context, options: Options, events: Events) -> None:
        self.context = context
        self.options = options
        self.events = events
        self.journal = Journal(context.snapshot, keep_creating=not options.clear_pending_creates)
        self.commits = Commits(self.journal, None if options.preview else context.save)
        self.transforms = Transforms()
        self._program: Child | None = None
        self._loading: asyncio.Task[Child] | None = None
        self._address = ""
        self._rows = context.snapshot.rows
        self.signalled = asyncio.Event()
        self.closed = asyncio.Event()
        self.canceled = False
        self.fault = False
        self._ending = False

    def prepare(self, address: str) -> None:
        """Get ready for the program's first call.

        Args:
            address: Where the engine's services listen.
        """
        self._address = address
        builtin = BuiltinProvider(stack_outputs=self.context.stack_outputs, find_row=self._find_row)
        around = Surroundings(
            engine=address,
            folder=self.context.project.file.parent,
            project=self.context.project.name,
            log=lambda line: self.events.tell("info", line, ephemeral=True),
        )
        self.registry = Registry(around, builtin, self._rows, preview=self.options.preview)
        self.executor = Executor(self.options, self.registry, self.journal, self.commits, self.events)
        self.generator = Generator(self._rows, self.options, self.registry, self.events, renamed=self.journal.renamed)
        self.registrations = Registrations(self)

    async def run(self, program: asyncio.Task[Child] | None = None) -> bool:
        """Run the operation and tell whether it succeeded.

        Args:
            program: The program's interpreter, if it is being started already.
        """
        began = time.monotonic()
        self._loading = program
        try:
            await self._run()
        except (ProviderError, RefusedError) as fault:
            self.events.error(str(fault), getattr(fault, "urn", ""))
        except BackendError as fault:
            if not self.executor.unsaved:
                self.events.error(str(fault), "")
        finally:
            await self.executor.drain()
            await self.commits.settle()
            self.closed.set()
            await self.transforms.close()
            await self.registry.close()
        succeeded = not self.events.errors and not self.executor.failed and not self.canceled
        if self.executor.failed or self.canceled:
            word = "preview" if self.options.preview else "update"
            self.events.tell("error", f"{word} canceled" if self.canceled else f"{word} failed")
        self.events.finish(
            Summary(
                dict(self.events.changes),
                time.monotonic() - began,
                succeeded,
                self.options.preview,
                outputs=self.events.outputs,
                before=outputs_of(self.context.snapshot.rows),
            )
        )
        return succeeded

    def cancel(self) -> None:
        """Give up: running steps are asked to end, nothing more begins."""
        self.canceled = True
        self.executor.stop()
        self._asked = asyncio.create_task(self.registry.cancel())

    def abort(self) -> None:
        """Stop at once: what runs is left as it is, and the state says so."""
        self.canceled = True
        self.executor.abort()

    def give_up(self, bug: Exception) -> None:
        """Stop because of a fault of the engine itself, or of where the state lies."""
        self.fail(str(bug) if isinstance(bug, BackendError) else f"engine: {type(bug).__name__}: {bug}", "")
        self.executor.stop()

    def fail(self, message: str, urn: str) -> None:
        """Report a fault after which nothing may be deleted."""
        self.fault = True
        self.events.error(message, urn)

    async def _run(self) -> None:
        for pending in self.context.snapshot.pending:
            self.events.tell(
                "warning",
                f"an earlier update was interrupted while {pending.kind} this resource; "
                "if it exists, refresh or import it",
                pending.row.urn,
            )
        if self.options.kind != "update" and not self.options.preview:
            for row in self._rows:
                if is_provider_type(row.type):
                    check_lab_only(row.urn, row.inputs)
        if self.options.kind != "update" and self._unknown_targets():
            return
        self._warm()
        if self.options.refresh or self.options.kind == "refresh":
            await Refresh(self).run()
            self._rows = tuple(self.journal.settle())
            self.generator.restart(self._rows)
        if self.options.kind == "update" and await self._run_program():
            self._unknown_targets()
        if self.options.kind != "refresh" and not self.executor.stopping.is_set() and not self.fault:
            await Deletion(self).run()
        await self.executor.drain()
        await self._finish_stack()
        await self.commits.commit()

    def _warm(self) -> None:
        used = {row.provider for row in self._rows if row.provider}
        for row in self._rows:
            if is_provider_type(row.type) and row.reference in used:
                self.registry.warm(package_of(row.type), str(unwrap(row.inputs.get(VERSION)) or ""))

    async def _run_program(self) -> bool:
        """Run the program until it has nothing more to ask; tell whether it ended well."""
        loading = self._loading or asyncio.create_task(start_program(self.context.project))
        child = self._program = await loading
        child.listen(out=lambda line: self._heard("info", line), err=lambda line: self._heard("info#err", line))
        launch = Launch(
            address=self._address,
            project=self.context.project,
            stack=self.context.stack,
            parallel=self.options.parallel,
            preview=self.options.preview,
            config=self.context.config,
        )
        await child.tell(launch.text())
        waits = {
            "exit": asyncio.create_task(child.wait()),
            "signal": asyncio.create_task(self.signalled.wait()),
            "stop": asyncio.create_task(self.executor.stopping.wait()),
        }
        await asyncio.wait(waits.values(), return_when=asyncio.FIRST_COMPLETED)
        if waits["exit"].done() and not self.executor.stopping.is_set():
            self._explain(waits["exit"].result())
        if self.fault:
            self.executor.stop()
        await self.executor.drain()
        stopped = self.executor.stopping.is_set()
        for task in waits.values():
            task.cancel()
        if stopped:
            self._ending = True
            await child.end(first=signal.SIGINT, within_s=0.2)
        return not stopped and not self.fault

    def _heard(self, severity: Severity, line: str) -> None:
        """Pass on what the program writes, until it is ended: its complaints about that are no news."""
        if not self._ending:
            self.events.tell(severity, line, self.stack_urn)

    def _explain(self, code: int) -> None:
        if code == 0:
            return
        self.fault = True
        if code != EXPLAINED:
            self.events.error(f"an unhandled error occurred: program exited with non-zero exit code: {code}", "")

    async def end_program(self) -> None:
        """Wait for the program to end by itself, as it does once it has been answered; else end it."""
        if self._program is None and self._loading is not None:
            self._program = await self._loading
        if self._program is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._program.wait(), 2.0)
            await self._program.end()

    def _unknown_targets(self) -> bool:
        """Report targets that name nothing, and tell whether there are any."""
        known = {*self.registrations.arrived, *(row.urn for row in self._rows)}
        missing = unmatched((*self.options.targets, *self.options.replaces, *self.options.excludes), known)
        for pattern in missing:
            self.fail(
                f"Target '{pattern}' could not be found in the stack. Did you forget to escape $ in your shell?", ""
            )
        return bool(missing)

    async def _finish_stack(self) -> None:
        """Give the stack the outputs that the program exported, over the old ones if anything failed."""
        exported = self.registrations.exported
        if exported is None or self.stack_urn not in self.executor.final:
            return
        _, row = self.executor.final[self.stack_urn]
        failed = bool(self.events.errors or self.executor.failed or self.canceled)
        outputs = {**row.outputs, **exported} if failed else exported
        self.events.outputs = outputs
        await self.executor.complete(self.stack_urn, replace(row, outputs=outputs))

    @property
    def stack_urn(self) -> str:
        """The stack's own URN."""
        return build_urn(
            stack=self.context.stack,
            project=self.context.project.name,
            parent="",
            kind=STACK_TYPE,
            name=f"{self.context.project.name}-{self.context.stack}",
        )

    def _find_row(self, urn: str) -> Row | None:
        found = self.executor.final.get(urn)
        return found[1] if found else None

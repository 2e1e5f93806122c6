"""What a program asks for while it runs: resources, looks at others' resources, function calls.

Each is answered once its steps are done and saved. One registration is decided at a time, in order of arrival.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from lab.engine.executor import StepFailedError, StoppedError, heard
from lab.engine.goals import Goal, RefusedError, inherit
from lab.engine.provider import ProviderError
from lab.engine.registry import BUILTIN
from lab.engine.remote import INTERNAL, VERSION
from lab.engine.urns import PROVIDER_PREFIX, build_urn, is_provider_type, package_of
from lab.engine.values import Secret

if TYPE_CHECKING:
    from lab.engine.deployment import Deployment
    from lab.engine.provider import Answer
    from lab.engine.rows import Row
    from lab.engine.values import Properties

DISABLED: Final = "pulumi:disable-default-providers"


@dataclass(frozen=True)
class Registered:
    """The answer to a registration; `row` is None for one that was skipped or failed."""

    urn: str
    row: Row | None
    failed: bool = False


class Registrations:
    """The questions of one program.

    Args:
        deployment: The run.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._run = deployment
        self._goals: dict[str, Goal] = {}
        self._defaults: dict[tuple[str, str], asyncio.Task[str]] = {}
        self._deciding = asyncio.Lock()
        self._undecided: dict[str, asyncio.Event] = {}
        self.arrived: set[str] = set()
        self.exported: Properties | None = None

    async def register(self, goal: Goal) -> Registered:
        """Register a resource, and return what became of it.

        Raises:
            StoppedError: The run stopped; there is no answer.
        """
        executor = self._run.executor
        goal = self._arrive(goal)
        if self._run.options.continue_on_error and goal.row().named() & executor.failed:
            executor.failed.add(goal.urn)
            return Registered(goal.urn, None, failed=True)
        self._undecided[goal.urn] = asyncio.Event()
        try:
            goal = await self._with_provider(goal)
            async with self._deciding:
                if executor.stopping.is_set():
                    raise StoppedError
                steps = await self._run.generator.register(goal)
                task = executor.submit(steps) if steps else None
        except (ProviderError, RefusedError, ValueError) as fault:
            self._run.fail(str(fault), getattr(fault, "urn", goal.urn))
            if not is_provider_type(goal.type):  # for a provider its users wait, and would never be decided
                await self._others_decided(goal.urn)
            executor.stop()
            raise StoppedError from None
        finally:
            self._undecided.pop(goal.urn).set()
        if task is None:
            return Registered(goal.urn, None)
        try:
            return Registered(goal.urn, await task)
        except StepFailedError:
            if self._run.options.continue_on_error:
                return Registered(goal.urn, None, failed=True)
            raise StoppedError from None

    async def read(self, goal: Goal, identity: str) -> Registered:
        """Look at a resource that somebody else owns, and return what was seen.

        Raises:
            StoppedError: The run stopped; there is no answer.
        """
        goal = self._arrive(goal)
        try:
            goal = await self._with_provider(goal)
            row = replace(goal.row(), id=identity, external=True)
            async with self._deciding:
                task = self._run.executor.submit(self._run.generator.read(row))
            return Registered(goal.urn, await task)
        except (ProviderError, RefusedError) as fault:
            self._refuse(str(fault), goal.urn)
        except StepFailedError:
            raise StoppedError from None

    async def invoke(self, token: str, arguments: Properties, provider: str, version: str) -> Answer:
        """Call a function of a provider.

        Raises:
            ProviderError: It refused.
        """
        reference = provider or await self._default(package_of(token), version)
        answering = await self._run.registry.live(reference)
        return await answering.invoke(token, arguments, preview=self._run.options.preview)

    async def outputs(self, urn: str, outputs: Properties) -> None:
        """Take the outputs of a component; the stack's are kept for the end."""
        self._run.events.mask.learn(outputs)
        final = self._run.executor.final
        if urn == self._run.stack_urn:
            self.exported = outputs
        elif urn in final:
            _, row = final[urn]
            await self._run.executor.complete(urn, replace(row, outputs=outputs))

    def _arrive(self, goal: Goal) -> Goal:
        """Note a registration, refuse a second one, and return it with what it takes over from its parent."""
        if self._run.executor.stopping.is_set():
            raise StoppedError
        if goal.urn in self.arrived:
            self._refuse(f"Duplicate resource URN '{goal.urn}'; try giving it a unique name", goal.urn)
        self.arrived.add(goal.urn)
        goal = inherit(goal, self._goals.get(goal.parent))
        self._goals[goal.urn] = goal
        return goal

    async def _with_provider(self, goal: Goal) -> Goal:
        if is_provider_type(goal.type):
            if goal.version and VERSION not in goal.inputs:
                goal = replace(goal, inputs={**goal.inputs, VERSION: goal.version})
        elif goal.custom and not goal.provider:
            goal = replace(goal, provider=await self._provider(goal))
        self._goals[goal.urn] = goal
        return goal

    def _refuse(self, message: str, urn: str) -> NoReturn:
        self._run.fail(message, urn)
        self._run.executor.stop()
        raise StoppedError

    async def _others_decided(self, urn: str) -> None:
        """Let the registrations that had arrived before this one failed be decided, so that they are not lost."""
        self._undecided[urn].set()
        stopping = asyncio.create_task(self._run.executor.stopping.wait())
        others = [asyncio.create_task(event.wait()) for event in self._undecided.values()]
        decided = asyncio.gather(*others)
        either: list[asyncio.Future[Any]] = [stopping, decided]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopping, *others):
            task.cancel()
        await asyncio.gather(stopping, decided, return_exceptions=True)

    async def _provider(self, goal: Goal) -> str:
        parent = self._goals.get(goal.parent)
        return (
            goal.providers.get(goal.package)
            or (parent.providers.get(goal.package) if parent else None)
            or await self._default(goal.package, goal.version)
        )

    async def _default(self, package: str, version: str) -> str:
        """Return the reference of a default provider, registered by whoever asks first."""
        version = "" if package == BUILTIN else version
        key = (package, version)
        if key not in self._defaults:
            self._defaults[key] = asyncio.create_task(self._register_default(package, version))
            self._defaults[key].add_done_callback(heard)
        return await asyncio.shield(self._defaults[key])

    async def _register_default(self, package: str, version: str) -> str:
        context = self._run.context
        disabled = json.loads(context.config[DISABLED].text) if DISABLED in context.config else []
        if package != BUILTIN and ("*" in disabled or package in disabled):
            raise ProviderError(f"default provider for '{package}' disabled; give the resource a provider")
        suffix = f"_{version}".replace(".", "_").replace("-", "_").replace("+", "_") if version else ""
        kind, name = f"{PROVIDER_PREFIX}{package}", f"default{suffix}"
        urn = build_urn(stack=context.stack, project=context.project.name, parent="", kind=kind, name=name)
        inputs = self._default_inputs(package, version)
        goal = Goal(urn=urn, type=kind, name=name, custom=True, inputs=inputs, default=True)
        registered = await self.register(goal)
        if registered.row is None:
            raise StoppedError
        return registered.row.reference

    def _default_inputs(self, package: str, version: str) -> Properties:
        """Return a default provider's configuration: that of its package in the stack's."""
        if package == BUILTIN:
            return {}
        inputs: Properties = {}
        for key, entry in self._run.context.config.items():
            namespace, _, name = key.partition(":")
            if namespace == package:
                inputs[name] = Secret(entry.text) if entry.secret else entry.text
        if version:
            inputs[VERSION] = version
        return {**inputs, INTERNAL: {}}

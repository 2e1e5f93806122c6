"""The providers of a run: which there are, and who answers for a resource.

A provider is itself a resource, whose provider is this module: its creation configures a plugin, its deletion
stops it. Each has a process of its own. One that only the old state knows is started from what stands there.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lab.engine.guard import check_lab_only
from lab.engine.operations import SAME, Difference
from lab.engine.plugin import start_plugin
from lab.engine.provider import Answer, Checked, Made, ProviderError, Seen
from lab.engine.remote import INTERNAL, VERSION, RemoteProvider
from lab.engine.urns import is_provider_type, package_of, parse_urn, split_reference
from lab.engine.values import UNKNOWN_TEXT, unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.builtin import BuiltinProvider
    from lab.engine.plugin import Plugin, Surroundings
    from lab.engine.provider import Provider
    from lab.engine.rows import Row
    from lab.engine.values import Properties

BUILTIN = "pulumi"


class Registry:
    """The providers of one run, and the provider of providers.

    Args:
        around: What plugins are started with.
        builtin: Answers for the engine's own resources.
        rows: The old state, for providers that this run does not register.
        preview: Nothing is deployed, so any endpoint will do.
    """

    def __init__(self, around: Surroundings, builtin: BuiltinProvider, rows: tuple[Row, ...], *, preview: bool) -> None:
        self._around = around
        self._builtin = builtin
        self._rows = {row.reference: row for row in rows if is_provider_type(row.type)}
        self._preview = preview
        self._checked: dict[str, RemoteProvider] = {}
        self._live: dict[str, Provider] = {}
        self._inputs: dict[str, Properties] = {}
        self._current: dict[str, str] = {}
        self._starting: dict[str, asyncio.Lock] = {}
        self._warm: dict[tuple[str, str], asyncio.Task[Plugin]] = {}
        self._plugins: list[Plugin] = []
        self._canceled = False

    def warm(self, package: str, version: str) -> None:
        """Start a plugin that will probably be needed, while something else is waited for."""
        if package != BUILTIN and (package, version) not in self._warm:
            self._warm[package, version] = asyncio.create_task(self._launch(package, version))

    async def for_row(self, row: Row) -> Provider:
        """Return the provider of a row: for a provider, this registry; started if need be."""
        if is_provider_type(row.type):
            return self
        return await self.live(row.provider)

    async def live(self, reference: str) -> Provider:
        """Return the provider that a reference names, started from the old state if need be.

        Raises:
            ProviderError: Nobody knows it, or it does not start.
        """
        urn, _ = split_reference(reference)
        async with self._starting.setdefault(reference, asyncio.Lock()):
            if reference in self._live:
                return self._live[reference]
            if urn in self._current and reference not in self._rows:
                return self._live[self._current[urn]]
            row = self._rows.get(reference)
            if row is None:
                raise ProviderError(f"unknown provider {reference!r}")
            await self.configure(row)
            return self._live[reference]

    async def configure(self, row: Row) -> None:
        """Start a provider with the configuration of its row, or give it that."""
        package = package_of(row.type)
        if package == BUILTIN:
            self._live[row.reference] = self._builtin
            return
        if not self._preview:
            check_lab_only(row.urn, row.inputs)
        remote = self._checked.pop(row.urn, None)
        if remote is None:
            remote = await self._start(package, row.inputs)
        await remote.configure(row)
        self._live[row.reference] = remote
        self._inputs[row.reference] = row.inputs
        self._current[row.urn] = row.reference

    async def compare(self, old: str, new: str) -> Difference:
        """Return what it means that a resource moves from one provider to another."""
        was, now = self._rows.get(old), self._live.get(new)
        if was is None or not isinstance(now, RemoteProvider):
            return SAME
        return await now.diff_config(was, self._inputs[new], ())

    async def check(self, urn: str, old_inputs: Properties | None, new: Properties) -> Checked:
        """Validate a provider's configuration; its plugin is started for that."""
        package = package_of(parse_urn(urn).type)
        if package == BUILTIN:
            return Checked(new)
        if not self._preview:
            check_lab_only(urn, new)
        remote = await self._start(package, new)
        self._checked[urn] = remote
        return await remote.check_config(urn, old_inputs or {}, new)

    async def diff(self, old: Row, new: Properties, ignored: tuple[str, ...]) -> Difference:
        """Compare a provider's configuration."""
        remote = self._checked.get(old.urn)
        return SAME if remote is None else await remote.diff_config(old, new, ignored)

    async def create(self, row: Row, *, preview: bool) -> Made:
        """Bring a provider to life under a new id."""
        named = replace(row, id=UNKNOWN_TEXT if preview else str(uuid.uuid4()))
        await self.configure(named)
        return Made(named.id, public(row.inputs))

    async def update(self, old: Row, row: Row, *, preview: bool) -> Made:
        """Bring a provider to life with another configuration."""
        del preview
        await self.configure(replace(row, id=old.id))
        return Made(old.id, public(row.inputs))

    async def read(self, urn: str, identity: str, *, inputs: Properties | None, outputs: Properties) -> Seen:
        """Return a provider as it is."""
        del urn
        return Seen(identity, inputs, outputs)

    async def delete(self, row: Row, timeouts: Mapping[str, float]) -> None:
        """Stop a provider."""
        del timeouts
        remote = self._live.pop(row.reference, None)
        if isinstance(remote, RemoteProvider):
            await remote.plugin.end()

    async def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Answer:
        """Refuse: a provider of providers has no functions."""
        del arguments, preview
        raise ProviderError(f"function {token!r} of a provider")

    async def cancel(self) -> None:
        """Ask every plugin to give up what it is doing, and each that is still starting as soon as it can hear it."""
        self._canceled = True
        await asyncio.gather(*(plugin.cancel() for plugin in self._plugins))

    async def close(self) -> None:
        """Stop every plugin."""
        for task in self._warm.values():
            task.cancel()
        await asyncio.gather(*self._warm.values(), return_exceptions=True)
        await asyncio.gather(*(plugin.end() for plugin in self._plugins))

    async def _start(self, package: str, inputs: Properties) -> RemoteProvider:
        version = str(unwrap(inputs.get(VERSION)) or "")
        task = self._warm.pop((package, version), None)
        return RemoteProvider(await (task or self._launch(package, version)))

    async def _launch(self, package: str, version: str) -> Plugin:
        plugin = await start_plugin(package, version, self._around)
        self._plugins.append(plugin)
        if self._canceled:
            await plugin.cancel()
        return plugin


def public(inputs: Properties) -> dict[str, Any]:
    """Return a provider's configuration without what only the engine knows."""
    return {key: value for key, value in inputs.items() if key != INTERNAL}

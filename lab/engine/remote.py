"""A provider that is a plugin: the engine's questions as calls of Pulumi's protocol.

What a plugin can't take is taken off before, and put back afterwards: secrets are sent bare to one that knows
none, and its answers are marked again by key.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

from lab.engine.operations import Difference, PropertyChange
from lab.engine.plugin import NotImplementedByPluginError, PartlyDoneError
from lab.engine.provider import Answer, Checked, Failure, Made, ProviderError, Seen
from lab.engine.stored import compact, dump_plain
from lab.engine.structs import from_struct, to_struct
from lab.engine.urns import package_of, parse_urn
from lab.engine.values import equal, has_unknown, mark_secrets_like, unwrap
from lab.engine.wire import provider_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.struct_pb2 import Struct

    from lab.engine.operations import Kind
    from lab.engine.plugin import Plugin
    from lab.engine.rows import Row
    from lab.engine.values import Properties

SEED_BYTES: Final = 32
INTERNAL: Final = "__internal"
VERSION: Final = "version"


@dataclass
class RemoteProvider:
    """A plugin, configured or not yet.

    Args:
        plugin: The running plugin.
        configured: False while, in a preview, its configuration is not known.
        accept_secrets: It takes and returns marked secrets.
        accept_references: It takes and returns marked resource references.
        supports_preview: It can create and update without doing so.
    """

    plugin: Plugin
    configured: bool = False
    accept_secrets: bool = False
    accept_references: bool = False
    supports_preview: bool = False

    async def check_config(self, urn: str, old: Properties, new: Properties) -> Checked:
        """Validate the provider's own configuration; what the engine put there comes back unchanged."""
        kept: Properties = {key: new[key] for key in (VERSION, INTERNAL) if key in new}
        asked = {key: value for key, value in new.items() if key != INTERNAL}
        name, kind = _name_type(urn)
        request = provider_pb2.CheckRequest(
            urn=urn,
            name=name,
            type=kind,
            olds=_bare({key: value for key, value in old.items() if key != INTERNAL}),
            news=_bare(asked),
        )
        try:
            answer = await self.plugin.call("CheckConfig", request)
        except NotImplementedByPluginError:
            return Checked(new)
        inputs = mark_secrets_like(from_struct(answer.inputs), asked)
        return Checked({**inputs, **kept}, _failures(answer.failures))

    async def diff_config(self, old: Row, new: Properties, ignored: tuple[str, ...]) -> Difference:
        """Compare the provider's own configuration with a new one; doubt is an update, never a replacement."""

        def public(properties: Properties) -> Properties:
            return {key: value for key, value in properties.items() if key != INTERNAL}

        name, kind = _name_type(old.urn)
        request = provider_pb2.DiffRequest(
            id=old.id,
            urn=old.urn,
            name=name,
            type=kind,
            old_inputs=_bare(public(old.inputs)),
            olds=_bare(public(old.outputs)),
            news=_bare(public(new)),
            ignoreChanges=ignored,
        )
        try:
            difference = _difference(await self.plugin.call("DiffConfig", request))
        except NotImplementedByPluginError:
            difference = Difference(changed=None)
        if difference.changed is None:
            return replace(difference, changed=not equal(public(old.outputs), public(new)))
        return difference

    async def configure(self, row: Row) -> None:
        """Give the plugin its configuration; with an unknown in it, it stays unconfigured."""
        inputs = {key: value for key, value in row.inputs.items() if key not in (VERSION, INTERNAL)}
        if has_unknown(inputs):
            return
        package = package_of(row.type)
        name, kind = _name_type(row.urn)
        request = provider_pb2.ConfigureRequest(
            variables={f"{package}:config:{key}": _variable(value) for key, value in inputs.items()},
            args=to_struct(inputs, secrets=True),
            acceptSecrets=True,
            acceptResources=True,
            sends_old_inputs=True,
            sends_old_inputs_to_delete=True,
            id=row.id,
            urn=row.urn,
            name=name,
            type=kind,
        )
        answer = await self.plugin.call("Configure", request)
        self.accept_secrets = answer.acceptSecrets
        self.accept_references = answer.acceptResources
        self.supports_preview = answer.supportsPreview
        self.configured = True

    async def check(self, urn: str, old_inputs: Properties | None, new: Properties) -> Checked:
        """Validate inputs; an unconfigured plugin passes them."""
        if not self.configured:
            return Checked(new)
        name, kind = _name_type(urn)
        request = provider_pb2.CheckRequest(
            urn=urn,
            name=name,
            type=kind,
            olds=self._struct(old_inputs or {}),
            news=self._struct(new),
            randomSeed=os.urandom(SEED_BYTES),
        )
        answer = await self.plugin.call("Check", request)
        return Checked(self._marked(answer.inputs, new), _failures(answer.failures))

    async def diff(self, old: Row, new: Properties, ignored: tuple[str, ...]) -> Difference:
        """Compare; an unconfigured plugin can't, so an update is assumed."""
        if not self.configured:
            return Difference(changed=True)
        name, kind = _name_type(old.urn)
        request = provider_pb2.DiffRequest(
            id=old.id,
            urn=old.urn,
            name=name,
            type=kind,
            old_inputs=self._struct(old.inputs),
            olds=self._struct(old.outputs),
            news=self._struct(new),
            ignoreChanges=ignored,
        )
        try:
            return _difference(await self.plugin.call("Diff", request))
        except NotImplementedByPluginError:
            return Difference(changed=None)

    async def create(self, row: Row, *, preview: bool) -> Made:
        """Create, or in a preview say what would be."""
        if preview and not self.configured:
            return Made("", {})
        if preview and not self.supports_preview:
            return Made("", row.inputs)
        name, kind = _name_type(row.urn)
        request = provider_pb2.CreateRequest(
            urn=row.urn,
            name=name,
            type=kind,
            properties=self._struct(row.inputs),
            timeout=row.custom_timeouts.get("create", 0.0),
            preview=preview,
        )
        try:
            answer = await self.plugin.call("Create", request)
        except PartlyDoneError as fault:
            raise self._remark(fault, row.inputs) from None
        if not answer.id and not preview:
            raise ProviderError(f"plugin {self.plugin.package}: created {row.urn} without an id")
        return Made(answer.id, self._marked(answer.properties, row.inputs))

    async def update(self, old: Row, row: Row, *, preview: bool) -> Made:
        """Update, or in a preview say what would be."""
        if preview and not self.configured:
            return Made(old.id, {})
        if preview and not self.supports_preview:
            return Made(old.id, row.inputs)
        name, kind = _name_type(row.urn)
        request = provider_pb2.UpdateRequest(
            id=old.id,
            urn=row.urn,
            name=name,
            type=kind,
            olds=self._struct(old.outputs),
            old_inputs=self._struct(old.inputs),
            news=self._struct(row.inputs),
            timeout=row.custom_timeouts.get("update", 0.0),
            ignoreChanges=row.ignore_changes,
            preview=preview,
        )
        try:
            answer = await self.plugin.call("Update", request)
        except PartlyDoneError as fault:
            raise self._remark(fault, row.inputs) from None
        return Made(old.id, self._marked(answer.properties, row.inputs))

    async def read(self, urn: str, identity: str, *, inputs: Properties | None, outputs: Properties) -> Seen:
        """Look at a resource; an unconfigured plugin sees nothing new."""
        if not self.configured:
            return Seen(identity, inputs, outputs)
        name, kind = _name_type(urn)
        request = provider_pb2.ReadRequest(id=identity, urn=urn, name=name, type=kind, properties=self._struct(outputs))
        if inputs is not None:
            request.inputs.CopyFrom(self._struct(inputs))
        try:
            answer = await self.plugin.call("Read", request)
        except PartlyDoneError as fault:
            made = fault.made
            return Seen(made.id, inputs, mark_secrets_like(made.outputs, outputs), made.init_errors)
        model = {**outputs, **(inputs or {})}
        seen_inputs = self._marked(answer.inputs, model) if answer.HasField("inputs") else None
        return Seen(answer.id, seen_inputs, self._marked(answer.properties, model))

    async def delete(self, row: Row, timeouts: Mapping[str, float]) -> None:
        """Delete."""
        name, kind = _name_type(row.urn)
        request = provider_pb2.DeleteRequest(
            id=row.id,
            urn=row.urn,
            name=name,
            type=kind,
            properties=self._struct(row.outputs),
            old_inputs=self._struct(row.inputs),
            timeout=timeouts.get("delete", 0.0),
        )
        await self.plugin.call("Delete", request)

    async def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Answer:
        """Call a function; an unconfigured plugin answers nothing."""
        if not self.configured:
            return Answer({})
        request = provider_pb2.InvokeRequest(tok=token, args=self._struct(arguments), preview=preview)
        answer = await self.plugin.call("Invoke", request)
        return Answer(from_struct(getattr(answer, "return")), _failures(answer.failures))

    def _struct(self, properties: Properties) -> Struct:
        return to_struct(properties, secrets=self.accept_secrets, references=self.accept_references)

    def _marked(self, struct: Struct, model: Properties) -> Properties:
        properties = from_struct(struct)
        if self.accept_secrets:
            return properties
        return cast("dict[str, Any]", mark_secrets_like(properties, model))

    def _remark(self, fault: PartlyDoneError, model: Properties) -> PartlyDoneError:
        if self.accept_secrets:
            return fault
        made = replace(fault.made, outputs=mark_secrets_like(fault.made.outputs, model))
        return PartlyDoneError(str(fault), made)


def _name_type(urn: str) -> tuple[str, str]:
    parts = parse_urn(urn)
    return parts.name, parts.type


def _bare(properties: Properties) -> Struct:
    return to_struct(unwrap(properties), secrets=False)


def _variable(value: Any) -> str:
    plain = unwrap(value)
    return plain if isinstance(plain, str) else compact(dump_plain(plain))


def _failures(failures: Any) -> tuple[Failure, ...]:
    return tuple(Failure(failure.property, failure.reason) for failure in failures)


def _difference(answer: provider_pb2.DiffResponse) -> Difference:
    changes = {0: None, 1: False, 2: True}
    detailed = None
    if answer.hasDetailedDiff or answer.detailedDiff:
        detailed = {
            path: PropertyChange(_kind(change.kind), change.inputDiff) for path, change in answer.detailedDiff.items()
        }
    return Difference(
        changed=changes.get(answer.changes),
        replaces=tuple(answer.replaces),
        diffs=tuple(answer.diffs),
        detailed=detailed,
        stables=tuple(answer.stables),
        delete_before_replace=answer.deleteBeforeReplace,
    )


def _kind(number: int) -> Kind:
    return cast("Kind", provider_pb2.PropertyDiff.Kind.Name(number).lower().replace("_", "-"))  # type: ignore[arg-type]

"""Transforms: functions of the program that change what it registers, called back by the engine.

A resource's own come first, then those of what it stands below, nearest first, then the stack's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import grpc

from lab.engine.values import OUTPUT, SIGNATURE
from lab.engine.wire import OPTIONS, callback_pb2, callback_pb2_grpc, resource_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.struct_pb2 import Struct
    from google.protobuf.struct_pb2 import Value as WireValue

SAME_NAME: Final = ("protect", "version", "provider", "providers")
"""Options whose field has one name in a registration and in what a transform is given."""

OTHER_NAMES: Final = {
    "importId": "import",
    "dependencies": "depends_on",
    "ignoreChanges": "ignore_changes",
    "replaceOnChanges": "replace_on_changes",
    "replacement_trigger": "replacement_trigger",
    "aliases": "aliases",
    "hideDiffs": "hide_diff",
    "customTimeouts": "custom_timeouts",
    "pluginDownloadURL": "plugin_download_url",
    "retainOnDelete": "retain_on_delete",
    "deletedWith": "deleted_with",
    "replace_with": "replace_with",
    "deleteBeforeReplace": "delete_before_replace",
    "additionalSecretOutputs": "additional_secret_outputs",
}
FIELDS: Final = {**{name: name for name in SAME_NAME}, **OTHER_NAMES}


class TransformError(Exception):
    """A transform that failed, in the program's own words."""


class Transforms:
    """The transforms of one run."""

    def __init__(self) -> None:
        self._stack: list[callback_pb2.Callback] = []
        self._own: dict[str, list[callback_pb2.Callback]] = {}
        self._parents: dict[str, str] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    def add(self, callback: callback_pb2.Callback) -> None:
        """Take a transform of the whole stack."""
        self._stack.append(callback)

    async def apply(self, request: Any, urn: str) -> Any:
        """Return a registration as its transforms leave it.

        Args:
            request: The registration; it stays as it is.
            urn: The resource's own URN.

        Raises:
            TransformError: One of them failed.
        """
        self._own[urn] = list(request.transforms)
        self._parents[urn] = request.parent
        calls = [*self._above(urn), *self._stack]
        if not calls:
            return request
        changed = resource_pb2.RegisterResourceRequest()
        changed.CopyFrom(request)
        for callback in calls:
            await self._call(callback, changed)
        return changed

    async def close(self) -> None:
        """Let go of the program."""
        for channel in self._channels.values():
            await channel.close(None)

    def _above(self, urn: str) -> Iterator[callback_pb2.Callback]:
        while urn:
            yield from self._own.get(urn, ())
            urn = self._parents.get(urn, "")

    async def _call(self, callback: callback_pb2.Callback, request: Any) -> None:
        asked = resource_pb2.TransformRequest(
            type=request.type, name=request.name, custom=request.custom, parent=request.parent
        )
        asked.properties.CopyFrom(request.object)
        for name, other in FIELDS.items():
            _copy(request, name, asked.options, other)
        if not request.deleteBeforeReplaceDefined:
            asked.options.ClearField("delete_before_replace")
        asked.options.aliases.extend(callback_alias(urn) for urn in request.aliasURNs)
        if callback.target not in self._channels:
            self._channels[callback.target] = grpc.aio.insecure_channel(callback.target, options=OPTIONS)
        stub = callback_pb2_grpc.CallbacksStub(self._channels[callback.target])
        question = callback_pb2.CallbackInvokeRequest(token=callback.token, request=asked.SerializeToString())
        try:
            said = await stub.Invoke(question)
        except grpc.aio.AioRpcError as fault:
            raise TransformError(f"invoke transform: {fault.details()}") from None
        answer = resource_pb2.TransformResponse.FromString(said.response)
        if answer.HasField("properties"):
            request.object.CopyFrom(answer.properties)
            for name, urns in dependencies(answer.properties).items():
                request.propertyDependencies[name].urns.extend(urns)
        if answer.HasField("options"):
            request.ClearField("aliasURNs")
            for name, other in FIELDS.items():
                _copy(answer.options, other, request, name)
            request.deleteBeforeReplaceDefined = answer.options.HasField("delete_before_replace")


def callback_alias(urn: str) -> Any:
    """Return a whole URN as an alias."""
    from lab.engine.wire import alias_pb2

    return alias_pb2.Alias(urn=urn)


def dependencies(properties: Struct) -> dict[str, list[str]]:
    """Return the URNs that output values among properties name, by property."""
    found = {name: list(dict.fromkeys(_named(value))) for name, value in properties.fields.items()}
    return {name: urns for name, urns in found.items() if urns}


def _named(value: WireValue) -> Iterator[str]:
    for item in value.list_value.values:
        yield from _named(item)
    fields = value.struct_value.fields
    if SIGNATURE in fields and fields[SIGNATURE].string_value == OUTPUT and "dependencies" in fields:
        yield from (item.string_value for item in fields["dependencies"].list_value.values)
    for name in list(fields):
        yield from _named(fields[name])


def _copy(source: Any, name: str, target: Any, other: str) -> None:
    """Put a field of one message in the place of a field of another, unset if it is unset."""
    target.ClearField(other)
    field = source.DESCRIPTOR.fields_by_name[name]
    value = getattr(source, name)
    if field.label == field.LABEL_REPEATED:
        getattr(target, other).MergeFrom(value)
    elif not field.has_presence or source.HasField(name):
        if field.message_type is None:
            setattr(target, other, value)
        else:
            getattr(target, other).CopyFrom(value)

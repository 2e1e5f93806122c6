"""Translate `pulumirpc.ResourceProvider` to and from the plain values of a `Plugin`.

Promise: what a plugin did not foresee is told by its place in the code only, since its text may hold a secret.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, status_pb2

from lab.engine.plugins.contract import Kind, PartialFailureError, Plugin, PluginError, Severity, Target
from lab.engine.structs import from_struct, to_struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.struct_pb2 import Struct

    from lab.engine.plugins.contract import Checked, Difference
    from lab.engine.values import Properties

LOG_PATIENCE_S: Final = 10.0
LOG_SEVERITY: Final = {
    Severity.DEBUG: engine_pb2.DEBUG,
    Severity.INFO: engine_pb2.INFO,
    Severity.WARNING: engine_pb2.WARNING,
    Severity.ERROR: engine_pb2.ERROR,
}
DIFF_KIND: Final = {
    Kind.ADD: provider_pb2.PropertyDiff.ADD,
    Kind.ADD_REPLACE: provider_pb2.PropertyDiff.ADD_REPLACE,
    Kind.DELETE: provider_pb2.PropertyDiff.DELETE,
    Kind.DELETE_REPLACE: provider_pb2.PropertyDiff.DELETE_REPLACE,
    Kind.UPDATE: provider_pb2.PropertyDiff.UPDATE,
    Kind.UPDATE_REPLACE: provider_pb2.PropertyDiff.UPDATE_REPLACE,
}

R = TypeVar("R", bound=Message)


class EngineLog:
    """Sends messages to the engine; without an engine they are dropped.

    Args:
        address: `host:port` of `pulumirpc.Engine`, or "".
    """

    def __init__(self, address: str) -> None:
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address)) if address else None

    def send(self, urn: str, severity: Severity, message: str, *, ephemeral: bool) -> None:
        """Send one message; a deaf engine is no failure of the operation."""
        if self._stub is None:
            return
        request = engine_pb2.LogRequest(
            severity=LOG_SEVERITY[severity],
            message=message,
            urn=urn,
            ephemeral=ephemeral,
        )
        try:
            self._stub.Log(request, timeout=LOG_PATIENCE_S)
        except grpc.RpcError:
            return


def _place(bug: BaseException) -> str:
    """Return file and line where an exception was raised; its text may hold a secret and is left out."""
    trace = bug.__traceback__
    place = "an unknown place"
    while trace is not None:
        place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"  # noqa: PTH119
        trace = trace.tb_next
    return place


class Servicer:
    """Translates `pulumirpc.ResourceProvider` to and from the plain values of a `Plugin`.

    Args:
        plugin: What answers.
        version: Version that the plugin stands for.
        log: The way to the engine's messages.
    """

    def __init__(self, plugin: Plugin, version: str, log: EngineLog) -> None:
        self._plugin = plugin
        self._version = version
        self._log = log
        self._sends_secrets = False

    def _struct(self, properties: Properties) -> Struct:
        return to_struct(properties, secrets=self._sends_secrets)

    def _target(self, request: Any, *, timeout_s: float = 0) -> Target:
        urn: str = request.urn
        return Target(
            urn=urn,
            type=request.type or urn.split("::")[2].rsplit("$", maxsplit=1)[-1],
            name=request.name or urn.split("::", 3)[3],
            log=lambda severity, text: self._log.send(urn, severity, text, ephemeral=False),
            progress=lambda text: self._log.send(urn, Severity.INFO, text, ephemeral=True),
            timeout_s=timeout_s or None,
        )

    def _checked(self, checked: Checked) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(
            inputs=self._struct(checked.inputs),
            failures=[
                provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
                for failure in checked.failures
            ],
        )

    def _abort_partly(self, context: grpc.ServicerContext, failure: PartialFailureError) -> NoReturn:
        """End a call with `ErrorResourceInitFailed`, so that the engine keeps the resource."""
        detail = AnyMessage()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=failure.id,
                properties=self._struct(failure.outputs),
                inputs=self._struct(failure.inputs),
                reasons=failure.reasons,
            )
        )
        code = grpc.StatusCode.UNKNOWN
        number: int = code.value[0]
        status = status_pb2.Status(code=number, message=failure.reasons[0], details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, failure.reasons[0])
        raise AssertionError("abort returned")

    def plugin_info(self, request: Empty) -> plugin_pb2.PluginInfo:
        """Answer with the version that this plugin stands for."""
        del request
        return plugin_pb2.PluginInfo(version=self._version)

    def check_config(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Judge the provider's configuration."""
        return self._checked(self._plugin.check_config(self._target(request), from_struct(request.news)))

    def configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        """Take the provider's configuration."""
        accepts = self._plugin.configure(dict(request.variables), from_struct(request.args))
        self._sends_secrets = accepts.secrets and request.acceptSecrets
        return provider_pb2.ConfigureResponse(
            acceptSecrets=accepts.secrets,
            acceptResources=accepts.resources,
            supportsPreview=accepts.preview,
            supports_autonaming_configuration=accepts.autonaming,
        )

    def check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Judge a resource's inputs and fill in defaults."""
        return self._checked(
            self._plugin.check(
                self._target(request),
                olds=from_struct(request.olds),
                news=from_struct(request.news),
                seed=request.randomSeed,
            )
        )

    def diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """Tell what new inputs would change."""
        difference = self._plugin.diff(
            self._target(request),
            request.id,
            old_inputs=from_struct(request.old_inputs),
            olds=from_struct(request.olds),
            news=from_struct(request.news),
            ignore_changes=tuple(request.ignoreChanges),
        )
        return _diff_response(difference)

    def create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        """Make a resource, or tell what a preview can know of it."""
        state = self._plugin.create(
            self._target(request, timeout_s=request.timeout),
            from_struct(request.properties),
            preview=request.preview,
        )
        return provider_pb2.CreateResponse(id=state.id, properties=self._struct(state.outputs))

    def read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        """Look at a resource as it is."""
        state = self._plugin.read(
            self._target(request),
            request.id,
            inputs=from_struct(request.inputs),
            outputs=from_struct(request.properties),
        )
        if not state.id:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(
            id=state.id, properties=self._struct(state.outputs), inputs=self._struct(state.inputs)
        )

    def update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        """Change a resource in place."""
        outputs = self._plugin.update(
            self._target(request, timeout_s=request.timeout),
            request.id,
            old_inputs=from_struct(request.old_inputs),
            olds=from_struct(request.olds),
            news=from_struct(request.news),
            ignore_changes=tuple(request.ignoreChanges),
            preview=request.preview,
        )
        return provider_pb2.UpdateResponse(properties=self._struct(outputs))

    def delete(self, request: provider_pb2.DeleteRequest) -> Empty:
        """Remove a resource."""
        self._plugin.delete(
            self._target(request, timeout_s=request.timeout),
            request.id,
            inputs=from_struct(request.old_inputs),
            outputs=from_struct(request.properties),
        )
        return Empty()

    def invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        """Answer a function call."""
        found = self._plugin.invoke(request.tok, from_struct(request.args), preview=request.preview)
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(self._struct(found))  # a Python keyword
        return response

    def cancel(self, request: Empty) -> Empty:
        """Give up what is running."""
        del request
        self._plugin.cancel()
        return Empty()

    def handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        """Return the service for a gRPC server; calls that are not listed are answered UNIMPLEMENTED."""
        return grpc.method_handlers_generic_handler(
            "pulumirpc.ResourceProvider",
            {
                "GetPluginInfo": self._handler(self.plugin_info, Empty),
                "CheckConfig": self._handler(self.check_config, provider_pb2.CheckRequest),
                "Configure": self._handler(self.configure, provider_pb2.ConfigureRequest),
                "Check": self._handler(self.check, provider_pb2.CheckRequest),
                "Diff": self._handler(self.diff, provider_pb2.DiffRequest),
                "Create": self._handler(self.create, provider_pb2.CreateRequest),
                "Read": self._handler(self.read, provider_pb2.ReadRequest),
                "Update": self._handler(self.update, provider_pb2.UpdateRequest),
                "Delete": self._handler(self.delete, provider_pb2.DeleteRequest),
                "Invoke": self._handler(self.invoke, provider_pb2.InvokeRequest),
                "Cancel": self._handler(self.cancel, Empty),
            },
        )

    def _handler(self, call: Callable[[R], Message], request_class: type[R]) -> grpc.RpcMethodHandler[R, Message]:
        """Make a gRPC method of a call: its exceptions become statuses as Pulumi's plugins send them."""

        def behave(request: R, context: grpc.ServicerContext) -> Message:
            try:
                return call(request)
            except PartialFailureError as failure:
                self._abort_partly(context, failure)
            except PluginError as failure:
                context.abort(grpc.StatusCode.UNKNOWN, str(failure))
            except Exception as bug:  # noqa: BLE001 - a bug must reach the person, but not with the values it met
                context.abort(grpc.StatusCode.INTERNAL, f"plugin: {type(bug).__name__} in {_place(bug)}")
            raise AssertionError("abort returned")

        return grpc.unary_unary_rpc_method_handler(
            behave,
            request_deserializer=request_class.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


def _diff_response(difference: Difference) -> provider_pb2.DiffResponse:
    detailed = difference.detailed or {}
    some = provider_pb2.DiffResponse.DIFF_SOME
    return provider_pb2.DiffResponse(
        changes=some if difference.changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=difference.properties,
        replaces=difference.replaces,
        stables=difference.stables,
        deleteBeforeReplace=difference.delete_before_replace,
        hasDetailedDiff=difference.detailed is not None,
        detailedDiff={path: provider_pb2.PropertyDiff(kind=DIFF_KIND[kind]) for path, kind in detailed.items()},
    )

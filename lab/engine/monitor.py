"""The engine's gRPC services: `ResourceMonitor` and `Engine`, as a program's SDK and the plugins call them.

A thin border: messages in, messages out, every decision elsewhere. A call that the run will never answer, because
it stopped, just waits until the server goes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
from google.protobuf.empty_pb2 import Empty

from lab.engine.backend import ORGANIZATION
from lab.engine.executor import StoppedError, heard
from lab.engine.goals import Goal, goal_of
from lab.engine.provider import ProviderError
from lab.engine.structs import from_struct, to_struct
from lab.engine.transforms import TransformError
from lab.engine.urns import build_urn
from lab.engine.values import UNKNOWN_TEXT
from lab.engine.wire import (
    OPTIONS,
    engine_pb2,
    engine_pb2_grpc,
    provider_pb2,
    resource_pb2,
    resource_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from lab.engine.deployment import Deployment
    from lab.engine.events import Severity

FEATURES: Final = (0, 1, 2, 3, 4, 5, 6, 7, 15)
"""Secrets, references, output values, alias specs, triggers, deletedWith, replaceWith, transforms, invoke parents."""

FEATURE_NAMES: Final = (
    "secrets",
    "resourceReferences",
    "outputValues",
    "aliasSpecs",
    "replacementTrigger",
    "deletedWith",
    "replaceWith",
    "transforms",
)

SEVERITIES: Final[tuple[Severity, ...]] = ("debug", "info", "warning", "error")

Aio = grpc.aio.ServicerContext


class Monitor(resource_pb2_grpc.ResourceMonitorServicer):
    """What a program registers, reads and calls."""

    def __init__(self, deployment: Deployment) -> None:
        self._run = deployment

    async def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what is deployed, and what this engine can do."""
        del request, context
        project, options = self._run.context.project, self._run.options
        return resource_pb2.DeploymentInfo(
            project=project.name,
            stack=self._run.context.stack,
            organization=ORGANIZATION,
            dryRun=options.preview,
            parallel=options.parallel,
            supportedFeatures=cast("Any", FEATURES),
        )

    async def SupportsFeature(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer an older SDK's question, one feature at a time."""
        del context
        return resource_pb2.SupportsFeatureResponse(hasSupport=request.id in FEATURE_NAMES)

    async def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Register a resource, and answer with what became of it."""
        if request.remote:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "remote components: not in a lab; use Pulumi itself")
        place = self._run.context
        urn = build_urn(
            stack=place.stack,
            project=place.project.name,
            parent=request.parent,
            kind=request.type,
            name=request.name,
        )
        request = await self._answer(self._transformed(request, urn))
        goal = goal_of(request, stack=place.stack, project=place.project.name)
        registered = await self._answer(self._run.registrations.register(goal))
        response = resource_pb2.RegisterResourceResponse(urn=registered.urn)
        row = registered.row
        if row is None:
            response.object.CopyFrom(to_struct(goal.inputs, secrets=request.acceptSecrets))
            if registered.failed:
                response.result = resource_pb2.Result.FAIL
            return response
        response.id = "" if row.id == UNKNOWN_TEXT else row.id
        if row.custom:
            response.object.CopyFrom(
                to_struct(row.outputs, secrets=request.acceptSecrets, references=request.acceptResources)
            )
        return response

    async def RegisterStackTransform(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take a transform of whatever is registered from now on."""
        del context
        self._run.transforms.add(request)
        return Empty()

    async def _transformed(self, request: Any, urn: str) -> Any:
        try:
            return await self._run.transforms.apply(request, urn)
        except TransformError as fault:
            self._run.fail(str(fault), urn)
            self._run.executor.stop()
            raise StoppedError from None

    async def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take the outputs of a component, or of the stack."""
        del context
        await self._answer(self._run.registrations.outputs(request.urn, from_struct(request.outputs)))
        return Empty()

    async def ReadResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Look at a resource that somebody else owns."""
        del context
        place = self._run.context
        inputs = from_struct(request.properties)
        dependencies = tuple(dict.fromkeys(request.dependencies))
        goal = Goal(
            urn=build_urn(
                stack=place.stack,
                project=place.project.name,
                parent=request.parent,
                kind=request.type,
                name=request.name,
            ),
            type=request.type,
            name=request.name,
            custom=True,
            parent=request.parent,
            inputs=inputs,
            dependencies=dependencies,
            provider=request.provider,
            version=request.version,
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
        )
        if request.id == UNKNOWN_TEXT:
            return resource_pb2.ReadResourceResponse(urn=goal.urn)
        registered = await self._answer(self._run.registrations.read(goal, request.id))
        outputs = registered.row.outputs if registered.row else {}
        return resource_pb2.ReadResourceResponse(
            urn=goal.urn,
            id=registered.row.id if registered.row else "",
            properties=to_struct(outputs, secrets=request.acceptSecrets, references=request.acceptResources),
        )

    async def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Call a function of a provider."""
        try:
            answer = await self._answer(
                self._run.registrations.invoke(
                    request.tok, from_struct(request.args), request.provider, request.version
                )
            )
        except ProviderError as fault:
            await context.abort(grpc.StatusCode.UNKNOWN, self._run.events.mask.hide(str(fault)))
            raise
        response = resource_pb2.ResourceInvokeResponse(
            failures=[
                provider_pb2.CheckFailure(property=failure.property, reason=failure.reason)
                for failure in answer.failures
            ]
        )
        getattr(response, "return").CopyFrom(to_struct(answer.value, secrets=True, references=request.acceptResources))
        return response

    async def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take the program's word that it has nothing more to ask, and let it go when the run is over."""
        del request, context
        self._run.signalled.set()
        await self._run.closed.wait()
        return Empty()

    async def _answer(self, coming: Coroutine[Any, Any, Any]) -> Any:
        """Return an answer, or none ever; the work goes on even if the program dies and the call with it."""
        work = asyncio.create_task(coming)
        work.add_done_callback(heard)
        try:
            return await asyncio.shield(work)
        except StoppedError:
            return await asyncio.Event().wait()
        except ProviderError:
            raise
        except Exception as bug:  # noqa: BLE001 - a bug ends the run, not the process: the lock and plugins must go
            self._run.give_up(bug)
            return await asyncio.Event().wait()


class Engine(engine_pb2_grpc.EngineServicer):
    """Where a program and the plugins log."""

    def __init__(self, deployment: Deployment) -> None:
        self._run = deployment
        self._root = ""

    async def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take a message; debug is a flood, and dropped."""
        del context
        if request.severity:
            severity = SEVERITIES[request.severity]
            if severity != "error" or not self._run.executor.stopping.is_set():
                self._run.events.tell(severity, request.message, request.urn, ephemeral=request.ephemeral)
        return Empty()

    async def GetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Return the stack's URN, for older SDKs."""
        del request, context
        return engine_pb2.GetRootResourceResponse(urn=self._root)

    async def SetRootResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remember the stack's URN, for older SDKs."""
        del context
        self._root = request.urn
        return engine_pb2.SetRootResourceResponse()

    async def RequirePulumiVersion(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Satisfy any wish for a version."""
        del request, context
        return engine_pb2.RequirePulumiVersionResponse()


async def start_server(deployment: Deployment) -> tuple[grpc.aio.Server, str]:
    """Serve both services on a free loopback port, and return the server and its address."""
    server = grpc.aio.server(options=(*OPTIONS, ("grpc.so_reuseport", 0)))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Monitor(deployment), server)
    engine_pb2_grpc.add_EngineServicer_to_server(Engine(deployment), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, f"127.0.0.1:{port}"

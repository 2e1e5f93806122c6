"""Start a plugin as an engine does and call it with plain values: the other half of `lab.engine.plugins.serve`."""

from __future__ import annotations

import selectors
import subprocess
import sys
import time
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message
from pulumi.runtime.proto import engine_pb2, provider_pb2, status_pb2

from lab.engine.structs import from_struct, to_struct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.engine.values import Properties

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 30.0
SEED: Final = bytes(range(32))
KINDS: Final = {number: name.lower().replace("_", "-") for name, number in provider_pb2.PropertyDiff.Kind.items()}

T = TypeVar("T")
R = TypeVar("R", bound=Message)


def until(probe: Callable[[], T | None], *, what: str, within_s: float = WITHIN_S) -> T:
    """Return the first answer of `probe`, or fail naming what never happened."""
    deadline = time.monotonic() + within_s
    while (seen := probe()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not seen within {within_s} s")
        time.sleep(0.02)
    return seen


@dataclass
class FailedError(Exception):
    """A call that the plugin ended with a status.

    Args:
        code: The gRPC code's name.
        text: What a person is told.
        partial: `id`, `properties` and `reasons` of a resource that exists all the same, or None.
    """

    code: str
    text: str
    partial: dict[str, Any] | None = None


@dataclass(frozen=True)
class Line:
    """One message that the plugin sent to the engine."""

    severity: str
    text: str
    ephemeral: bool


@dataclass
class Listener:
    """An engine that only listens to messages."""

    lines: list[Line] = field(default_factory=list)
    address: str = ""

    def log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> Empty:
        """Keep a message."""
        del context
        severity = engine_pb2.LogSeverity.Name(request.severity)
        self.lines.append(Line(severity, request.message, request.ephemeral))
        return Empty()


@contextmanager
def listening() -> Iterator[Listener]:
    """Serve `pulumirpc.Engine` on loopback, with the call Log only."""
    listener = Listener()
    server = grpc.server(futures.ThreadPoolExecutor(8))
    handler = grpc.unary_unary_rpc_method_handler(
        listener.log,
        request_deserializer=engine_pb2.LogRequest.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("pulumirpc.Engine", {"Log": handler}),))
    listener.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield listener
    finally:
        server.stop(grace=None).wait()


@dataclass(frozen=True)
class Diff:
    """The answer to Diff, in plain values; kinds as the engine writes them."""

    changes: bool
    properties: list[str]
    replaces: list[str]
    detailed: dict[str, str] | None
    delete_before_replace: bool


class Driven:
    """A plugin that is called.

    Args:
        channel: To the plugin.
        process: The process, or None where the test serves the plugin itself.
    """

    def __init__(self, channel: grpc.Channel, process: subprocess.Popen[str] | None) -> None:
        self._channel = channel
        self.process = process
        self.accepts_secrets = False

    def call(self, method: str, request: Message, answer: type[R]) -> R:
        """Make one call.

        Raises:
            FailedError: The plugin answered with a status.
        """
        ask = self._channel.unary_unary(
            f"/pulumirpc.ResourceProvider/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        try:
            response: R = ask(request, timeout=WITHIN_S)
        except grpc.RpcError as failure:
            raise _failed(failure) from None
        return response

    def check_config(self, news: Properties) -> provider_pb2.CheckResponse:
        """Ask for a judgement of the provider's configuration; secrets go unwrapped."""
        request = provider_pb2.CheckRequest(
            urn=urn("pulumi:providers:hcloud", "a"), news=to_struct(news, secrets=False)
        )
        return self.call("CheckConfig", request, provider_pb2.CheckResponse)

    def configure(self, args: Properties, variables: dict[str, str] | None = None) -> None:
        """Configure the plugin and remember whether it takes secrets."""
        request = provider_pb2.ConfigureRequest(
            args=to_struct(args, secrets=True), variables=variables or {}, acceptSecrets=True
        )
        answer = self.call("Configure", request, provider_pb2.ConfigureResponse)
        self.accepts_secrets = answer.acceptSecrets

    def _struct(self, values: Properties) -> Any:
        return to_struct(values, secrets=self.accepts_secrets)

    def check(
        self, kind: str, news: Properties, *, name: str = "it", olds: Properties | None = None
    ) -> tuple[Properties, list[tuple[str, str]]]:
        """Return checked inputs and the failures as pairs of property and reason."""
        request = provider_pb2.CheckRequest(
            urn=urn(kind, name),
            name=name,
            type=kind,
            olds=self._struct(olds or {}),
            news=self._struct(news),
            randomSeed=SEED,
        )
        answer = self.call("Check", request, provider_pb2.CheckResponse)
        failures = [(failure.property, failure.reason) for failure in answer.failures]
        return from_struct(answer.inputs), failures

    def diff(
        self, kind: str, before: Made, news: Properties, *, ignore: tuple[str, ...] = (), name: str = "it"
    ) -> Diff:
        """Return what new inputs would change in a resource that was made."""
        request = provider_pb2.DiffRequest(
            id=before.id,
            urn=urn(kind, name),
            name=name,
            type=kind,
            old_inputs=self._struct(before.inputs),
            olds=self._struct(before.outputs),
            news=self._struct(news),
            ignoreChanges=ignore,
        )
        answer = self.call("Diff", request, provider_pb2.DiffResponse)
        detailed = {path: KINDS[item.kind] for path, item in sorted(answer.detailedDiff.items())}
        return Diff(
            changes=answer.changes == provider_pb2.DiffResponse.DIFF_SOME,
            properties=sorted(answer.diffs),
            replaces=sorted(answer.replaces),
            detailed=detailed if answer.hasDetailedDiff else None,
            delete_before_replace=answer.deleteBeforeReplace,
        )

    def create(self, kind: str, news: Properties, *, preview: bool = False, name: str = "it") -> Made:
        """Make a resource."""
        request = provider_pb2.CreateRequest(
            urn=urn(kind, name), name=name, type=kind, properties=self._struct(news), preview=preview
        )
        answer = self.call("Create", request, provider_pb2.CreateResponse)
        return Made(answer.id, news, from_struct(answer.properties))

    def read(self, kind: str, made: Made, *, name: str = "it") -> Made | None:
        """Look at a resource again; None if it is gone."""
        request = provider_pb2.ReadRequest(
            id=made.id,
            urn=urn(kind, name),
            name=name,
            type=kind,
            inputs=self._struct(made.inputs),
            properties=self._struct(made.outputs),
        )
        answer = self.call("Read", request, provider_pb2.ReadResponse)
        if not answer.id:
            return None
        return Made(answer.id, from_struct(answer.inputs), from_struct(answer.properties))

    def update(
        self,
        kind: str,
        made: Made,
        news: Properties,
        *,
        preview: bool = False,
        ignore: tuple[str, ...] = (),
        name: str = "it",
    ) -> Made:
        """Change a resource."""
        request = provider_pb2.UpdateRequest(
            id=made.id,
            urn=urn(kind, name),
            name=name,
            type=kind,
            old_inputs=self._struct(made.inputs),
            olds=self._struct(made.outputs),
            news=self._struct(news),
            preview=preview,
            ignoreChanges=ignore,
        )
        answer = self.call("Update", request, provider_pb2.UpdateResponse)
        return Made(made.id, news, from_struct(answer.properties))

    def delete(self, kind: str, made: Made, *, name: str = "it") -> None:
        """Remove a resource."""
        request = provider_pb2.DeleteRequest(
            id=made.id,
            urn=urn(kind, name),
            name=name,
            type=kind,
            old_inputs=self._struct(made.inputs),
            properties=self._struct(made.outputs),
        )
        self.call("Delete", request, Empty)


@dataclass(frozen=True)
class Made:
    """A resource as the engine keeps it."""

    id: str
    inputs: Properties
    outputs: Properties


def urn(kind: str, name: str) -> str:
    """Return the URN of a resource in the tests' stack."""
    return f"urn:pulumi:dev::traces::{kind}::{name}"


def _failed(failure: grpc.RpcError) -> FailedError:
    assert isinstance(failure, grpc.Call)
    details = dict(failure.trailing_metadata() or ()).get("grpc-status-details-bin")
    code = failure.code()
    assert code is not None
    if details is None:
        return FailedError(code.name, failure.details() or "")
    assert isinstance(details, bytes)
    packed = provider_pb2.ErrorResourceInitFailed()
    assert status_pb2.Status.FromString(details).details[0].Unpack(packed)
    partial = {
        "id": packed.id,
        "properties": from_struct(packed.properties),
        "inputs": from_struct(packed.inputs),
        "reasons": list(packed.reasons),
    }
    return FailedError(code.name, failure.details() or "", partial)


@contextmanager
def running_plugin(package: str, engine: str = "", *, cwd: Path = ROOT) -> Iterator[Driven]:
    """Start `python -m lab.engine.plugins.<package>` and end it, and only it, afterwards.

    Args:
        package: `command` or `hcloud`.
        engine: Address of a listener, or "".
        cwd: Folder that the plugin runs in; scripts run there.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", f"lab.engine.plugins.{package}", *([engine] if engine else [])],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(_first_line(process))
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Driven(channel, process)
    finally:
        process.terminate()
        process.communicate(timeout=WITHIN_S)


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(WITHIN_S):
            raise AssertionError(f"plugin: no port within {WITHIN_S} s")
    return process.stdout.readline()

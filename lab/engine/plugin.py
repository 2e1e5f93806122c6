"""Resource plugins: processes that speak Pulumi's provider protocol.

`Plugin` is a process and its channel, `find_plugin` says what to start. A plugin that dies is an error that names
it, never a hang.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

from lab.engine.backend import pulumi_home
from lab.engine.children import start_child
from lab.engine.provider import Made, ProviderError
from lab.engine.structs import from_struct
from lab.engine.wire import OPTIONS, provider_pb2, provider_pb2_grpc, status_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lab.engine.children import Child

START_WITHIN_S: Final = 60.0
LAST_WORDS: Final = 20
"""How many lines of a dead plugin's standard error its obituary has."""

CHANGES: Final = frozenset({"Create", "Update", "Delete"})
"""The calls after which, without an answer, nobody knows what the account has."""

ROOT: Final = Path(__file__).resolve().parents[2]
BUNDLED: Final = Path(__file__).resolve().parent / "plugins"
DETAILS: Final = "grpc-status-details-bin"


class PartlyDoneError(ProviderError):
    """A creation, update or look that was partly done: the resource exists, with faults."""

    def __init__(self, message: str, made: Made) -> None:
        super().__init__(message)
        self.made = made


class NotImplementedByPluginError(ProviderError):
    """A call that this plugin does not know."""


@dataclass(frozen=True)
class Found:
    """How to start a plugin; `bundled` ones are modules of this engine."""

    command: tuple[str, ...]
    bundled: bool


@dataclass(frozen=True)
class Surroundings:
    """What every plugin of a run is started with.

    Args:
        engine: Address of the engine's own service, for log lines.
        folder: The project's folder.
        project: The project's name.
        log: Takes a line that a plugin wrote.
    """

    engine: str
    folder: Path
    project: str
    log: Callable[[str], None]


def find_plugin(package: str, version: str) -> Found:
    """Return how to start the plugin of a package.

    Raises:
        ProviderError: There is none.
    """
    installed = pulumi_home() / "plugins" / f"resource-{package}-v{version}" / f"pulumi-resource-{package}"
    if version and os.access(installed, os.X_OK):
        return Found((str(installed),), bundled=False)
    if package.isidentifier() and (BUNDLED / package / "__main__.py").is_file():
        return Found((sys.executable, "-P", "-m", f"lab.engine.plugins.{package}"), bundled=True)
    known = sorted(path.parent.name for path in BUNDLED.glob("*/__main__.py"))
    raise ProviderError(
        f"plugin {package} v{version}: not found, allowed: installed at {installed}, "
        f"or one that comes with this engine: {', '.join(known)}"
    )


def plugin_environment(found: Found, project: str) -> dict[str, str]:
    """Return the environment of a plugin: ours without the passphrase, for it runs other people's commands."""
    hidden = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")
    environment = {key: value for key, value in outer_environment().items() if key not in hidden}
    environment["PULUMI_PROJECT"] = project
    if found.bundled:
        rest = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{rest}" if rest else str(ROOT)
    return environment


def outer_environment() -> dict[str, str]:
    """Return the environment that the engine was called with, before its starter added to it."""
    environment = dict(os.environ)
    places = environment.get("PYTHONPATH", "").split(os.pathsep)
    if places[0] == str(ROOT):
        del places[0]
    if any(places):
        environment["PYTHONPATH"] = os.pathsep.join(places)
    else:
        environment.pop("PYTHONPATH", None)
    return environment


class Plugin:
    """A running plugin; make one with `start_plugin`."""

    def __init__(self, package: str, child: Child, channel: grpc.aio.Channel) -> None:
        self.package = package
        self._child = child
        self._channel = channel
        self._last: deque[str] = deque(maxlen=LAST_WORDS)
        self._stub = provider_pb2_grpc.ResourceProviderStub(channel)

    def remember(self, line: str) -> None:
        """Keep a line of standard error for the obituary."""
        self._last.append(line)

    async def call(self, method: str, request: Any) -> Any:
        """Call a method of the plugin and return its answer.

        Raises:
            NotImplementedByPluginError: It does not know the method.
            PartlyDoneError: The resource exists, with faults.
            ProviderError: It refused, failed or died.
        """
        try:
            return await getattr(self._stub, method)(request)
        except grpc.aio.AioRpcError as fault:
            raise await self._understand(fault, method) from None

    async def cancel(self) -> None:
        """Ask the plugin to give up what it is doing."""
        from google.protobuf.empty_pb2 import Empty

        with contextlib.suppress(ProviderError, TimeoutError):
            await asyncio.wait_for(self.call("Cancel", Empty()), 1.0)

    async def end(self) -> None:
        """End the process."""
        await self._channel.close(None)
        await self._child.end(within_s=2.0)

    async def _understand(self, fault: grpc.aio.AioRpcError, method: str) -> ProviderError:
        text = fault.details() or str(fault.code())
        if fault.code() == grpc.StatusCode.UNIMPLEMENTED:
            return NotImplementedByPluginError(f"plugin {self.package}: {method} is not implemented")
        partly = _init_failed(fault)
        if partly is not None:
            made = Made(partly.id, from_struct(partly.properties), tuple(partly.reasons))
            return PartlyDoneError(text, made)
        if fault.code() == grpc.StatusCode.UNAVAILABLE:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._child.wait(), 1.0)
            if self._child.exit_code is not None:
                words = "\n".join(self._last)
                return ProviderError(
                    _obituary(self.package, self._child.exit_code, method) + (f"\n{words}" if words else "")
                )
        return ProviderError(text)


async def start_plugin(package: str, version: str, around: Surroundings) -> Plugin:
    """Start the plugin of a package and wait until it can be called.

    Raises:
        ProviderError: There is none, or it did not start.
    """
    found = find_plugin(package, version)
    child = await start_child(
        (*found.command, around.engine),
        name=package,
        folder=around.folder,
        environment=plugin_environment(found, around.project),
    )
    try:
        port = await asyncio.wait_for(child.first_line(), START_WITHIN_S)
    except TimeoutError:
        await child.end()
        raise ProviderError(f"plugin {package}: gave no port within {START_WITHIN_S:.0f} s") from None
    except asyncio.CancelledError:
        await child.end()
        raise
    words: list[str] = []
    if not port.isdecimal():
        child.listen(out=words.append, err=words.append)
        await asyncio.wait([asyncio.create_task(child.wait())], timeout=2.0)
        await child.end()
        said = "\n".join([port, *words]).strip()
        raise ProviderError(f"plugin {package}: did not start (exit status {child.exit_code})\n{said}")
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=OPTIONS)
    plugin = Plugin(package, child, channel)

    def err(line: str) -> None:
        plugin.remember(line)
        around.log(line)

    child.listen(out=around.log, err=err)
    return plugin


def _obituary(package: str, exit_code: int, method: str) -> str:
    """Return what to know about a plugin that died in the middle of a call."""
    died = f"signal {-exit_code}" if exit_code < 0 else f"exit status {exit_code}"
    remedy = "run it again"
    if method in CHANGES:
        remedy = "it may have been done or not: run `farshore repair`, then the same command with --refresh"
    return f"plugin {package}: died with {died} during {method}, allowed: an answer; {remedy}"


def _init_failed(fault: grpc.aio.AioRpcError) -> provider_pb2.ErrorResourceInitFailed | None:
    metadata = cast("Iterable[tuple[str, str | bytes]]", fault.trailing_metadata() or ())
    for key, value in metadata:
        if key == DETAILS:
            status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            for detail in status.details:
                partly = provider_pb2.ErrorResourceInitFailed()
                if detail.Unpack(partly):
                    return partly
    return None

"""A Pulumi program under the SDK alone: its engine answers every question at once and does nothing.

The baseline of `benchmarks.engine`: what a run costs before any engine does anything.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from lab.engine import program
from lab.engine.wire import (
    OPTIONS,
    engine_pb2,
    engine_pb2_grpc,
    resource_pb2,
    resource_pb2_grpc,
)

FEATURES = (0, 1, 2, 3, 4, 5, 6)


class Yes(resource_pb2_grpc.ResourceMonitorServicer):
    """Answer each registration with its own inputs."""

    async def GetDeploymentInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        """Say what the SDK may use."""
        del request, context
        features: Any = FEATURES
        return resource_pb2.DeploymentInfo(project="bench", stack="dev", supportedFeatures=features)

    async def RegisterResource(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Register nothing."""
        del context
        urn = f"urn:pulumi:dev::bench::{request.type}::{request.name}"
        answer = resource_pb2.RegisterResourceResponse(urn=urn, id="1" if request.custom else "")
        if request.custom:
            answer.object.CopyFrom(request.object)
            if "input" in request.object.fields:  # a Stash: its output is its input
                answer.object.fields["output"].CopyFrom(request.object.fields["input"])
        return answer

    async def RegisterResourceOutputs(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Take nothing."""
        del request, context
        return Empty()

    async def SignalAndWaitForShutdown(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Let the program go."""
        del request, context
        return Empty()


class Log(engine_pb2_grpc.EngineServicer):
    """Take messages."""

    async def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Show errors."""
        del context
        if request.severity == engine_pb2.ERROR:
            sys.stderr.write(request.message + "\n")
        return Empty()


async def run(folder: Path) -> int:
    """Run the program of a folder to its end."""
    server = grpc.aio.server(options=(*OPTIONS, ("grpc.so_reuseport", 0)))
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(Yes(), server)
    engine_pb2_grpc.add_EngineServicer_to_server(Log(), server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    settings: dict[str, Any] = {
        "monitor": address,
        "engine": address,
        "project": "bench",
        "stack": "dev",
        "organization": "bench",
    }
    settings |= {"root": str(folder), "parallel": 8, "preview": False, "config": {}, "secrets": []}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-P", str(program.LAUNCHER), str(folder), stdin=asyncio.subprocess.PIPE, cwd=folder
    )
    await process.communicate((json.dumps(settings) + "\n").encode())
    await server.stop(0)
    return process.returncode or 0


if __name__ == "__main__":
    begun = time.monotonic()
    code = asyncio.run(run(Path(sys.argv[1])))
    print(f"{time.monotonic() - begun:.3f}")
    sys.exit(code)

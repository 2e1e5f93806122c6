"""The gRPC stubs of Pulumi's protocol, loaded without the SDK around them.

Importing `pulumi.runtime.proto` would first import the whole SDK, which the engine itself has no use for. The
stubs are a folder of modules that import each other relatively, so they load as a package of their own.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pulumi.runtime.proto import (
        alias_pb2,
        callback_pb2,
        callback_pb2_grpc,
        engine_pb2,
        engine_pb2_grpc,
        plugin_pb2,
        provider_pb2,
        provider_pb2_grpc,
        resource_pb2,
        resource_pb2_grpc,
        status_pb2,
    )
else:
    _PACKAGE = "lab.engine._stubs"

    def _load(name: str) -> Any:
        if _PACKAGE not in sys.modules:
            found = importlib.util.find_spec("pulumi")
            assert found is not None
            assert found.origin is not None
            package = ModuleType(_PACKAGE)
            package.__path__ = [str(Path(found.origin).parent / "runtime" / "proto")]
            sys.modules[_PACKAGE] = package
        return importlib.import_module(f"{_PACKAGE}.{name}")

    alias_pb2 = _load("alias_pb2")
    callback_pb2 = _load("callback_pb2")
    callback_pb2_grpc = _load("callback_pb2_grpc")
    engine_pb2 = _load("engine_pb2")
    engine_pb2_grpc = _load("engine_pb2_grpc")
    plugin_pb2 = _load("plugin_pb2")
    provider_pb2 = _load("provider_pb2")
    provider_pb2_grpc = _load("provider_pb2_grpc")
    resource_pb2 = _load("resource_pb2")
    resource_pb2_grpc = _load("resource_pb2_grpc")
    status_pb2 = _load("status_pb2")

__all__ = [
    "MESSAGE_LIMIT_BYTES",
    "OPTIONS",
    "alias_pb2",
    "callback_pb2",
    "callback_pb2_grpc",
    "engine_pb2",
    "engine_pb2_grpc",
    "plugin_pb2",
    "provider_pb2",
    "provider_pb2_grpc",
    "resource_pb2",
    "resource_pb2_grpc",
    "status_pb2",
]

MESSAGE_LIMIT_BYTES: Final = 400 * 1024 * 1024
"""Largest message that either side takes: what Pulumi's SDK sets too."""

METADATA_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""Largest header list: the default of Go's HTTP/2, which Pulumi's own engine has."""

OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
    # A half-made resource comes with its error, in the metadata: as much as Go takes, where 8 KiB are the default here.
    ("grpc.max_metadata_size", METADATA_LIMIT_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_LIMIT_BYTES),
    ("grpc.enable_http_proxy", 0),
)

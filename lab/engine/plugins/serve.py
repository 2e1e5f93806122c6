"""Put a `Plugin` behind a gRPC socket, as Pulumi's engine starts and calls plugins.

Promise: stdout carries the port and nothing else, the socket is bound to the loopback interface only, and the
process ends with its parent, so that no plugin outlives an engine that was killed.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from concurrent import futures
from typing import TYPE_CHECKING, Final

import grpc

from lab.engine.plugins.servicer import EngineLog, Servicer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.engine.plugins.contract import Plugin

CALLS_AT_ONCE: Final = 64  # the engine's --parallel bounds them; a waiting SSH dial must not block a Check
PARENT_CHECK_S: Final = 1.0
MESSAGE_BYTES: Final = 400 * 1024 * 1024  # what Pulumi's own engine allows


def start_server(plugin: Plugin, *, version: str, engine: str = "") -> tuple[grpc.Server, int]:
    """Start serving a plugin on a free port of the loopback interface and return server and port.

    Args:
        plugin: What answers.
        version: Version that it stands for.
        engine: `host:port` of the engine's own service, or "".
    """
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(CALLS_AT_ONCE), options=options)
    server.add_generic_rpc_handlers((Servicer(plugin, version, EngineLog(engine)).handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def listen_for_end() -> int:
    """Return a file descriptor that can be read once this process was told to end.

    The kernel tells of the engine's death once for each of its threads, so a handler may interrupt itself: one that
    takes a lock, as an Event's would, waits for itself for ever. This one does nothing.
    """
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    return told


def run(plugin: Plugin, *, version: str, arguments: Iterable[str]) -> None:
    """Serve a plugin until it is ended or its parent is gone.

    Args:
        plugin: What answers.
        version: Version that it stands for.
        arguments: The command line after the program's name; its first word, if any, is the engine's address.
    """
    parent = os.getppid()
    told = listen_for_end()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to understand; it calls Cancel
    words = [word for word in arguments if not word.startswith("-")]
    server, port = start_server(plugin, version=version, engine=words[0] if words else "")
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not select.select([told], [], [], PARENT_CHECK_S)[0] and os.getppid() == parent:
        pass
    plugin.cancel()
    server.stop(grace=None).wait()
    os._exit(0)  # a call that waits for a dial or a poll must not keep the process

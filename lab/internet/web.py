"""Serve web applications on sockets that were opened inside namespaces, all from one process."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator, Sequence

    from starlette.applications import Starlette


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def quiet_config(app: Starlette) -> uvicorn.Config:
    """Return how an application is served that needs nothing of its own."""
    return uvicorn.Config(
        app, lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=1, timeout_keep_alive=1
    )


class WebService:
    """One application on its sockets, from `start` to `stop`.

    Args:
        config: The application and how it is served.
        sockets: Listening, and the service's from now on.
    """

    def __init__(self, config: uvicorn.Config, sockets: Sequence[socket.socket]) -> None:
        self._server = _Server(config)
        self._sockets = list(sockets)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve, from the moment this returns."""
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets), name="web service")
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End the service and close its sockets."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        for listening in self._sockets:
            listening.close()

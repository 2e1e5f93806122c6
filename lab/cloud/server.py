"""The HTTP server before the cloud: JSON in, JSON out, one log line a request, faults where they were ordered.

It listens on the loopback interface only. Logs name method, path, status, project and duration: never a body,
a query, a header or a token.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.cloud.control import bearer, control_routes
from lab.cloud.cutting import CutResponse, CuttableProtocol
from lab.cloud.faults import Faults, bent
from lab.cloud.reply import ApiError, Reply, error_body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

    from lab.cloud.cloud import Cloud
    from lab.cloud.faults import Fault

LOOPBACK = "127.0.0.1"
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
STOP_WITHIN_S = 10.0


class _Door:
    """The endpoint of everything below `/v1`."""

    def __init__(self, cloud: Cloud, faults: Faults, log: Callable[[str], None] | None) -> None:
        self.cloud = cloud
        self.faults = faults
        self.log = log
        self.count = 0

    async def __call__(self, request: Request) -> Response:
        """Answer one request, or do to it what a fault asks."""
        started_s = time.monotonic()
        self.count += 1
        path = "/" + request.path_params["path"]
        account = self.cloud.account_of(bearer(request))
        fault = self.faults.strike(request.method, path, account)
        response = await self._respond(request, path, fault)
        if self.log is not None:
            entry = {
                "method": request.method,
                "path": path,
                "status": None if isinstance(response, CutResponse) else response.status_code,
                "account": account,
                "duration_s": round(time.monotonic() - started_s, 4),
            }
            self.log(json.dumps(entry))
        return response

    async def _respond(self, request: Request, path: str, fault: Fault | None) -> Response:
        if fault is None:
            return _rendered(await self._carried_out(request, path, None))
        await request.body()  # a cut with something left to read would be a reset, now and then
        if fault.drop == "before":
            return CutResponse()
        if fault.status is not None:
            response = _refused(fault.status, fault)
        else:
            response = _rendered(await self._carried_out(request, path, fault))
        await asyncio.sleep(fault.delay_s)
        if fault.drop is not None:
            return CutResponse(response if fault.drop == "half" else None)
        return response

    async def _carried_out(self, request: Request, path: str, fault: Fault | None) -> Reply:
        raw = await request.body()
        body: Any = None
        if raw:
            try:
                body = json.loads(raw)
            except ValueError:
                return ApiError("json_error", "invalid JSON input").reply()
            if not isinstance(body, dict):
                return ApiError("json_error", "the body is not a JSON object").reply()
        query = tuple(request.query_params.multi_items())
        with bent(self.cloud.settings, fault):
            reply = self.cloud.handle(bearer(request), request.method, path, query, body)
        links = _links(request, reply)
        return replace(reply, headers={**reply.headers, "Link": links}) if links else reply


def make_app(
    cloud: Cloud,
    *,
    control_token: str,
    faults: Faults | None = None,
    log: Callable[[str], None] | None = None,
) -> Starlette:
    """Return the application that serves a cloud below `/v1` and the lab's own door below `/lab`.

    Args:
        cloud: What answers.
        control_token: What opens `/lab`.
        faults: What goes wrong; they can be added while it serves.
        log: Takes one JSON line (without its end) for each request below `/v1`.

    Raises:
        ValueError: The control token is empty.
    """
    if not control_token:
        raise ValueError("control_token: empty, allowed is any other text; it would open the lab to everybody")
    armed = faults if faults is not None else Faults()
    door = _Door(cloud, armed, log)

    async def api(request: Request) -> Response:
        return await door(request)

    routes = control_routes(cloud, armed, control_token, lambda: door.count)
    return Starlette(routes=[*routes, Route("/v1/{path:path}", api, methods=METHODS)])


def server_config(app: Starlette) -> uvicorn.Config:
    """Return how uvicorn serves the application: quiet, and with connections that faults can cut."""
    return uvicorn.Config(
        app,
        host=LOOPBACK,
        http=CuttableProtocol,
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


def listening_socket(port: int = 0) -> socket.socket:
    """Return a socket that listens on the loopback interface.

    Args:
        port: Its port; 0 takes a free one.
    """
    listener = socket.create_server((LOOPBACK, port))
    # Accepted connections inherit it. Without, head and body of an answer meet a delayed ACK: 40 ms a request.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextmanager
def serving(app: Starlette, *, port: int = 0) -> Iterator[str]:
    """Serve the application from a thread of this process, and yield its address without a path.

    Args:
        app: From `make_app`.
        port: Port on the loopback interface; 0 takes a free one.
    """
    listener = listening_socket(port)
    server = uvicorn.Server(server_config(app))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="lab-cloud", daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(STOP_WITHIN_S)
        listener.close()


def _links(request: Request, reply: Reply) -> str:
    """Return the header that says where the pages of a list are; empty for an answer that is no list.

    Source: https://docs.hetzner.cloud/reference/cloud#pagination.
    """
    pagination = ((reply.body or {}).get("meta") or {}).get("pagination")
    if pagination is None:
        return ""
    there = {"prev": pagination["previous_page"], "next": pagination["next_page"], "last": pagination["last_page"]}
    return ", ".join(
        f'<{request.url.include_query_params(page=number)}>; rel="{name}"'
        for name, number in there.items()
        if number is not None
    )


def _rendered(reply: Reply) -> Response:
    headers = dict(reply.headers)
    if reply.body is None:
        return Response(status_code=reply.status, headers=headers)
    return JSONResponse(reply.body, status_code=reply.status, headers=headers)


def _refused(status: int, fault: Fault) -> Response:
    if fault.code is None:
        return Response(status_code=status)
    return JSONResponse(error_body(fault.code, fault.message), status_code=status)

"""Answers that break off: the part of HTTP that a well-behaved server has no words for.

Starlette and ASGI can't cut a connection before an answer, so the protocol hands its transport down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

EXTENSION = "lab.connection"


class CuttableProtocol(H11Protocol):
    """uvicorn's HTTP protocol, with the connection's `abort` in the scope of each request."""

    def handle_events(self) -> None:
        """Parse what came; the request's task starts later, so it finds what is added here."""
        super().handle_events()
        if self.scope is not None:
            self.scope["extensions"] = {EXTENSION: {"abort": self.transport.abort}}


class CutResponse(Response):
    """An answer of which the client gets nothing, or the first half.

    Args:
        whole: The answer as it would have been; None cuts before any byte, and so does one without a body: its head
            alone would be all of it.
    """

    def __init__(self, whole: Response | None = None) -> None:
        super().__init__()
        self.whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the half there is, cut the connection, and wait until it is gone."""
        if self.whole is not None and self.whole.body:
            body = bytes(self.whole.body)
            headers = self.whole.raw_headers
            await send({"type": "http.response.start", "status": self.whole.status_code, "headers": headers})
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        scope["extensions"][EXTENSION]["abort"]()
        while (await receive())["type"] != "http.disconnect":
            pass

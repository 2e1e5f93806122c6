"""The lab's own door beside the API: what exists, what was not modelled, which faults wait.

It has a token of its own, which no client of the API knows.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lab.cloud.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from lab.cloud.cloud import Cloud
    from lab.cloud.faults import Faults


def bearer(request: Request) -> str:
    """Return the token that a request shows, or an empty text."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def guarded_route(path: str, method: str, answer: Callable[[Request], Awaitable[Response]], token: str) -> Route:
    """Return a route of the lab's own door: it answers to whoever shows the control token, and says 401 to others."""

    async def endpoint(request: Request) -> Response:
        if not hmac.compare_digest(bearer(request).encode(), token.encode()):
            return JSONResponse({"error": "the control token is needed here"}, status_code=401)
        return await answer(request)

    return Route(path, endpoint, methods=[method])


def control_routes(cloud: Cloud, faults: Faults, token: str, count: Callable[[], int]) -> list[Route]:
    """Return the routes below `/lab`.

    Args:
        cloud: What is looked into.
        faults: What is armed.
        token: What opens the door.
        count: Returns the number of requests answered below `/v1`.
    """

    async def objects(_: Request) -> Response:
        return JSONResponse(cloud.objects())

    async def unmodelled(_: Request) -> Response:
        return JSONResponse(cloud.unmodelled)

    async def requests(_: Request) -> Response:
        return JSONResponse({"count": count()})

    async def waiting(_: Request) -> Response:
        return JSONResponse([fault.model_dump() for fault in faults.waiting()])

    async def arm(request: Request) -> Response:
        try:
            fault = Fault.model_validate_json(await request.body())
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False, include_input=False)
            return JSONResponse({"error": [f"{fault['loc']}: {fault['msg']}" for fault in wrong]}, 422)
        faults.add(fault)
        return JSONResponse(fault.model_dump(), status_code=201)

    async def disarm(_: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def issue(request: Request) -> Response:
        account = request.path_params["account"]
        if account not in cloud.accounts:
            return JSONResponse({"error": f"account: {account!r}, allowed: {', '.join(cloud.accounts)}; name one"}, 404)
        return JSONResponse({"token": cloud.issue_token(account)}, status_code=201)

    async def revoke(request: Request) -> Response:
        account = request.path_params["account"]
        if account not in cloud.accounts:
            return JSONResponse({"error": f"account: {account!r}, allowed: {', '.join(cloud.accounts)}; name one"}, 404)
        cloud.revoke_tokens(account)
        return Response(status_code=204)

    return [
        guarded_route("/lab/tokens/{account}", "POST", issue, token),
        guarded_route("/lab/tokens/{account}", "DELETE", revoke, token),
        guarded_route("/lab/objects", "GET", objects, token),
        guarded_route("/lab/unmodelled", "GET", unmodelled, token),
        guarded_route("/lab/requests/count", "GET", requests, token),
        guarded_route("/lab/faults", "GET", waiting, token),
        guarded_route("/lab/faults", "POST", arm, token),
        guarded_route("/lab/faults", "DELETE", disarm, token),
    ]

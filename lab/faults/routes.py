"""The lab's own door for faults of its world: begin one, list them, heal them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from lab.cloud.control import guarded_route
from lab.faults.model import FaultError, fault_name, parse_fault, render_fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import Route

    from lab.faults.keeper import Faults

PATH: Final = "/lab/world/faults"


def fault_routes(faults: Faults, token: str) -> list[Route]:
    """Return the routes.

    Args:
        faults: What is wrong in the world.
        token: What opens the door.
    """

    def route(path: str, method: str, answer: Callable[[Request], Awaitable[Response]]) -> Route:
        async def judged(request: Request) -> Response:
            try:
                return await answer(request)
            except FaultError as error:
                return JSONResponse({"error": str(error)}, status_code=422)

        return guarded_route(path, method, judged, token)

    async def tell(_: Request) -> Response:
        return JSONResponse([json.loads(render_fault(fault)) for fault in faults.active()])

    async def inject(request: Request) -> Response:
        fault = parse_fault(await request.body())
        await faults.inject(fault)
        return JSONResponse({"name": fault_name(fault)}, status_code=201)

    async def heal(request: Request) -> Response:
        await faults.heal(request.path_params["name"])
        return Response(status_code=204)

    async def heal_all(_: Request) -> Response:
        await faults.heal_all()
        return Response(status_code=204)

    return [
        route(PATH, "GET", tell),
        route(PATH, "POST", inject),
        route(PATH, "DELETE", heal_all),
        route(PATH + "/{name}", "DELETE", heal),
    ]

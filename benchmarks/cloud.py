"""The lab's API: requests a second through Hetzner's own client, beside a bare server that sends the same bytes.

Both are Starlette under uvicorn on the loopback interface, each in a process of its own, asked in turns so that both
meet the same load of this machine. What the lab costs beyond HTTP is the ratio. Needs no root.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from typing import TYPE_CHECKING, Any, Final

import hcloud
import httpx
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from lab.cloud.cloud import Cloud
from lab.cloud.server import make_app, serving
from lab.cloud.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from multiprocessing.connection import Connection

    from starlette.requests import Request

TOKEN: Final = "t" * 64
SERVERS: Final = 25  # a page
ROUNDS: Final = 5
REQUESTS: Final = 100  # of a round
KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bench"


def serve_lab(pipe: Connection) -> None:
    """Serve a project of a page of servers, say where, and end when told to."""
    settings = Settings(rate_limit=10**9, action_polls=0)
    cloud = Cloud({"bench": [TOKEN]}, settings=settings)
    for number in range(SERVERS):
        body = {"name": f"s{number}", "server_type": "cx23", "image": "debian-12", "location": "fsn1"}
        cloud.handle(TOKEN, "POST", "/servers", (), body)
    with serving(make_app(cloud, control_token="c" * 64)) as url:
        pipe.send(url)
        pipe.recv()


def serve_bytes(pipe: Connection, answers: Mapping[str, tuple[int, bytes]]) -> None:
    """Serve what the lab has said, whatever is asked for: by the method alone."""

    async def answer(request: Request) -> Response:
        await request.body()
        status, body = answers[request.method]
        return Response(body, status_code=status, media_type="application/json" if body else None)

    app = Starlette(routes=[Route("/v1/{path:path}", answer, methods=list(answers))])
    with serving(app) as url:
        pipe.send(url)
        pipe.recv()


class Served:
    """A server in a process of its own, and Hetzner's client of it."""

    def __init__(self, serve: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")  # nothing of this process is the server's
        self._pipe, far = context.Pipe()
        self._process = context.Process(target=serve, args=(far, *arguments), daemon=True)
        self._process.start()
        self.url: str = self._pipe.recv()
        self.client: Any = hcloud.Client(token=TOKEN, api_endpoint=f"{self.url}/v1")

    def close(self) -> None:
        """End it."""
        self._pipe.send(None)
        self._process.join()


def record(url: str) -> dict[str, tuple[int, bytes]]:
    """Return what the lab answers to one request of each method that is measured."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=f"{url}/v1", headers=headers) as client:
        listed = client.get("/servers")
        made = client.post("/ssh_keys", json={"name": "key", "public_key": KEY})
        gone = client.delete(f"/ssh_keys/{made.json()['ssh_key']['id']}")
    return {"GET": _kept(listed), "POST": _kept(made), "DELETE": _kept(gone)}


def _kept(answer: httpx.Response) -> tuple[int, bytes]:
    return answer.status_code, answer.content


def list_servers(client: Any) -> int:
    """Ask for a page of servers; one request."""
    client.servers.get_list(per_page=SERVERS)
    return 1


def make_and_delete(client: Any) -> int:
    """Make an SSH key and delete it; two requests."""
    client.ssh_keys.create(name="key", public_key=KEY).delete()
    return 2


def rate(work: Callable[[Any], int], client: Any) -> float:
    """Return requests a second of one round."""
    started, done = time.perf_counter(), 0
    while done < REQUESTS:
        done += work(client)
    return done / (time.perf_counter() - started)


def main() -> None:
    """Print requests a second of both, and how much of the bare server's the lab's are."""
    lab = Served(serve_lab)
    bare = Served(serve_bytes, record(lab.url))
    try:
        print(f"cloud API through hcloud-python, {SERVERS} servers, median of {ROUNDS} rounds of {REQUESTS} requests")
        for name, work in {"GET list of servers": list_servers, "POST and DELETE of a key": make_and_delete}.items():
            rounds = [(rate(work, lab.client), rate(work, bare.client)) for _ in range(ROUNDS)]
            ours, theirs = (statistics.median(side) for side in zip(*rounds, strict=True))
            ratio = statistics.median(one / other for one, other in rounds)
            print(f"  {name}: lab {ours:.0f}/s, bare {theirs:.0f}/s, ratio {ratio:.2f}")
    finally:
        lab.close()
        bare.close()


if __name__ == "__main__":
    main()

"""Serve a cloud to real HTTP clients, and end with every connection closed."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import hcloud
import httpx

from lab.cloud.cloud import Cloud
from lab.cloud.faults import Fault, Faults
from lab.cloud.server import make_app, serving
from tests.cloud.driver import TOKEN_A, TOKEN_B

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL_TOKEN = "k" * 64
WITHIN_S = 10.0


@dataclass
class Lab:
    """A cloud that is served, its faults, and what it logged."""

    cloud: Cloud
    faults: Faults
    url: str
    closing: ExitStack
    log: list[str] = field(default_factory=list)

    def client(self, token: str = TOKEN_A) -> Any:
        """Return Hetzner's own client; Any, as every field of its objects may be None by its types."""
        client = hcloud.Client(
            token=token, api_endpoint=f"{self.url}/v1", poll_interval=0.01, poll_max_retries=200, timeout=WITHIN_S
        )
        # Its sessions have no public way to be closed, and an open one is a warning, thus a failure.
        self.closing.callback(client._client._session.close)
        self.closing.callback(client._client_hetzner._session.close)
        return client

    def send(self, method: str, path: str, *, token: str = TOKEN_A, **more: Any) -> httpx.Response:
        """Send one request on a connection of its own."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=WITHIN_S, **more)

    def control(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send one request to the lab's own door."""
        return self.send(method, f"/lab{path}", token=CONTROL_TOKEN, **more)

    def arm(self, **fields: Any) -> None:
        """Order a fault."""
        self.faults.add(Fault.model_validate(fields))

    def logged(self) -> list[dict[str, Any]]:
        """Return the log's entries."""
        return [json.loads(line) for line in self.log]


@contextmanager
def served_lab() -> Iterator[Lab]:
    """Serve a cloud of the projects `a` and `b`."""
    cloud, faults = Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}), Faults()
    log: list[str] = []
    app = make_app(cloud, control_token=CONTROL_TOKEN, faults=faults, log=log.append)
    with serving(app) as url, ExitStack() as closing:
        yield Lab(cloud, faults, url, closing, log)

"""Talk to a pure cloud as one project's client, at a clock that stands until it is moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.cloud.cloud import Cloud
    from lab.cloud.reply import Reply

TOKEN_A = "a" * 64
TOKEN_B = "b" * 64
KEY_1 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops@example.com"
KEY_2 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"


@dataclass
class Clock:
    """A clock that a test moves."""

    at: datetime = field(default_factory=lambda: datetime.fromtimestamp(0, UTC))

    def __call__(self) -> datetime:
        """Return the time."""
        return self.at

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@dataclass
class Client:
    """One project's client."""

    cloud: Cloud
    token: str = TOKEN_A

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        """Send one request; a query may stand in the path."""
        path, _, query = path.partition("?")
        pairs = [pair.partition("=") for pair in query.split("&") if pair]
        return self.cloud.handle(self.token, method, path, tuple((n, v) for n, _, v in pairs), body)

    def get(self, path: str) -> Any:
        """Return the body of a GET that must succeed."""
        reply = self.call("GET", path)
        assert reply.status == 200, reply.body
        return reply.body

    def post(self, path: str, body: Any = None) -> Any:
        """Return the body of a POST that must succeed."""
        reply = self.call("POST", path, body)
        assert reply.status == 201, reply.body
        return reply.body

    def put(self, path: str, body: Any) -> Any:
        """Return the body of a PUT that must succeed."""
        reply = self.call("PUT", path, body)
        assert reply.status == 200, reply.body
        return reply.body

    def refused(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Return status and code of a request that must be refused."""
        reply = self.call(method, path, body)
        assert reply.body is not None, reply
        assert set(reply.body["error"]) == {"code", "message", "details"}
        return reply.status, reply.body["error"]["code"]

    def wrong_fields(self, method: str, path: str, body: Any) -> list[str]:
        """Return the fields that a refusal with `invalid_input` names."""
        reply = self.call(method, path, body)
        assert reply.body is not None
        assert (reply.status, reply.body["error"]["code"]) == (422, "invalid_input"), reply.body
        return [field["name"] for field in reply.body["error"]["details"]["fields"]]

    def finish(self) -> None:
        """Look at every action until none is under way."""
        for number in self.cloud.projects[self.account].tables.actions:
            self.get(f"/actions/{number}")

    @property
    def account(self) -> str:
        """Name of the project."""
        name = self.cloud.account_of(self.token)
        assert name is not None
        return name

    def key(self, name: str = "key", public_key: str = KEY_1) -> int:
        """Make an SSH key and return its id."""
        return int(self.post("/ssh_keys", {"name": name, "public_key": public_key})["ssh_key"]["id"])

    def address(self, name: str = "v4", kind: str = "ipv4", location: str = "fsn1", **more: Any) -> int:
        """Make a Primary IP and return its id."""
        body = {"name": name, "type": kind, "location": location, **more}
        return int(self.post("/primary_ips", body)["primary_ip"]["id"])

    def firewall(self, name: str = "fw", *rules: Any, **more: Any) -> int:
        """Make a firewall and return its id."""
        body = {"name": name, "rules": list(rules), **more}
        return int(self.post("/firewalls", body)["firewall"]["id"])

    def server(self, name: str = "edge", **more: Any) -> int:
        """Make a server, wait until its actions are over, and return its id."""
        number = int(self.post("/servers", server_body(name, **more))["server"]["id"])
        self.finish()
        return number

    def off(self, number: int) -> None:
        """Switch a server off."""
        self.post(f"/servers/{number}/actions/poweroff")
        self.finish()


def server_body(name: str = "edge", **more: Any) -> dict[str, Any]:
    """Return the body of a POST /servers that is taken."""
    return {"name": name, "server_type": "cx23", "image": "debian-12", "location": "fsn1", **more}

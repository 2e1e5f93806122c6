"""The lab's own door as its users knock at it: whoever has the control token may look at everything and break it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

ANSWERS_WITHIN_S: Final = 600.0  # power comes back and machines boot before a disk in them is freed


class DoorError(RuntimeError):
    """The door did not do what it was asked to.

    Args:
        status: Its HTTP status.
        reason: What it said; empty where it said nothing that is meant for a person.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason or f"the lab's own door: {status} {http.client.responses.get(status, '')}".strip())
        self.status = status
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Door:
    """A running lab's own door.

    Args:
        address: Of the door, on the loopback interface, with its path.
        token: What opens it; no client of the cloud's API has it.
    """

    address: str
    token: str

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """Ask for one thing, and return the answer; None where there is nothing to say.

        Args:
            method: Of HTTP.
            path: Below the door's address: `objects`, `faults`, `world/faults`, `snapshot`, ...
            content: What is sent along, as JSON; None sends nothing.

        Raises:
            DoorError: It says no.
            OSError: The lab is not there any more.
        """
        place = urlsplit(self.address)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=ANSWERS_WITHIN_S)
        body = None if content is None else json.dumps(content).encode()
        try:
            connection.request(method, f"{place.path}/{path}", body, {"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise DoorError(answer.status, _reason(text))
        return json.loads(text) if text else None


def _reason(text: bytes) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return ""

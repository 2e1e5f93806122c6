"""Speak to the API with Hetzner's own client: requests, actions that are waited for, and errors as the original's.

The client retries `conflict`, `rate_limit_exceeded`, `timeout`, `bad_gateway`, 502, 504 and network time-outs, five
times with growing pauses, as the original does. The token stands in a header and nowhere else.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlencode

from lab.engine.plugins.hcloud.schema import Family

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from hcloud import Client

DEFAULT_ENDPOINT: Final = "https://api.hetzner.cloud/v1"
RETRIES: Final = 5
"""How often the provider itself, above its client, tries again where the original does."""

LONGEST_PAUSE_S: Final = 60.0

T = TypeVar("T")


class ApiError(Exception):
    """The API refused, or could not be reached.

    Args:
        message: What it said.
        code: Its error code, or "" where there was no answer.
        status: The HTTP status, or 0.
    """

    def __init__(self, message: str, code: str = "", status: int = 0) -> None:
        super().__init__(f"{message} ({code})" if code else message)
        self.message = message
        self.code = code
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Polling:
    """How actions are polled.

    Args:
        interval_s: Pause before the first poll.
        constant: Every pause is as long as the first; else each is twice the one before.
    """

    interval_s: float = 0.5
    constant: bool = False

    def pause_s(self, polls: int, longest_s: float) -> float:
        """Return how long to wait after this many polls."""
        return self.interval_s if self.constant else float(min(self.interval_s * 2.0**polls, longest_s))


class Api:
    """One account at one endpoint, for one operation in one thread; `of` gives the next operation its own.

    Args:
        token: The account's token.
        endpoint: URL up to and including `/v1`.
        polling: How actions are polled.
        family: Caps the pause between polls: 60 s for SDK types, 10 s for framework types.
    """

    def __init__(self, token: str, endpoint: str, polling: Polling, family: Family = Family.SDK) -> None:
        self._token = token
        self._endpoint = endpoint.rstrip("/")
        self._polling = polling
        self._longest_s = 60.0 if family is Family.SDK else 10.0
        self._session: Client | None = None
        self._status = 0

    def of(self, family: Family) -> Api:
        """Return the same account for another operation, with the pauses of a family."""
        return Api(self._token, self._endpoint, self._polling, family)

    def get(self, path: str, **query: object) -> dict[str, Any]:
        """Return the answer to a GET; `query` becomes the query string in its order."""
        return self._request("GET", f"{path}?{urlencode(query)}" if query else path)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the answer to a GET, or None if the API says `not_found`; any other 404 is an error."""
        try:
            return self.get(path)
        except ApiError as failure:
            if failure.code == "not_found":
                return None
            raise

    def post(self, path: str, body: object = None) -> dict[str, Any]:
        """Return the answer to a POST; without a body none is sent."""
        return self._request("POST", path, body)

    def put(self, path: str, body: object) -> dict[str, Any]:
        """Return the answer to a PUT."""
        return self._request("PUT", path, body)

    def delete(self, path: str) -> dict[str, Any]:
        """Return the answer to a DELETE."""
        return self._request("DELETE", path)

    def act(self, path: str, body: object = None) -> None:
        """POST something that answers with one or more actions, and wait for them."""
        answer = self.post(path, body)
        self.wait(answer.get("action"), *answer.get("actions", []))

    def wait(self, *actions: dict[str, Any] | None) -> None:
        """Wait for actions to end; None stands for an action that there was not.

        Raises:
            ApiError: One ended in an error, or is no longer known.
        """
        running = [action for action in actions if action is not None]
        polls = 0
        while True:
            for action in running:
                if action["status"] == "error":
                    error = action["error"]
                    raise ApiError(error["message"], f"{error['code']}, {action['id']}")
            running = [action for action in running if action["status"] == "running"]
            if not running:
                return
            time.sleep(self._polling.pause_s(polls, self._longest_s))
            polls += 1
            running = self._polled([action["id"] for action in running])

    def _polled(self, ids: list[int]) -> list[dict[str, Any]]:
        wanted = "&".join(f"id={action_id}" for action_id in ids)
        found: list[dict[str, Any]] = self.get(f"/actions?{wanted}&page=1&sort=status&sort=id")["actions"]
        missing = set(ids) - {action["id"] for action in found}
        if missing:
            raise ApiError(f"actions not found: {sorted(missing)}")
        return found

    def _client(self) -> Client:
        if self._session is None:
            from hcloud import Client

            self._session = Client(self._token, self._endpoint, application_name="farshore-lab")
            hooks = self._session._client._session.hooks  # noqa: SLF001 - errors tell the status, which it hides
            hooks["response"].append(self._remember)
        return self._session

    def _remember(self, response: requests.Response, **_: object) -> None:
        self._status = response.status_code

    def _request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        import requests
        from hcloud import APIException

        client = self._client()
        options = {} if body is None else {"json": body}
        try:
            return client.request(method, path, **options)
        except APIException as failure:
            if isinstance(failure.code, str):
                raise ApiError(str(failure.message), failure.code, self._status) from None
            text = f"hcloud: server responded with status code {self._status}"
            raise ApiError(text, status=self._status) from None
        except requests.RequestException as failure:
            raise ApiError(self._unreachable(method, path, failure)) from None

    def _unreachable(self, method: str, path: str, failure: requests.RequestException) -> str:
        import requests

        if isinstance(failure, requests.exceptions.ChunkedEncodingError):
            return "unexpected EOF"
        text = repr(failure)
        reason = "EOF"
        if isinstance(failure, requests.Timeout):
            reason = "context deadline exceeded"
        elif "Connection refused" in text:
            reason = "connect: connection refused"
        elif "NameResolution" in text:
            reason = "no such host"
        return f'{method.capitalize()} "{self._endpoint}{path}": {reason}'


def retried(attempts: int, call: Callable[[], T], again: Callable[[ApiError], bool]) -> T:
    """Return what `call` returns, trying again with doubling pauses while `again` says so.

    The original pauses after its last try too; so does this. Ten tries take 303 s: no pause is longer than a minute
    (hcloud-go's ExponentialBackoff, recorded in 29-address-stuck).
    """
    for attempt in range(attempts):
        try:
            return call()
        except ApiError as failure:
            if not again(failure):
                raise
            last = failure
            time.sleep(min(2.0**attempt, LONGEST_PAUSE_S))
    raise last

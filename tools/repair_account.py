"""One cloud account as `farshore repair` sees it: what stands in it, by id, and the few things done to it.

Public addresses are never read here, so that none of a hidden host can be printed.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from hcloud import APIException, Client
from hcloud.actions import ActionException, ActionFailedException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcloud.servers import BoundServer

Kind = Literal["server", "primary_ip", "firewall", "ssh_key"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""In the order of removal: a server frees its addresses and its firewall."""
ACTION_POLL_S: Final = 0.5
REQUEST_WITHIN_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Found:
    """One object at the API.

    Args:
        host: By its label; empty without one.
        stack: By its label; empty without one.
        off: A server without power.
    """

    account: str
    kind: Kind
    id: int
    name: str
    host: str
    stack: str
    off: bool


class Account:
    """One cloud project.

    Args:
        name: As in the stack file.
        token: Opens it; kept here and shown nowhere.
        endpoint: Address of the API.
    """

    def __init__(self, name: str, *, token: str, endpoint: str) -> None:
        self.name = name
        self._client = Client(
            token=token,
            api_endpoint=endpoint,
            application_name="farshore-repair",
            poll_interval=ACTION_POLL_S,
            timeout=REQUEST_WITHIN_S,
        )

    def found(self) -> tuple[Found, ...]:
        """Return everything in the account of the kinds that Farshore makes, whoever made it.

        Raises:
            AccountError: The account did not answer.
        """
        with self._explaining("reading"):
            return tuple(self._found(kind, thing) for kind in KINDS for thing in self._door(kind).get_all())

    def remove(self, thing: Found) -> None:
        """Delete one object, and a server with all that is on it.

        A server is locked while something is under way, and one whose creation was cut off may still be: that is
        awaited first.

        Raises:
            AccountError: The account refused.
        """
        with self._explaining(f"removing {thing.kind} {thing.name!r}"):
            bound = self._door(thing.kind).get_by_id(thing.id)
            if thing.kind == "server":
                _await_quiet(bound)
            done = bound.delete()
            if thing.kind == "server":
                done.wait_until_finished()

    def power_on(self, thing: Found) -> None:
        """Start a server and wait until the account says that it runs.

        Raises:
            AccountError: The account refused.
        """
        with self._explaining(f"starting {thing.kind} {thing.name!r}"):
            server = self._client.servers.get_by_id(thing.id)
            _await_quiet(server)
            server.power_on().wait_until_finished()

    def _door(self, kind: Kind) -> Any:
        """Return the client's part for one kind; the parts share methods, but no type."""
        doors: dict[Kind, Any] = {
            "server": self._client.servers,
            "primary_ip": self._client.primary_ips,
            "firewall": self._client.firewalls,
            "ssh_key": self._client.ssh_keys,
        }
        return doors[kind]

    def _found(self, kind: Kind, thing: Any) -> Found:
        labels = thing.labels or {}
        return Found(
            account=self.name,
            kind=kind,
            id=int(thing.id),
            name=str(thing.name),
            host=labels.get("farshore-host", ""),
            stack=labels.get("farshore-stack", ""),
            off=kind == "server" and thing.status == "off",
        )

    @contextmanager
    def _explaining(self, doing: str) -> Iterator[None]:
        try:
            yield
        except APIException as error:
            raise AccountError(
                f"account {self.name}: {doing}: {error.message} ({error.code}), allowed: success; run repair again"
            ) from error
        except ActionException as error:
            raise AccountError(
                f"account {self.name}: {doing}: {error.message}, allowed: success; run repair again"
            ) from error
        except OSError as error:  # the client's own connection errors are among these
            raise AccountError(
                f"account {self.name}: {doing}: no answer ({type(error).__name__}), allowed: one; run repair again"
            ) from error


def _await_quiet(server: BoundServer) -> None:
    """Wait until no action of a server is under way; whether one fails is not our business."""
    for action in server.get_actions(status=["running"]):
        with suppress(ActionFailedException):
            action.wait_until_finished()


class AccountError(Exception):
    """An account refused or did not answer."""

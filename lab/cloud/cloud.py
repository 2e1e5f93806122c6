"""The whole cloud: several projects behind tokens, one pool of addresses, and what it asks of the world.

Pure: a clock and a source of passwords are handed in; nothing here opens a socket or a file.
"""

from __future__ import annotations

import hmac
import math
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from lab.cloud.catalogue import Catalogue, load_catalogue
from lab.cloud.disk_reports import end_image_action, end_volume_actions
from lab.cloud.project import Project
from lab.cloud.records import State, Tables
from lab.cloud.reply import ApiError, Reply
from lab.cloud.routes import answer
from lab.cloud.settings import Settings
from lab.cloud.wishes import image_wishes, project_wishes, volume_wishes
from lab.wish import Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.cloud.call import Query
    from lab.cloud.reply import Json
    from lab.wish import Wish

HOUR_S = 3600
NOT_IMPLEMENTED = 501
FORMAT = 1
STATE: TypeAdapter[State] = TypeAdapter(State)
LISTED = (
    *("servers", "primary_ips", "floating_ips", "ssh_keys", "firewalls", "placement_groups", "volumes", "networks"),
    "zones",
)


def _now() -> datetime:
    return datetime.now(UTC)


def _password() -> str:
    return secrets.token_urlsafe(12)


def _holder(tokens: Mapping[str, Sequence[str]], token: str) -> str | None:
    """Return the project that has a token, or None; every token is compared, in constant time."""
    found = None
    for name, of_one in tokens.items():
        for known in of_one:
            if hmac.compare_digest(known.encode(), token.encode()):
                found = name
    return found


TOKEN_CHARACTERS: Final = 64


class Cloud:
    """Every project, and the one door to all of them.

    Args:
        accounts: Name of each project to the tokens that open it; a token opens one project only.
        readers: Name of a project to tokens that may only read it: every method but GET is `token_readonly`.
        settings: The lab's knobs; a test may change its fields at any time.
        catalogue: What can be ordered.
        clock: Returns the time, with its zone.
        password: Returns a new root password.
        on_change: Called with all wishes after each request that changed them, or the stores. It runs inside the
            request: it hands the wishes on and does not wait for the world.

    Attributes:
        unmodelled: `METHOD path` of each request that the lab does not model: a test that leaves one fails.
    """

    def __init__(
        self,
        accounts: Mapping[str, Sequence[str]],
        *,
        readers: Mapping[str, Sequence[str]] | None = None,
        settings: Settings | None = None,
        catalogue: Catalogue | None = None,
        clock: Callable[[], datetime] = _now,
        password: Callable[[], str] = _password,
        on_change: Callable[[tuple[Wish, ...]], None] | None = None,
    ) -> None:
        readers = readers if readers is not None else {}
        for name in sorted(set(readers) - set(accounts)):
            raise ValueError(f"readers: project {name!r} has no account; name one of the accounts")
        tokens = [token for of_one in (*accounts.values(), *readers.values()) for token in of_one]
        if len(set(tokens)) != len(tokens):
            raise ValueError("accounts: one token opens two projects or both ways, allowed is one; give each its own")
        if "" in tokens:
            raise ValueError("accounts: an empty token, allowed is any other; it would open a project to everybody")
        self.accounts = {name: tuple(of_one) for name, of_one in accounts.items()}
        self.readers = {name: tuple(of_one) for name, of_one in readers.items()}
        self.settings = settings if settings is not None else Settings()
        self.catalogue = catalogue if catalogue is not None else load_catalogue()
        self.clock = clock
        self.password = password
        self.on_change = on_change
        self.unmodelled: list[str] = []
        self._buckets: dict[str, tuple[float, float]] = {}  # name: requests left, and when that was so
        self._requests = 0
        self._open(State())

    def handle(self, token: str, method: str, path: str, query: Query = (), body: Json | None = None) -> Reply:
        """Answer one request.

        Args:
            token: What the client shows.
            method: `GET`, `POST`, `PUT` or `DELETE`.
            path: Path below `/v1`, such as `/servers/1`.
            query: Pairs as they came; a name may come several times.
            body: The JSON body; None without one.
        """
        self._requests += 1
        account = self.account_of(token)
        if account is None:
            reply = ApiError("unauthorized", "unable to authenticate").reply()
            return replace(reply, headers=self._correlation())
        limits = self._spend(account)
        if limits is None:
            reply = ApiError("rate_limit_exceeded", "limit of requests per hour reached").reply()
            return replace(reply, headers={**self._rate(0.0), **self._correlation()})
        if method != "GET" and _holder(self.readers, token) is not None:
            reply = ApiError("token_readonly", "not allowed because token is readonly").reply()
        else:
            reply = answer(self.projects[account], method, path, query, body)
        if reply.status == NOT_IMPLEMENTED:
            self.unmodelled.append(f"{method} {path}")
        if method != "GET":
            self._tell()
        return replace(reply, headers={**reply.headers, **self._rate(limits), **self._correlation()})

    def issue_token(self, account: str) -> str:
        """Return one more token that opens a project, as its owner makes at the provider's page.

        Raises:
            KeyError: There is no such project.
        """
        token = secrets.token_hex(TOKEN_CHARACTERS // 2)
        self.accounts[account] = (*self.accounts[account], token)
        return token

    def revoke_tokens(self, account: str) -> None:
        """Have the newest of a project's tokens alone open it.

        Raises:
            KeyError: There is no such project.
        """
        self.accounts[account] = self.accounts[account][-1:]

    def account_of(self, token: str) -> str | None:
        """Return the project that a token opens, be it for reading only, or None."""
        writes, reads = _holder(self.accounts, token), _holder(self.readers, token)
        return writes if writes is not None else reads

    def wishes(self) -> tuple[Wish, ...]:
        """Return every server that shall exist, of all projects, in the order of their ids."""
        wished = [wish for project in self.projects.values() for wish in project_wishes(project)]
        return tuple(sorted(wished, key=lambda wish: wish.server_id))

    def stores(self) -> Stores:
        """Return every volume and image that shall exist, of all projects, in the order of their ids."""
        volumes = [wish for project in self.projects.values() for wish in volume_wishes(project)]
        images = [wish for project in self.projects.values() for wish in image_wishes(project)]
        return Stores(
            volumes=tuple(sorted(volumes, key=lambda wish: wish.volume_id)),
            images=tuple(sorted(images, key=lambda wish: wish.image_id)),
        )

    def report_volumes(self, found: Mapping[int, tuple[int | None, int]]) -> None:
        """Take note of how volumes are, so that actions that wait for it can end.

        Args:
            found: Id to the server that it is plugged into, or None, and its size in GB.
        """
        for project in self.projects.values():
            end_volume_actions(project, found)

    def report_image(self, image_id: int, size_gb: float | None) -> None:
        """Take note that an image was made, or, without a size, that it can't be; only one `creating` can."""
        for project in self.projects.values():
            end_image_action(project, image_id, size_gb)

    def report_stopped(self, server_id: int, boot: int | None = None) -> None:
        """Take note that a machine has switched itself off, as `poweroff` on it does.

        Args:
            server_id: Whose machine; one that is gone by now is passed over.
            boot: The wish's `boot` that it ran for; a report about an earlier one than today's is passed over.
        """
        for project in self.projects.values():
            server = project.tables.servers.get(server_id)
            if server is not None and boot in (None, server.boot):
                server.running = False
        self._tell()

    def report_reset(self, server_id: int) -> None:
        """Take note that a server's power was cut and given back: one whose boot had failed in silence boots anew.

        Args:
            server_id: Of which; one that is gone by now is passed over.
        """
        for project in self.projects.values():
            server = project.tables.servers.get(server_id)
            if server is not None and server.dead:
                server.dead = False
                server.boot += 1
        self._tell()

    def objects(self) -> dict[str, dict[str, list[str]]]:
        """Return the names of all that exists, per project and kind; kinds without any are left out."""
        return {
            name: {
                kind: [record.name for record in getattr(project.tables, kind).values()]
                for kind in LISTED
                if getattr(project.tables, kind)
            }
            for name, project in self.projects.items()
        }

    def dump(self) -> dict[str, Any]:
        """Return everything that exists, ready for JSON.

        It holds user data, so a file of it belongs to its owner alone. Tokens and settings are not in it.
        """
        return {"format": FORMAT, **STATE.dump_python(self._state, mode="json")}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Replace everything that exists by what was saved, without telling the world.

        Raises:
            ValueError: It is no such dump, or it has a project that this cloud has no account for.
        """
        if saved.get("format") != FORMAT:
            raise ValueError(f"saved cloud: format {saved.get('format')!r}, allowed is {FORMAT}; start a new lab")
        try:
            state = STATE.validate_python({key: value for key, value in saved.items() if key != "format"})
        except ValidationError as error:
            # Pydantic's own text would quote what it found, which may be user data.
            wrong = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
            raise ValueError(f"saved cloud: {wrong} is not readable; start a new lab") from None
        strange = sorted(set(state.projects) - set(self.accounts))
        if strange:
            raise ValueError(f"saved cloud: project {strange[0]!r} has no account; give it a token")
        self._open(state)

    def _open(self, state: State) -> None:
        self._state = state
        self.projects = {
            name: Project(
                tables=state.projects.setdefault(name, Tables()),
                ledger=state.ledger,
                catalogue=self.catalogue,
                settings=self.settings,
                clock=self.clock,
                password=self.password,
            )
            for name in self.accounts
        }
        self._told = self.wishes(), self.stores()

    def _tell(self) -> None:
        wished = self.wishes(), self.stores()
        if wished != self._told:
            self._told = wished
            if self.on_change is not None:
                self.on_change(wished[0])

    def _spend(self, account: str) -> float | None:
        """Take one request from a project's bucket; return what is left, or None where it is empty."""
        limit, now_s = self.settings.rate_limit, self.clock().timestamp()
        left, since_s = self._buckets.get(account, (float(limit), now_s))
        left = min(float(limit), left + (now_s - since_s) * limit / HOUR_S)
        if left < 1:
            self._buckets[account] = (left, now_s)
            return None
        self._buckets[account] = (left - 1, now_s)
        return left - 1

    def _rate(self, left: float) -> dict[str, str]:
        limit = self.settings.rate_limit
        full_again_s = self.clock().timestamp() + (limit - left) * HOUR_S / limit
        return {
            "RateLimit-Limit": str(limit),
            "RateLimit-Remaining": str(int(left)),
            "RateLimit-Reset": str(math.ceil(full_again_s)),
        }

    def _correlation(self) -> dict[str, str]:
        return {"X-Correlation-Id": f"{self._requests:016x}"}

"""A new API token for an account: tried before it is kept, used before the old one goes."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Final

from hcloud import APIException, Client

from plan.faults import choices
from plan.stack import TOKEN_LENGTH, token_fault
from tools.repair_stack import HETZNER
from tools.rotation import RotationError
from tools.workspace import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hcloud.servers import BoundServer

    from tools.target import Target

REQUEST_WITHIN_S: Final = 60.0


def read_token(account: str) -> str:
    """Return a token that somebody types unseen, or that comes on standard input.

    Raises:
        RotationError: It can't be one.
    """
    text = getpass.getpass(f"new API token of account {account}: ") if sys.stdin.isatty() else sys.stdin.readline()
    token = text.strip()
    if wrong := token_fault(token):
        raise RotationError(f"token: {wrong}, allowed: an API token of {TOKEN_LENGTH} characters; nothing was changed")
    return token


def rotate_token(target: Target, account: str, token: str, say: Callable[[str], None]) -> None:
    """Have an account's new token in the stack file and in use.

    Args:
        target: The stack.
        account: Its name in the stack file.
        token: The new one.
        say: Takes a line for each thing done.

    Raises:
        RotationError: It is no token of this account's, or may not write; nothing was changed.
        EngineError: It could not be kept, or `up` failed.
    """
    plan, standing = target.plan(), target.standing()
    if account not in plan.accounts:
        raise RotationError(f"account: {account!r}, allowed: {choices(plan.accounts)}; name one that has hosts")
    path, work = f"farshore:secrets.tokens.{account}", target.work
    if work.run(["config", "get", "--path", path, *work.where]).strip() == token:
        raise RotationError(f"token: the one that account {account} has, allowed: a new one; make it at the provider")
    wanted = {
        told.server: host.name
        for host in plan.hosts
        if host.account == account and (told := standing.hosts.get(host.name)) is not None
    }
    try_token(account, token, wanted, endpoint=work.environment.get("HCLOUD_ENDPOINT", HETZNER))
    say(f"account {account}: the new token sees {choices(wanted.values())}, and may write")
    work.run(["config", "set", "--secret", "--path", path, *work.where], given=token)
    say(f"{work.stack_file.name}: has it, encrypted")
    if target.deploy():
        raise EngineError(
            "up: failed as said above, allowed: done; its cause mended, `up` again: the new token is kept"
        )
    say(f"account {account}: uses its new token; delete the old one at the provider")


def try_token(account: str, token: str, servers: Mapping[str, str], *, endpoint: str) -> None:
    """See that a token opens the project that has these servers, and may change them; none of them is changed.

    Args:
        account: Its name, for people.
        token: The new one.
        servers: Hosts by the numbers of their servers; at least one.
        endpoint: Address of the API.

    Raises:
        RotationError: It does not.
    """
    if not servers:
        raise RotationError(
            f"account {account}: nothing stands in it, allowed: a server to try the token at; `up` first"
        )
    client = Client(token=token, api_endpoint=endpoint, application_name="farshore-rotate", timeout=REQUEST_WITHIN_S)
    try:
        found = {str(server.id): server for server in client.servers.get_all(label_selector="farshore-host")}
        if missing := [name for number, name in servers.items() if number not in found]:
            what = f"account {account}: the new token sees no server of {choices(missing)}"
            raise RotationError(f"{what}, allowed: a token of the same project; nothing was changed")
        _write_nothing(found[next(iter(servers))])
    except APIException as error:
        hint = "make one with `Read & Write`" if error.code == "token_readonly" else "make another"
        raise RotationError(
            f"account {account}: the new token: {error.message} ({error.code}), allowed: one that opens it; {hint}, "
            "nothing was changed"
        ) from error
    except OSError as error:
        raise RotationError(
            f"account {account}: no answer ({type(error).__name__}), allowed: one; nothing was changed"
        ) from error


def _write_nothing(server: BoundServer) -> None:
    """Ask for a change that changes nothing: who may not write is told so."""
    server.update(labels=server.labels)

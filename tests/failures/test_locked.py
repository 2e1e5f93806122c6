"""A server that is still being made is locked: repair waits for it, as long as there is something to wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hcloud import Client
from hcloud.images import Image
from hcloud.server_types import ServerType

from lab.cloud.cloud import Cloud
from lab.cloud.server import make_app, serving
from lab.cloud.settings import Settings
from tools import repair_account
from tools.repair_account import Account, AccountError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hcloud.servers import BoundServer

pytestmark = pytest.mark.lab

TOKEN = "t" * 64
NEVER_S = 1e9


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A cloud whose actions end when they were looked at four times, and not before."""
    monkeypatch.setattr(repair_account, "ACTION_POLL_S", 0.002)
    return Cloud({"vault": (TOKEN,)}, settings=Settings(action_polls=4, action_lasts_s=NEVER_S))


@pytest.fixture
def endpoint(cloud: Cloud) -> Iterator[str]:
    """Where it listens; one server in it is being made."""
    with serving(make_app(cloud, control_token="c" * 64)) as address:
        yield f"{address}/v1"


def order(endpoint: str) -> None:
    """Order a server as one whose answer is lost: nobody looks at its action."""
    client = Client(token=TOKEN, api_endpoint=endpoint)
    labels = {"farshore-stack": "dev", "farshore-host": "press"}
    client.servers.create(
        name="dev-press", server_type=ServerType(name="cx23"), image=Image(name="debian-12"), labels=labels
    )


@pytest.mark.parametrize("endless", [False, True])
def test_a_server_that_is_still_being_made_is_looked_at_when_it_is_made(
    cloud: Cloud, endpoint: str, *, endless: bool
) -> None:
    """One whose answer was lost is no half-made one to be removed, only because repair came a second too early."""
    cloud.settings.endless_actions = {"create_server"} if endless else set()
    order(endpoint)
    shown = cloud.handle(TOKEN, "GET", "/servers").body
    assert shown is not None
    assert shown["servers"][0]["status"] == "initializing"
    (seen,) = (thing for thing in Account("vault", token=TOKEN, endpoint=endpoint).found() if thing.kind == "server")
    assert seen.busy == endless


def test_a_server_that_is_gone_when_it_has_stopped_changing_is_not_found(
    cloud: Cloud, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else deletes it while repair waits: that is no failure."""
    order(endpoint)
    quiet = repair_account._await_quiet

    def and_deleted(server: BoundServer) -> None:
        quiet(server)
        assert cloud.handle(TOKEN, "DELETE", f"/servers/{server.id}").status == 200

    monkeypatch.setattr(repair_account, "_await_quiet", and_deleted)
    kinds = {thing.kind for thing in Account("vault", token=TOKEN, endpoint=endpoint).found()}
    assert "server" not in kinds


def test_a_server_that_is_locked_is_awaited_and_removed(cloud: Cloud, endpoint: str) -> None:
    """The API refuses to remove it until what was begun meanwhile is over."""
    order(endpoint)
    account = Account("vault", token=TOKEN, endpoint=endpoint)
    (server,) = (thing for thing in account.found() if thing.kind == "server")
    assert cloud.handle(TOKEN, "POST", f"/servers/{server.id}/actions/reboot").status == 201
    reply = cloud.handle(TOKEN, "DELETE", f"/servers/{server.id}")
    assert (reply.status, reply.body and reply.body["error"]["code"]) == (423, "locked")
    account.remove(server)
    assert cloud.objects()["vault"].get("servers") is None


def test_a_server_that_is_made_for_ever_is_named(cloud: Cloud, endpoint: str) -> None:
    """The wait ends, with the account, the server and what to do; the server stays."""
    cloud.settings.endless_actions = {"create_server"}
    order(endpoint)
    account = Account("vault", token=TOKEN, endpoint=endpoint)
    (server,) = (thing for thing in account.found() if thing.kind == "server")
    for change in (account.remove, account.power_on):
        with pytest.raises(
            AccountError, match=r"account vault: .* server 'dev-press': .*; run repair again"
        ) as refused:
            change(server)
        assert "create_server" in str(refused.value)
    assert cloud.objects()["vault"]["servers"] == ["dev-press"]


@pytest.mark.parametrize("endless", [False, True])
def test_a_server_on_its_way_to_being_off_is_looked_at_when_it_is(
    cloud: Cloud, endpoint: str, *, endless: bool
) -> None:
    """A change of type ends without power: not called well a moment before that, and not waited for without end."""
    order(endpoint)
    client = Client(token=TOKEN, api_endpoint=endpoint, poll_interval=0.002)
    server = client.servers.get_by_name("dev-press")
    assert server is not None
    for action in server.get_actions(status=["running"]):
        action.wait_until_finished()
    server.power_off().wait_until_finished()
    cloud.settings.endless_actions = {"change_server_type"} if endless else set()
    server.change_type(ServerType(name="cx33"), upgrade_disk=False)
    server.reload()
    assert server.status == "migrating"
    (seen,) = (thing for thing in Account("vault", token=TOKEN, endpoint=endpoint).found() if thing.kind == "server")
    assert (seen.off, seen.busy) == (not endless, endless)

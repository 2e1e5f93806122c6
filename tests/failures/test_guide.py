"""docs/repair.md, row by row: the symptom, what repair finds, and that the command of that row mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.failures.accounts import door
from tests.failures.cases import Case
from tests.failures.standing import ROOT

if TYPE_CHECKING:
    from tests.failures.standing import Standing

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.xdist_group("guide")]


def test_an_orphaned_server_stops_up_until_repair_removes_it(standing: Standing) -> None:
    """The answer to its creation is lost: `up` fails on its name for ever, and the guide names the way out."""
    case = Case("Server", "create", "lost answer")
    case.begin(standing)
    case.arm(standing)
    assert case.run(standing).code != 0
    again = case.run(standing)
    assert again.code != 0
    assert "server name is already used (uniqueness_error)" in again.said
    guide = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")
    assert "(uniqueness_error)" in guide
    assert "farshore repair" in guide
    before = standing.names()
    looked = standing.repair()
    assert looked.code == 1
    assert "vault    server failing-press" in looked.said
    assert "at the account, but not in the state" in looked.said
    standing.check_silent(looked.said)
    assert standing.names() == before, "a look changes nothing"
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    assert "account vault: server 'failing-press' is removed" in mended.said
    standing.check_silent(mended.said)
    assert case.run(standing).code == 0
    assert standing.names() == standing.whole()


def test_what_somebody_removed_and_switched_off_is_mended(standing: Standing) -> None:
    """A firewall deleted and a server switched off behind Pulumi: one repair, then one `up`, and the same server."""
    case = Case("Server", "delete", "401")
    case.begin(standing)
    server = door(standing, "vault", "Server").get_by_name("failing-press")
    server.power_off().wait_until_finished()
    firewall = door(standing, "vault", "Firewall").get_by_name("failing-press")
    for action in firewall.remove_from_resources(firewall.applied_to):
        action.wait_until_finished()
    assert firewall.delete()
    looked = standing.repair()
    assert looked.code == 1
    assert "a server without power" in looked.said
    assert "in the state, but not at the account" in looked.said
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    assert "account vault: server 'failing-press' is on" in mended.said
    after = door(standing, "vault", "Server").get_by_name("failing-press")
    assert (after.id, after.status) == (server.id, "running")
    done = standing.engine("up", "--refresh")
    assert done.code == 0, done.said
    assert standing.names() == standing.whole()
    assert door(standing, "vault", "Server").get_by_name("failing-press").id == server.id


def test_an_empty_state_does_not_make_a_deployment_an_orphan(standing: Standing) -> None:
    """With another backend everything looks orphaned: consent alone is not enough, nor does a stranger's go."""
    Case("Server", "delete", "401").begin(standing)
    stranger = door(standing, "vault", "SshKey").create(
        name="stranger",
        public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQ6eYbTLuvv3iZYg0UuT3xl7Sd2kYO5m0tGYYkXqQ4d",
        labels={"farshore-stack": "another", "farshore-host": "press"},
    )
    whole = standing.names()
    kept = standing.work.run(["stack", "export", "--stack", "failing"])
    standing.import_state(standing.empty_state(kept))
    refused = standing.repair("--yes")
    assert refused.code == 2
    assert "state of 'failing': empty, allowed: one that knows some of the deployment" in refused.said
    assert standing.names() == whole
    removed = standing.repair("--yes", "--without-state")
    assert removed.code == 0, removed.said
    assert standing.names() == {"edge": {}, "vault": {"ssh_keys": ["stranger"]}}
    assert stranger.delete()


def test_a_token_that_opens_nothing_is_told_without_being_shown(standing: Standing) -> None:
    """Repair names the account and the reason, and ends."""
    standing.arm(status=401, code="unauthorized", message="the token is invalid", account="edge")
    refused = standing.repair("--yes")
    standing.disarm()
    assert refused.code == 2
    assert "account edge: reading: the token is invalid (unauthorized)" in refused.said
    standing.check_silent(refused.said)

"""What the provider does wrong, seen through the real program: said plainly, then finished, with nothing left over.

The stack is one for the module. A test brings it to where its verb has something to do, so that any may run alone;
in this order each begins where the one before ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.failures.cases import FAULTS, KINDS, REASON, VERBS, Case, door, labels
from tests.failures.standing import ROOT

if TYPE_CHECKING:
    from tests.failures.standing import Run, Standing

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.xdist_group("failures")]

# Each kind and verb once, each fault at least once.
CHOSEN: Final = (
    Case("PrimaryIp", "create", "401"),
    Case("SshKey", "update", "403"),
    Case("Firewall", "update", "423"),
    Case("Server", "update", "500"),
    Case("Server", "delete", "503"),
    Case("SshKey", "create", "409"),
    Case("PrimaryIp", "update", "lost answer"),
    Case("Firewall", "delete", "403"),
    Case("Server", "create", "412"),
    Case("SshKey", "delete", "429"),
    Case("Firewall", "create", "half an answer"),
    Case("PrimaryIp", "delete", "503"),
    Case("Server", "create", "failed action"),
)
MATRIX: Final = tuple(
    case
    for fault in FAULTS
    for verb in VERBS
    for kind in KINDS
    if (case := Case(kind, verb, fault)).possible and case not in CHOSEN
)


def check(standing: Standing, case: Case) -> Run:
    """Meet the fault, see that it is told and that the same command finishes; return what failed."""
    case.begin(standing)
    case.arm(standing)
    failed = case.run(standing)
    assert standing.disarm() == 0, f"the fault was not met: {failed.said}"
    standing.check_silent(failed.said)
    if failed.code:
        told = failed.said.partition("Diagnostics:")[2]
        assert case.resource in told, failed.said
        assert "Traceback" not in failed.said
        assert "panic" not in failed.said
        if "message" in FAULTS[case.fault]:
            assert f"{REASON} ({FAULTS[case.fault]['code']})" in told
    finish(standing, case)
    return failed


def finish(standing: Standing, case: Case) -> None:
    """Run the command again, after `farshore repair` where it names an orphan or what is gone."""
    looked = standing.repair()
    assert looked.code in {0, 1}, looked.said
    if "--yes" in looked.said:
        mended = standing.repair("--yes")
        assert "is removed" in mended.said or "is refreshed" in mended.said, mended.said
        standing.check_silent(mended.said)
    done = case.run(standing)
    assert done.code == 0, done.said
    assert standing.names() == case.end(standing)
    assert labels(standing) in ([], [{"farshore-stack": "failing", "farshore-host": "press"}])
    looked = standing.repair()
    assert looked.code == 0, looked.said


@pytest.mark.parametrize("case", CHOSEN, ids=str)
def test_a_failure_is_told_and_the_same_command_finishes(standing: Standing, case: Case) -> None:
    """Told with its resource and the provider's reason, and nothing secret; then nothing leaked, nothing doubled."""
    failed = check(standing, case)
    # The provider itself tries again to delete an address.
    assert (failed.code == 0) is (case == Case("PrimaryIp", "delete", "503")), failed.said


@pytest.mark.long
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_every_failure_ends_well(standing: Standing, case: Case) -> None:
    """The rest of the matrix: whatever the provider hides or shows, the same command finishes."""
    check(standing, case)


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
    server = door(standing, "Server").get_by_name("failing-press")
    server.power_off().wait_until_finished()
    firewall = door(standing, "Firewall").get_by_name("failing-press")
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
    after = door(standing, "Server").get_by_name("failing-press")
    assert (after.id, after.status) == (server.id, "running")
    done = standing.engine("up", "--refresh")
    assert done.code == 0, done.said
    assert standing.names() == standing.whole()
    assert door(standing, "Server").get_by_name("failing-press").id == server.id


def test_an_empty_state_does_not_make_a_deployment_an_orphan(standing: Standing) -> None:
    """With another backend everything looks orphaned: consent alone is not enough, nor does a stranger's go."""
    Case("Server", "delete", "401").begin(standing)
    stranger = door(standing, "SshKey").create(
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

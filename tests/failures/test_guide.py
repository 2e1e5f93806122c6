"""docs/repair.md, row by row: the symptom, what repair finds, and that the command of that row mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.failures.accounts import door
from tests.failures.cases import SOURCES, Case
from tests.failures.checking import check_agreement, mend
from tests.failures.standing import ROOT, RUN_WITHIN_S

if TYPE_CHECKING:
    from tests.failures.standing import Standing

pytestmark = [pytest.mark.lab, pytest.mark.long, pytest.mark.xdist_group("guide")]

CREATE = Case("Server", "create", "lost answer")
STAND = Case("Server", "delete", "401")  # begins with a deployment that stands


def guide() -> list[list[str]]:
    """Return the cells of the guide's table: symptom, found, command, what it does."""
    text = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:] if not line.startswith("|-")]


def check_symptom(quoted: str) -> None:
    """Check that the guide's table has a symptom in these words."""
    assert any(quoted in row[0] for row in guide()), f"no row of docs/repair.md has the symptom {quoted!r}"


def check_look(standing: Standing, *resource: str) -> None:
    """Look without consent: it is found in the guide's words, by account and resource, and nothing changes."""
    before = standing.names(), standing.powers()
    looked = standing.repair()
    assert looked.code == 1, looked.said
    line = next((line for line in looked.said.splitlines() if all(word in line for word in resource)), None)
    assert line is not None, looked.said
    assert any(row[1] and row[1] in line for row in guide()), f"no row of docs/repair.md has what repair found: {line}"
    standing.check_silent(looked.said)
    assert (standing.names(), standing.powers()) == before, "a look changes nothing"


def check_whole(standing: Standing) -> None:
    """Do what the guide says after any failed update; then the deployment stands and repair has nothing to do."""
    standing.up("--refresh")
    assert standing.names() == standing.whole()
    assert set(standing.powers()) == {"on"}
    check_agreement(standing)


def test_an_orphaned_server_stops_up_until_it_is_repaired(standing: Standing) -> None:
    """The answer to its creation is lost: `up` fails on its name for ever, and the guide names the way out."""
    CREATE.begin(standing)
    CREATE.arm(standing)
    assert standing.engine("up").code != 0
    for flags in ((), ("--refresh",)):
        again = standing.engine("up", *flags)
        assert again.code != 0
        assert "server name is already used (uniqueness_error)" in again.said
    check_symptom("(uniqueness_error)")
    check_look(standing, "vault", "server failing-press")
    mend(standing)
    check_whole(standing)


def test_an_orphaned_server_keeps_destroy_waiting(standing: Standing) -> None:
    """It holds its addresses, which the provider tries to delete again and again; interrupted and mended, it ends."""
    CREATE.begin(standing)
    CREATE.arm(standing)
    assert standing.engine("up").code != 0
    engine = standing.started("destroy")
    try:
        # Nothing but the orphan and what it holds is left, and still it goes on.
        held = {"servers": ["failing-press"], "primary_ips": ["failing-press-ipv4", "failing-press-ipv6"]}
        until(lambda: standing.holds("vault", held), RUN_WITHIN_S, "all but the orphan removed")
        assert not engine.ended
        engine.interrupt()
    finally:
        engine.kill()
    check_symptom("`destroy` goes on for ever")
    check_look(standing, "vault", "server failing-press")
    mend(standing)
    done = standing.engine("destroy")
    assert done.code == 0, done.said
    assert not any(standing.names().values())
    check_agreement(standing)


def remove_firewall(standing: Standing) -> int:
    """Remove the shield's firewall behind Pulumi's back and return the server's id."""
    STAND.begin(standing)
    firewall = door(standing, "edge", "Firewall").get_by_name("failing-falkenstein")
    for action in firewall.remove_from_resources(firewall.applied_to):
        action.wait_until_finished()
    assert firewall.delete()
    return int(door(standing, "edge", "Server").get_by_name("failing-falkenstein").id)


def test_a_firewall_that_somebody_removed_fails_its_update(standing: Standing) -> None:
    """`up` that changes nothing of it never notices; mended, it is made anew and applied to the same server."""
    server = remove_firewall(standing)
    assert standing.engine("up").code == 0
    standing.admit(next(source for source in SOURCES if standing.configured_sources() != [source]))
    failed = standing.engine("up")
    assert failed.code != 0
    assert "farshore-edge.falkenstein-firewall" in failed.said.partition("Diagnostics:")[2], failed.said
    check_symptom("`not_found`, or the plugin crashes")
    check_look(standing, "edge", "firewall", "falkenstein")
    mend(standing)
    check_whole(standing)
    assert door(standing, "edge", "Server").get_by_name("failing-falkenstein").id == server
    assert standing.ssh_sources() == standing.configured_sources()
    (wall,) = door(standing, "edge", "Firewall").get_all()
    assert [one.server.id for one in wall.applied_to] == [server]


def test_a_firewall_that_somebody_removed_is_forgotten_before_destroy(standing: Standing) -> None:
    """The original provider crashes over its deletion; after repair there is none to delete."""
    remove_firewall(standing)
    check_look(standing, "edge", "firewall", "falkenstein")
    mend(standing)
    done = standing.engine("destroy")
    assert done.code == 0, done.said
    assert "falkenstein-firewall" not in done.said
    assert not any(standing.names().values())


def test_a_server_whose_new_type_was_refused_stays_off(standing: Standing) -> None:
    """It was switched off for it. Repair switches it on, with the type it had; the next `up` changes that."""
    case = Case("Server", "resize", "412")
    case.begin(standing)
    case.arm(standing)
    before = standing.server_types()
    failed = standing.engine("up")
    assert failed.code != 0
    assert sorted(standing.powers()) == ["off", "on"]
    check_symptom("a host does not answer, after a change of its type was refused")
    check_look(standing, "vault", "server failing-press")
    mend(standing)
    assert set(standing.powers()) == {"on"}
    assert standing.server_types() == before


def test_a_server_that_was_resized_stays_off_although_all_is_well(standing: Standing) -> None:
    """The provider reports success and leaves it so; neither `up` nor `up --refresh` sees it, but repair does."""
    case = Case("Server", "resize", "latency")
    case.begin(standing)
    for flags in ((), (), ("--refresh",)):
        standing.up(*flags)
        assert sorted(standing.powers()) == ["off", "on"]
    check_look(standing, "vault", "server failing-press")
    mend(standing)
    case.check_end(standing)
    check_whole(standing)


def test_an_interrupted_creation_is_named_until_it_is_repaired(standing: Standing) -> None:
    """The engine was killed before the answer: the next `up` says so, and repair clears what is pending."""
    CREATE.begin(standing)
    standing.arm(method="POST", path="/servers", account="vault", delay_s=60.0)
    engine = standing.started("up")
    until(lambda: None if standing.cloud.door.ask("GET", "faults") else True, RUN_WITHIN_S, "the request", every_s=0.01)
    engine.kill()
    locked = standing.engine("up")
    assert "lock" in locked.said
    check_symptom("locked")
    standing.cancel()
    interrupted = standing.engine("up")
    assert interrupted.code != 0
    assert "interrupted while creating" in interrupted.said
    check_symptom("operations were interrupted")
    mend(standing)
    done = standing.engine("up", "--refresh")
    assert "interrupted while" not in done.said, done.said
    check_whole(standing)


def test_a_server_that_is_half_made_passes_as_healthy(standing: Standing) -> None:
    """Its creation ended in an error: the state has it with that, and the next `up` takes it for whole."""
    case = Case("Server", "create", "failed action")
    case.begin(standing)
    case.arm(standing)
    assert standing.engine("up").code != 0
    check_symptom("`up` failed in the middle of a change")
    check_look(standing, "vault", "server failing-press")
    standing.up("--refresh")
    check_whole(standing)


@pytest.mark.parametrize("kind", ["Firewall", "Server"])
def test_an_update_whose_first_read_fails_is_lost_silently(standing: Standing, kind: str) -> None:
    """The state has it as made and the next `up` reports an update, but the account hears of it by a refresh only."""
    case = Case("Firewall", "rules", "500") if kind == "Firewall" else Case("Server", "resize", "500")
    case.begin(standing)
    before = standing.ssh_sources(), standing.server_types()
    path = "/firewalls/*" if kind == "Firewall" else "/servers/*"
    standing.arm(method="GET", path=path, account=case.account, status=500, code="server_error")
    failed = standing.engine("up")
    assert failed.code != 0
    assert case.resource in failed.said.partition("Diagnostics:")[2]
    assert standing.disarm() == 0
    assert standing.engine("up").code == 0
    assert (standing.ssh_sources(), standing.server_types()) == before, "the provider has learnt to send it"
    text = (ROOT / "docs" / "repair.md").read_text(encoding="utf-8")
    assert "After any failed update run `pulumi up --refresh`" in text
    standing.up("--refresh")
    mend(standing)
    case.check_end(standing)
    check_whole(standing)


def test_an_empty_state_does_not_make_a_deployment_an_orphan(standing: Standing) -> None:
    """With another backend everything looks orphaned: consent alone is not enough, nor does a stranger's go."""
    STAND.begin(standing)
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

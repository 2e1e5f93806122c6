"""`farshore repair` with the stand-in engine: each row of docs/repair.md, and that a second repair finds all well."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import pytest

from tests.repair.cases import check_everything_lost, check_killed_engine, check_lost_answer
from tests.repair.standing import ALL_WELL, STACK, Run

if TYPE_CHECKING:
    from tests.repair.standing import Standing

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("repair")]

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBQ6eYbTLuvv3iZYg0UuT3xl7Sd2kYO5m0tGYYkXqQ4d"
PRESS = f"{STACK}-press"


def leave_key(standing: Standing) -> int:
    """Leave a key of a host that the program does not know: an orphan to be removed."""
    labels = {"farshore-stack": STACK, "farshore-host": "former"}
    made = standing.door("ssh_keys").create(name=f"{STACK}-former", public_key=PUBLIC_KEY, labels=labels)
    return int(made.id)


def empty(standing: Standing) -> None:
    """Begin with nothing."""
    done = standing.run("destroy")
    assert done.code == 0, done.said


def test_a_server_whose_answer_was_lost_is_adopted(standing: Standing) -> None:
    """It is what the program asks for: the state takes it over as it is, and `up` has nothing to change."""
    check_lost_answer(standing, "/servers", "server", PRESS)


@pytest.mark.long
def test_consent_without_a_terminal_is_a_flag(standing: Standing) -> None:
    """Nobody is there to ask: it looks, names the command and ends with 1; with the flag it mends and says so."""
    standing.stand()
    before = standing.ids()
    orphan = leave_key(standing)
    looked = standing.repair()
    assert looked.code == 1
    assert f"vault    ssh_key {STACK}-former  {orphan}" in looked.said
    assert "remove it: the program does not ask for it" in looked.said
    assert "nothing was changed; to mend it, run: bin/farshore repair" in looked.said
    assert standing.ids() != before
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    assert f"account vault: ssh_key '{STACK}-former' is removed" in mended.said
    assert standing.ids() == before
    assert standing.repair() == Run(0, ALL_WELL)


@pytest.mark.parametrize("answer", ["", pytest.param("yes", marks=pytest.mark.long)])
def test_at_a_terminal_anything_but_the_stacks_name_changes_nothing(standing: Standing, answer: str) -> None:
    """What is erased is listed before the question; a word typed by habit is no consent."""
    standing.stand()
    orphan = leave_key(standing)
    try:
        before = standing.ids()
        refused = standing.repair_at_terminal(answer)
        assert refused.code == 1, refused.said
        listed = f"this is removed for good:\r\n  account vault: ssh_key {STACK}-former ({orphan})"
        assert listed in refused.said
        assert "nothing was changed" in refused.said
        assert standing.ids() == before
    finally:
        standing.door("ssh_keys").get_by_id(orphan).delete()


def test_at_a_terminal_the_stacks_name_is_consent(standing: Standing) -> None:
    """Typed, it mends."""
    standing.stand()
    before = standing.ids()
    leave_key(standing)
    mended = standing.repair_at_terminal(STACK)
    assert mended.code == 0, mended.said
    assert "is removed" in mended.said
    assert standing.ids() == before


@pytest.mark.long
@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0)])
def test_what_erases_nothing_is_asked_for_with_a_plain_question(standing: Standing, answer: str, code: int) -> None:
    """A server without power: yes or no."""
    standing.stand()
    server = standing.door("servers").get_by_name(PRESS)
    if server.status == "running":
        server.power_off().wait_until_finished()
    done = standing.repair_at_terminal(answer)
    assert done.code == code, done.said
    assert "a server without power" in done.said
    assert "removed for good" not in done.said
    assert standing.door("servers").get_by_name(PRESS).status == ("running" if answer == "y" else "off")


@pytest.mark.long
def test_a_second_repair_at_the_same_time_is_refused(standing: Standing) -> None:
    """Whoever holds the stack file mends; the other ends before it changes anything."""
    standing.stand()
    orphan = leave_key(standing)
    with standing.work.stack_file.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = standing.ids()
        refused = standing.repair("--yes")
        assert refused.code == 2
        assert f"stack '{STACK}': another repair is at work, allowed: one at a time; wait for it\n" in refused.said
        assert standing.ids() == before
        assert standing.repair().code == 1, "looking is allowed"
    assert standing.repair("--yes").code == 0
    assert orphan not in standing.ids()["vault ssh_keys"]


@pytest.mark.long
def test_a_server_that_lost_its_firewall_and_an_address_gets_them_back(standing: Standing) -> None:
    """The state says that all is well, and `up` would never see the address: repair names them and attaches them."""
    standing.stand()
    before = standing.ids()
    server = standing.door("servers").get_by_name(PRESS)
    firewall = standing.door("firewalls").get_by_name(PRESS)
    for action in firewall.remove_from_resources(firewall.applied_to):
        action.wait_until_finished()
    server.power_off().wait_until_finished()
    standing.door("primary_ips").get_by_name(f"{PRESS}-ipv4").unassign().wait_until_finished()
    server.power_on().wait_until_finished()
    assert standing.run("preview", "--expect-no-changes").code == 0, "passes as healthy"
    looked = standing.repair()
    assert looked.code == 1
    assert f"attach firewall {PRESS}, primary_ip {PRESS}-ipv4" in looked.said
    assert "a server without what it was made with" in looked.said
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    after = standing.door("servers").get_by_name(PRESS)
    assert (after.id, after.status) == (server.id, "running")
    assert [one.firewall.id for one in after.public_net.firewalls] == [firewall.id]
    assert after.public_net.primary_ipv4.id in before["vault primary_ips"]
    standing.up("--refresh")
    assert standing.ids() == before
    standing.check_mended()


@pytest.mark.long
def test_a_half_made_orphan_is_removed_and_the_finding_says_why(standing: Standing) -> None:
    """A server without its firewall stands open, and nobody knows for how long: it is made again, not adopted."""
    standing.stand()
    before = standing.ids()
    standing.lose(lambda row: row["id"] == str(before["vault servers"][0]) if row.get("id") else False)
    firewall = standing.door("firewalls").get_by_name(PRESS)
    for action in firewall.remove_from_resources(firewall.applied_to):
        action.wait_until_finished()
    looked = standing.repair()
    assert looked.code == 1
    assert "remove it, with all the data on it: it was made without its firewall" in looked.said
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    standing.up("--refresh")
    after = standing.ids()
    assert after["vault servers"] != before["vault servers"]
    assert {place: ids for place, ids in after.items() if "servers" not in place} == {
        place: ids for place, ids in before.items() if "servers" not in place
    }
    standing.check_mended()


@pytest.mark.long
def test_what_the_program_asks_for_is_removed_on_demand(standing: Standing) -> None:
    """`--remove` asks nobody what the program wants."""
    standing.stand()
    before = standing.ids()
    standing.lose(lambda row: row.get("id") == str(before["vault servers"][0]))
    looked = standing.repair("--remove")
    assert "adopt" not in looked.said
    assert "--remove --yes" in looked.said
    mended = standing.repair("--remove", "--yes")
    assert mended.code == 0, mended.said
    assert standing.ids()["vault servers"] == []
    standing.up("--refresh")
    standing.check_mended()


@pytest.mark.long
def test_a_published_address_whose_answer_was_lost_is_adopted(standing: Standing) -> None:
    """It keeps its address: nothing that was published changes."""
    empty(standing)
    check_lost_answer(standing, "/primary_ips", "primary_ip", f"{PRESS}-ipv")


@pytest.mark.long
def test_a_state_from_yesterday_takes_over_all_that_came_since(standing: Standing) -> None:
    """All objects of both accounts at once, servers after what they are attached to."""
    check_everything_lost(standing)


@pytest.mark.long
def test_an_engine_that_was_killed_leaves_a_mark_that_is_cleared(standing: Standing) -> None:
    """And the server that it was making is adopted."""
    empty(standing)
    check_killed_engine(standing)


@pytest.mark.long
def test_destroy_gives_up_at_an_orphans_address_and_ends_after_repair(standing: Standing) -> None:
    """Five minutes as the provider itself, then it fails with the account's words; the orphan goes, and all the rest."""
    empty(standing)
    standing.arm(method="POST", path="/servers", account="vault", drop="after")
    assert standing.run("up").code != 0
    failed = standing.run("destroy")
    assert failed.code != 0
    assert "must_be_unassigned" in failed.said
    looked = standing.repair()
    assert looked.code == 1
    assert f"vault    server {PRESS}" in looked.said
    mended = standing.repair("--yes")
    assert mended.code == 0, mended.said
    empty(standing)
    assert not any(standing.ids().values())
    assert standing.repair() == Run(0, ALL_WELL)

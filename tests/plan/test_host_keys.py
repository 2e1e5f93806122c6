"""Which SSH host key of a host is believed: that of the generation in use, as the host itself said it."""

from __future__ import annotations

from dataclasses import replace

from plan.host_keys import believed_key, host_key_algorithm, read_host_keys
from plan.standing import Told, read_standing, told_to, what_it_knows
from tests.stacks import planned

FIRST, SECOND, THIRD = "ssh-ed25519 AAAAone", "ecdsa-sha2-nistp384 AAAAtwo", "ssh-ed25519 AAAAthree"


def told(*keys: str) -> Told:
    """Return what a run has left of server 7, which said these keys."""
    plan = planned()
    return replace(told_to(plan, plan.origins[0], "", ""), server="7", host_keys=keys)


def test_generations_take_turns_at_two_algorithms() -> None:
    """A server offers one key of each, and none is that of the birth."""
    assert [host_key_algorithm(one) for one in (1, 2, 3)] == ["ssh-ed25519", "ecdsa-sha2-nistp384", "ssh-ed25519"]


def test_what_a_host_says_beside_its_keys_is_none() -> None:
    """A confirmation's digest, the key of the birth, a word that looks like one."""
    said = f"confirmed sha256:0\n{FIRST}\necdsa-sha2-nistp256 AAAAbirth\n{SECOND}\nssh-ed25519-cert AAAA\n"
    assert read_host_keys(said) == (FIRST, SECOND)
    assert read_host_keys("confirmed sha256:0") == ()


def test_the_key_in_use_is_believed_through_a_whole_rotation() -> None:
    """From the first contact's to the second, and on to a third of the first one's algorithm."""
    assert believed_key(None, "7", FIRST, 1) == FIRST
    assert believed_key(told(), "7", FIRST, 1) == FIRST
    assert believed_key(told(FIRST, SECOND), "7", FIRST, 1) == FIRST
    assert believed_key(told(FIRST, SECOND), "7", FIRST, 2) == SECOND
    assert believed_key(told(SECOND), "7", FIRST, 2) == SECOND
    assert believed_key(told(SECOND, THIRD), "7", FIRST, 3) == THIRD
    assert believed_key(told(THIRD), "7", FIRST, 3) == THIRD


def test_another_server_is_believed_by_what_it_said_itself() -> None:
    """Its predecessor's keys are nobody's; a server that was born with two generations has said both."""
    assert (
        believed_key(told(SECOND), "8", f"{FIRST}\necdsa-sha2-nistp384 AAAAother\n", 2)
        == "ecdsa-sha2-nistp384 AAAAother"
    )
    assert believed_key(told(FIRST), "8", THIRD, 1) == THIRD


def test_what_a_server_said_is_known_until_it_says_more_or_is_gone() -> None:
    """Through the outputs and back; a run that did not speak to it forgets nothing."""
    before = told(FIRST, SECOND)
    (found,) = read_standing({"hosts": {"press": before.as_output()}}).hosts.values()
    assert found == before
    now = told()
    assert what_it_knows(before, "7", now, delivered=False).host_keys == (FIRST, SECOND)
    assert what_it_knows(before, "7", now, delivered=True, host_keys=(SECOND,)).host_keys == (SECOND,)
    assert what_it_knows(before, "8", now, delivered=True, host_keys=(THIRD,)).host_keys == (THIRD,)
    assert what_it_knows(before, "8", now, delivered=False).host_keys == ()
    assert "host_keys" not in now.as_output()

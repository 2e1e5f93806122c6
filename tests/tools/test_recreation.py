"""What `farshore recreate` holds for kept, lost and new: states, outputs and its journal as values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.stacks import changed, planned
from tools.recreation import Journal, Kept, RecreateError, compare_outputs, find_kept, judge_kept, tell_loss

if TYPE_CHECKING:
    from pathlib import Path


def row(kind: str, name: str, *, protect: bool = False) -> dict[str, Any]:
    """Return a resource of a state."""
    return {"urn": f"urn:pulumi:s::farshore::a$b::{name}", "type": kind, **({"protect": True} if protect else {})}


ADDRESS = row("hcloud:index/primaryIp:PrimaryIp", "farshore-vault.press-ipv4", protect=True)
VOLUME = row("hcloud:index/volume:Volume", "farshore-vault.press-volume", protect=True)
KEY = row("pulumi:index:Stash", "farshore-vault.press-data-key", protect=True)
OTHER = row("pulumi:index:Stash", "farshore-keys-press-delivery")
KEPT = Kept(addresses=1, volumes=1, open=(), keys=("farshore-vault.press-data-key",), others=0)


def test_a_state_tells_what_a_destroy_leaves() -> None:
    """Addresses, volumes, their keys; a key of another kind goes, and counts as long as it is there."""
    assert find_kept([ADDRESS, VOLUME, KEY, row("pulumi:providers:hcloud", "farshore-vault-provider")]) == KEPT
    assert find_kept([ADDRESS, VOLUME, KEY, OTHER]).others == 1
    for one in (ADDRESS, VOLUME, KEY):
        found = find_kept([{**one, "protect": False}])
        assert found.open == (one["urn"].rpartition("::")[2],)
        assert (found.addresses, found.volumes, found.keys) == (0, 0, ())


def test_what_would_go_is_refused_with_the_way() -> None:
    """Released, or kept by the stack file alone: a volume's key that is not protected is as bad as its volume."""
    assert list(judge_kept(planned(), KEPT)) == []
    (released,) = judge_kept(planned(changed(addresses="release")), KEPT)
    assert str(released).startswith(
        "farshore:addresses: release, for falkenstein, press, allowed: keep, so that addresses and data volumes"
    )
    (early,) = judge_kept(planned(), find_kept([ADDRESS, VOLUME, {**KEY, "protect": False}]))
    assert str(early) == (
        "state: farshore-vault.press-data-key not protected, allowed: all of them; `up` first: the stack file says keep"
    )


def test_what_is_erased_is_said_before() -> None:
    """Every disk, but for what lies on a volume."""
    assert tell_loss(planned()).endswith("and the disks of falkenstein, press")
    told = tell_loss(planned(changed(origins__press__data={"size_gb": 20})))
    assert told.endswith("and the disks of falkenstein, press but what is in /srv")


BEFORE: dict[str, Any] = {
    "origins": {"www.example.com": {"address": "10.0.0.2"}},
    "shields": {"falkenstein": {"ipv4": "203.0.113.10"}},
    "dns": [],
    "diagram": "flowchart",
    "tunnels": {"press/fs0g0": {"public_key": "a", "listen_port": 51820}},
    "devices": {"laptop": {"falkenstein": "file"}},
    "standing": {"hosts": {"press": {"server": "1"}}},
}
AFTER: dict[str, Any] = {
    **BEFORE,
    "tunnels": {"press/fs0g0": {"public_key": "b", "listen_port": 51820}},
    "devices": {"laptop": {"falkenstein": "another"}},
    "standing": {"hosts": {"press": {"server": "2"}}},
}


def test_new_keys_and_new_files_are_told_from_what_must_not_change() -> None:
    """Keys and servers differ, and that is all right; an address, a port or an old key is named."""
    found = compare_outputs(BEFORE, AFTER)
    assert (found.changed, found.tunnels, found.old_keys, found.devices) == ((), 1, (), ("laptop",))
    assert compare_outputs(BEFORE, {**AFTER, "shields": {}}).changed == ("shields",)
    moved = {"press/fs0g0": {"public_key": "b", "listen_port": 51821}}
    assert compare_outputs(BEFORE, {**AFTER, "tunnels": moved}).changed == ("tunnels",)
    assert compare_outputs(BEFORE, BEFORE).old_keys == ("press/fs0g0",)
    assert compare_outputs(BEFORE, BEFORE).devices == ()


def test_a_journal_says_what_is_next_until_its_end(tmp_path: Path) -> None:
    """For its owner alone, replaced at once; none is nothing, and a strange one is refused."""
    journal = Journal(tmp_path / "journal")
    assert journal.read() is None
    journal.write("destroy", BEFORE)
    assert journal.path.stat().st_mode & 0o777 == 0o600
    assert journal.read() == ("destroy", BEFORE)
    journal.write("up", BEFORE)
    assert journal.read() == ("up", BEFORE)
    journal.end()
    assert journal.read() is None
    for strange in ("", "[]", json.dumps({"step": "up"})):
        journal.path.write_text(strange, encoding="utf-8")
        with pytest.raises(RecreateError, match="allowed: what an earlier run wrote; remove it, then `up`"):
            journal.read()

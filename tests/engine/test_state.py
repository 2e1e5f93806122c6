"""A checkpoint is whole or it is refused, and a file of the backend is the old one or the new one."""

from __future__ import annotations

import errno
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.engine.backend import (
    Backend,
    BackendError,
    StackMissingError,
    select_stack,
    selected_stack,
    write_private,
)
from lab.engine.checkpoint import (
    CheckpointError,
    Pending,
    Snapshot,
    check_home,
    check_rows,
    dump_deployment,
    load_deployment,
    unwrap_document,
    wrap,
)
from lab.engine.journal import Journal
from lab.engine.operations import Step
from lab.engine.refresh import prune
from lab.engine.rows import Row, dump_row, load_row
from lab.engine.stored import Stored
from lab.engine.values import Secret
from tests.engine.test_levels import row, urn


class Turned:
    """Encrypt by turning a text round: enough to see what is encrypted."""

    def encrypt(self, plain: str) -> str:
        """Turn the text round."""
        return plain[::-1]

    def decrypt(self, text: str) -> str:
        """Turn it back."""
        return text[::-1]


CODEC = Stored(Turned())

FULL = Row(
    urn=urn("full"),
    type="a:b:C",
    custom=True,
    id="7",
    inputs={"x": Secret("y")},
    outputs={"x": Secret("y"), "n": 1},
    parent=urn("parent"),
    provider=f"{urn('provider')}::p",
    dependencies=(urn("a"),),
    property_dependencies={"x": (urn("a"),), "n": ()},
    protect=True,
    pending_replacement=True,
    retain_on_delete=True,
    deleted_with=urn("host"),
    replace_with=(urn("partner"),),
    replacement_trigger="1",
    additional_secret_outputs=("n",),
    ignore_changes=("x",),
    replace_on_changes=("n",),
    init_errors=("half done",),
    custom_timeouts={"create": 60},
    import_id="8",
    created="2026-01-01T00:00:00Z",
    modified="2026-01-02T00:00:00Z",
    rest={"sourcePosition": "project:///__main__.py#1,2"},
)


def latest_of(*rows: Row) -> dict[str, Any]:
    """Return the `latest` of a checkpoint with these rows."""
    return dump_deployment(
        [dump_row(one, CODEC.dump) for one in rows], (), CODEC, salt="v1:s:p", time="2026-01-01T00:00:00Z"
    )


def test_every_field_of_a_row_survives_the_checkpoint() -> None:
    """Also keys that this engine does not read."""
    stored = json.loads(json.dumps(dump_row(FULL, CODEC.dump)))
    assert vars(load_row(stored, CODEC)) == vars(FULL)
    assert stored["inputs"]["x"]["ciphertext"] == '"y"'[::-1]


def test_an_empty_field_is_left_out() -> None:
    """A row says only what it has to say; an input without dependencies keeps its empty list."""
    bare = Row(urn=urn("a"), type="a:b:C", custom=False, property_dependencies={"x": ()})
    assert dump_row(bare, CODEC.dump) == {
        "urn": urn("a"),
        "custom": False,
        "type": "a:b:C",
        "propertyDependencies": {"x": []},
    }


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row("b", "a"), row("a")], "names .*::a, which does not stand above it"),
        ([replace(row("b"), provider=f"{urn('p')}::1")], "names .*::p, which does not stand above it"),
        ([row("a"), row("a")], "::a stands there twice"),
        ([replace(row("a", custom=False), id="7")], "component .*::a has an id"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(rows: list[Row], fault: str) -> None:
    """On reading as on writing."""
    with pytest.raises(CheckpointError, match=fault):
        check_rows(rows)
    with pytest.raises(CheckpointError, match=fault):
        load_deployment(latest_of(*rows), CODEC)


def test_a_replaced_row_may_share_its_urn() -> None:
    """Once: with the row that is to be deleted."""
    check_rows([row("a"), replace(row("a"), delete=True)])


def test_a_manifest_whose_magic_is_not_of_its_version_is_refused() -> None:
    """Any version with its own hash is welcome, a mismatch never."""
    latest = latest_of(row("a"))
    latest["manifest"]["version"] = "v3.0.0"
    with pytest.raises(CheckpointError, match=r"magic does not belong to version 'v3\.0\.0'"):
        load_deployment(latest, CODEC)


def test_a_checkpoint_of_another_format_is_refused() -> None:
    """What can't be understood is not guessed."""
    document = wrap("shop", "dev", latest_of(row("a")))
    assert unwrap_document(document) == document["checkpoint"]["latest"]
    with pytest.raises(CheckpointError, match="format 9, allowed: 3 and 4"):
        unwrap_document({**document, "version": 9})


def test_replace_with_needs_the_newer_format() -> None:
    """Pulumi reads it only when told that it is there."""
    plain = wrap("shop", "dev", latest_of(row("a")))
    newer = wrap("shop", "dev", latest_of(row("a"), replace(row("b"), replace_with=(urn("a"),))))
    assert (plain["version"], plain.get("features")) == (3, None)
    assert (newer["version"], newer["features"]) == (4, ["replaceWith"])


def test_files_are_for_their_owner_and_the_one_before_is_kept(tmp_path: Path) -> None:
    """0600 in 0700, under any umask."""
    backend = Backend(tmp_path / "state" / ".pulumi")
    before = os.umask(0)
    try:
        backend.create("shop", "dev", {"n": 1})
        backend.write("shop", "dev", '{"n":2}')
    finally:
        os.umask(before)
    file = backend.stack_file("shop", "dev")
    assert backend.read("shop", "dev") == {"n": 2}
    assert json.loads(file.with_name("dev.json.bak").read_text()) == {"n": 1}
    for path in (tmp_path / "state").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert not list(file.parent.glob("*.tmp"))


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """Nothing is opened for writing in place."""
    file = tmp_path / "state.json"
    write_private(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(file, "new \ud800")
    assert file.read_text() == "old"


def test_a_second_lock_is_refused_and_says_who_holds_the_first(tmp_path: Path) -> None:
    """Until it is released, or cancelled."""
    backend = Backend(tmp_path)
    lock = backend.lock("shop", "dev")
    with pytest.raises(BackendError, match=rf"locked by 1 lock.*pulumi cancel.*\n.*@.* \(pid {os.getpid()}\)"):
        backend.lock("shop", "dev")
    backend.lock("shop", "other").release()
    lock.release()
    backend.lock("shop", "dev")
    assert backend.cancel("shop", "dev") == 1
    backend.lock("shop", "dev").release()


def test_a_stack_is_made_once_and_missed_by_name(tmp_path: Path) -> None:
    """An unknown stack has an exit code of its own."""
    backend = Backend(tmp_path)
    with pytest.raises(StackMissingError, match="no stack named 'dev' found"):
        backend.read("shop", "dev")
    backend.create("shop", "dev", {})
    with pytest.raises(BackendError, match="stack 'dev' already exists"):
        backend.create("shop", "dev", {})
    assert backend.stacks("shop") == ["dev"]
    assert backend.stacks("other") == []


def test_the_selected_stack_belongs_to_the_project_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkouts of one project select apart."""
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    select_stack(Path("/a/Pulumi.yaml"), "shop", "dev")
    assert selected_stack(Path("/a/Pulumi.yaml"), "shop") == "dev"
    assert selected_stack(Path("/b/Pulumi.yaml"), "shop") is None
    select_stack(Path("/a/Pulumi.yaml"), "shop", None)
    assert selected_stack(Path("/a/Pulumi.yaml"), "shop") is None


class Saved(Journal):
    """A journal that is saved whenever it says that it must be; a save whose rows don't fit is refused."""

    def __init__(self, before: Snapshot, *, keep_creating: bool = True) -> None:
        super().__init__(before, keep_creating=keep_creating)
        self.seen: list[tuple[list[str], list[str]]] = []

    def begin(self, step: Step) -> bool:
        """Save before a step if that is due."""
        due = super().begin(step)
        return self.save() if due else False

    def end(self, step: Step, row: Row | None) -> bool:
        """Save after a step if that is due."""
        due = super().end(step, row)
        return self.save() if due else False

    def fail(self, step: Step, row: Row | None = None) -> None:
        """Save after a step that failed."""
        super().fail(step, row)
        self.save()

    def save(self) -> bool:
        """Take a save."""
        rows = self.rows()
        check_rows(rows)
        marks = [
            one.urn.rsplit("::", 1)[1] + ("!" if one.delete else "") + ("?" if one.pending_replacement else "")
            for one in rows
        ]
        self.seen.append((marks, [f"{item.kind} {item.row.urn.rsplit('::', 1)[1]}" for item in self.pending()]))
        return True


def step(op: Any, name: str, *, old: Row | None = None, new: Row | None = None, **more: Any) -> Step:
    """Return a step of these tests."""
    return Step(op=op, urn=urn(name), old=old, new=new, **more)


def test_the_state_says_before_each_step_what_is_under_way() -> None:
    """A killed engine leaves the name of what it was making."""
    journal = Saved(Snapshot())
    made = row("a")
    create = step("create", "a", new=made)
    journal.begin(create)
    journal.end(create, made)
    assert journal.seen == [([], ["creating a"]), (["a"], [])]


def test_done_rows_stand_above_untouched_ones() -> None:
    """So each stays below what it names, whatever the order of completion."""
    a, b, c = row("a"), row("b", "a"), row("c")
    journal = Saved(Snapshot((a, b, c)))
    for old in (c, a):
        same = step("same", old.urn.rsplit("::", 1)[1], old=old, new=replace(old))
        journal.begin(same)
        journal.end(same, same.new)
    journal.save()
    assert journal.seen == [(["c", "a", "b"], [])]


def test_a_create_first_replacement_keeps_the_old_row_until_it_is_deleted() -> None:
    """Marked in the same save that adds the new one."""
    old, new = row("a"), row("a")
    journal = Saved(Snapshot((old, row("user", "a"))))
    create = step("create-replacement", "a", old=old, new=new)
    journal.begin(create)
    journal.end(create, new)
    assert journal.seen[-1] == (["a", "a!", "user"], [])
    leftover = journal.settle()[1]
    delete = step("delete-replaced", "a", old=leftover)
    journal.begin(delete)
    journal.end(delete, None)
    assert journal.seen[-2:] == [(["a", "a!", "user"], ["deleting a"]), (["a", "user"], [])]


def test_a_delete_first_replacement_keeps_the_row_as_pending() -> None:
    """If the new one is never made, the next run knows."""
    old, new = row("a"), row("a")
    journal = Saved(Snapshot((old,)))
    delete = step("delete-replaced", "a", old=old, keep_pending=True)
    create = step("create-replacement", "a", old=old, new=new)
    journal.begin(delete)
    journal.end(delete, None)
    journal.begin(create)
    journal.fail(create)
    assert journal.seen[-1] == (["a?"], [])
    journal.begin(create)
    journal.end(create, new)
    assert journal.seen[-1] == (["a"], [])


def test_a_renamed_resource_is_renamed_wherever_it_is_named() -> None:
    """Dependencies, parents and the types in children's URNs follow."""
    old = Row(urn="urn:pulumi:dev::shop::a:b:Old::g", type="a:b:Old", custom=False)
    child = Row(
        urn="urn:pulumi:dev::shop::a:b:Old$a:b:C::child",
        type="a:b:C",
        custom=True,
        id="7",
        parent=old.urn,
        dependencies=(old.urn,),
    )
    journal = Journal(Snapshot((old, child)))
    new = replace(old, urn="urn:pulumi:dev::shop::a:b:New::h", type="a:b:New")
    journal.renamed[old.urn] = new.urn
    same = Step(op="same", urn=new.urn, old=old, new=new)
    journal.end(same, new)
    kept = journal.rows()
    assert [one.urn for one in kept] == [new.urn, "urn:pulumi:dev::shop::a:b:New$a:b:C::child"]
    assert kept[1].parent == new.urn
    assert kept[1].dependencies == (new.urn,)


def test_a_row_done_before_what_it_needs_is_saved_below_it() -> None:
    """An untargeted resource is done as it was, and what it needs may not be done at all."""
    a, b, c = row("a"), row("b", "a"), row("c")
    journal = Saved(Snapshot((a, b, c)))
    same = step("same", "b", old=b, new=replace(b), call=False)
    journal.begin(same)
    journal.end(same, same.new)
    journal.save()
    assert journal.seen == [(["a", "c", "b"], [])]


def test_an_interrupted_creation_is_carried_forward_once_until_it_is_cleared() -> None:
    """Other interrupted operations are forgotten at the next save."""
    pending = (
        Pending("creating", row("a")),
        Pending("creating", row("a")),
        Pending("updating", row("b")),
    )
    assert [(item.kind, item.row.urn) for item in Journal(Snapshot((), pending)).pending()] == [("creating", urn("a"))]
    assert Journal(Snapshot((), pending), keep_creating=False).pending() == []


def test_what_is_gone_is_named_by_nobody_and_its_children_move_up() -> None:
    """Rows that name nothing of it stay the same object."""
    gone = {urn("middle"): urn("top"), urn("host"): ""}
    child = replace(row("child", "host", "kept", parent="middle"), deleted_with=urn("host"))
    pruned = prune(child, gone)
    assert (pruned.parent, pruned.dependencies, pruned.deleted_with) == (urn("top"), (urn("kept"),), "")
    assert prune(row("other", "kept"), gone).dependencies == (urn("kept"),)
    untouched = row("same")
    assert prune(untouched, gone) is untouched


def test_a_state_saved_between_a_new_name_and_its_step_is_whole() -> None:
    """A component found by an alias may wait for its step while a child is saved: both bear the new name."""
    group, child = row("g"), replace(row("g-first"), parent=urn("g"))
    journal = Journal(Snapshot(rows=(group, child)))
    journal.renamed[urn("g")] = urn("k")
    saved = journal.rows()
    check_rows(saved)
    assert saved[0].urn == urn("k")
    assert saved[1].parent == urn("k")


@pytest.mark.parametrize("text", ["", '{"version":3,"checkp', "[]", "\x00"])
def test_a_damaged_file_is_refused_with_where_a_whole_one_lies(tmp_path: Path, text: str) -> None:
    """Cut short, empty or not JSON at all: one line, and the file stays as it is."""
    backend = Backend(tmp_path)
    write_private(backend.stack_file("shop", "dev"), text)
    with pytest.raises(BackendError, match=r"^state .*/dev.json: .*, allowed: a checkpoint as") as seen:
        backend.read("shop", "dev")
    assert "\n" not in str(seen.value)
    assert backend.stack_file("shop", "dev").read_text() == text


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"version": 5}, "format 5, allowed: 3 and 4; use the engine that wrote it, or a newer one"),
        ({"version": 4, "features": ["views"]}, "feature 'views', allowed: hooks, replaceWith, taint"),
        ({"version": 3}, "no `checkpoint`, allowed: a checkpoint document"),
    ],
)
def test_a_state_of_a_newer_engine_is_refused(document: dict[str, Any], message: str) -> None:
    """What is not understood is not thrown away by a save."""
    with pytest.raises(CheckpointError, match=message):
        unwrap_document(document)
    assert unwrap_document({"version": 4, "features": ["taint"], "checkpoint": {"latest": None}}) == {}


@pytest.mark.parametrize(
    "rows",
    [
        [{}],
        ["text"],
        [{"urn": "u", "type": "t", "custom": True, "inputs": {"x": {"ciphertext": 1}}, "dependencies": 7}],
    ],
)
def test_a_damaged_row_is_refused(rows: list[Any]) -> None:
    """As a fault of the state, not of the engine."""
    with pytest.raises(CheckpointError, match="state: a row is damaged"):
        load_deployment({"resources": rows}, CODEC)


def test_a_state_of_another_stack_is_refused() -> None:
    """Of another project or another stack, also where only an operation under way is."""
    mine = row("a")
    project, stack = mine.urn.split("::")[1], mine.urn.split("::")[0].rsplit(":", 1)[1]
    told = {"where": "state dev.json", "remedy": "put it back"}
    check_home(Snapshot((mine,), (Pending("creating", mine),)), project, stack, **told)
    for other in ((project, "other"), ("other", stack)):
        with pytest.raises(
            CheckpointError,
            match=rf"is of stack {project}/{stack}, allowed: of {other[0]}/{other[1]}; .* or put it back",
        ):
            check_home(Snapshot((), (Pending("creating", mine),)), *other, **told)
    with pytest.raises(CheckpointError, match=r"state dev\.json: urn: 'a'"):
        check_home(Snapshot((replace(mine, urn="a"),)), project, stack, **told)


def test_a_full_disk_leaves_the_old_state_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an error that says so; once there is room, the same write succeeds."""
    backend = Backend(tmp_path)
    backend.create("shop", "dev", {"version": 3})
    folder = backend.stack_file("shop", "dev").parent

    def full(handle: int) -> None:
        del handle
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(BackendError) as seen:
            backend.write("shop", "dev", "x" * 2000)
        with pytest.raises(
            BackendError, match=r"history .*: can't be written \(no space left on device\), allowed: room"
        ):
            backend.record("shop", "dev", {})
    assert str(seen.value) == (
        f"state {folder}/dev.json: can't be written (no space left on device), allowed: room for 2 KiB more; "
        "the state before stays, with what was under way; make room and run the command again"
    )
    assert backend.read("shop", "dev") == {"version": 3}
    assert {path.name for path in folder.iterdir()} == {"dev.json", "dev.json.bak"}
    backend.write("shop", "dev", "{}")
    assert backend.read("shop", "dev") == {}

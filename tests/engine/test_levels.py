"""What depends on something goes before it, in as few rounds as there are."""

from __future__ import annotations

from dataclasses import replace

from lab.engine.levels import all_needed_by, delete_levels, dependents
from lab.engine.rows import Row


def urn(name: str) -> str:
    """Return the URN of a resource of these tests."""
    return f"urn:pulumi:dev::shop::a:b:C::{name}"


def row(name: str, *depends: str, parent: str = "", custom: bool = True) -> Row:
    """Return a row that depends on others by name."""
    return Row(
        urn=urn(name),
        type="a:b:C",
        custom=custom,
        id=name if custom else "",
        dependencies=tuple(map(urn, depends)),
        parent=urn(parent) if parent else "",
    )


def names(levels: list[list[Row]]) -> list[set[str]]:
    """Return levels as sets of names."""
    return [{one.urn.rsplit("::", 1)[1] for one in level} for level in levels]


def test_users_go_before_what_they_use() -> None:
    """A chain goes from its end, one at a time."""
    state = [row("a"), row("b", "a"), row("c", "b")]
    assert names(delete_levels(state, state)) == [{"c"}, {"b"}, {"a"}]


def test_independent_chains_go_side_by_side_from_the_end() -> None:
    """Levels count from what depends on nothing, so a lone resource goes last."""
    state = [row("a"), row("b", "a"), row("x"), row("y", "x"), row("z", "y"), row("lone")]
    assert names(delete_levels(state, state)) == [{"z"}, {"b", "y"}, {"a", "x", "lone"}]


def test_what_stays_holds_nothing_up() -> None:
    """Only the condemned count."""
    state = [row("a"), row("b", "a"), row("c", "b")]
    assert names(delete_levels([state[0], state[2]], state)) == [{"a", "c"}]


def test_children_go_before_their_parent() -> None:
    """A component is gone when nothing is left in it."""
    state = [row("g", custom=False), row("g-first", parent="g"), row("g-second", "g-first", parent="g")]
    assert names(delete_levels(state, state)) == [{"g-second"}, {"g-first"}, {"g"}]


def test_depending_on_a_component_is_depending_on_its_children() -> None:
    """Also on children of children, if they stand above."""
    state = [
        row("g", custom=False),
        row("inner", custom=False, parent="g"),
        row("deep", parent="inner"),
        row("user", "g"),
    ]
    assert names(delete_levels(state, state)) == [{"user"}, {"deep"}, {"inner"}, {"g"}]


def test_two_rows_of_one_urn_are_two_rows() -> None:
    """A replaced resource waits for nobody who uses its replacement."""
    new, user = row("a"), row("user", "a")
    old = replace(row("a"), delete=True)
    state = [new, user, old]
    levels = delete_levels(state, state)
    assert [[one for one in level if one is old] for level in levels] == [[], [old]]
    assert levels[0] == [user]


def test_providers_hosts_and_replacement_partners_count_as_used() -> None:
    """Every kind of reference orders."""
    host = row("host")
    state = [
        host,
        replace(row("guest"), deleted_with=urn("host")),
        replace(row("partner"), replace_with=(urn("host"),)),
        replace(row("served"), provider=f"{urn('host')}::host"),
        replace(row("reader"), property_dependencies={"in": (urn("host"),)}),
    ]
    assert names(delete_levels(state, state)) == [{"guest", "partner", "served", "reader"}, {"host"}]


def test_what_a_row_needs_is_found_at_any_distance() -> None:
    """A protected resource keeps all of it."""
    state = [row("a"), row("b", "a"), row("c", parent="b"), row("other")]
    assert names([list(all_needed_by([state[2]], state))]) == [{"a", "b", "c"}]


def test_dependents_follow_dependencies_not_parents() -> None:
    """A cascade reaches readers of readers, and no mere child."""
    state = [row("a"), row("b", "a"), row("child", parent="a"), row("c", "b"), row("free")]
    assert names([dependents(state[0], state)]) == [{"b", "c"}]


def test_what_was_dealt_with_is_no_dependent_nor_what_hangs_on_it_alone() -> None:
    """A cascade stops at what this run has registered already."""
    state = [row("a"), row("b", "a"), row("c", "b")]
    assert dependents(state[0], state, ignored={urn("b")}) == []


def test_a_child_depends_on_its_parent_only_where_it_says_so() -> None:
    """Being below is no dependency; naming the parent as one is."""
    root = row("g")
    state = [root, row("below", parent="g"), row("uses", "g", parent="g"), row("after", "uses")]
    assert [one.urn for one in dependents(root, state)] == [urn("uses"), urn("after")]

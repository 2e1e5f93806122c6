"""Property paths name parts of inputs, and ignored parts stay as they were."""

from __future__ import annotations

from typing import Any

import pytest

from lab.engine.paths import PathError, any_covers, parse_path, reset_ignored
from lab.engine.values import Secret


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ("a",)),
        ("a.b[0]", ("a", "b", 0)),
        ('a["b.c"].d', ("a", "b.c", "d")),
        ('["q\\"uote"]', ('q"uote',)),
        ("a[*].b", ("a", "*", "b")),
        ("*", ("*",)),
        ("", ()),
    ],
)
def test_a_path_has_parts(text: str, parts: tuple[str | int, ...]) -> None:
    """Keys are strings, positions ints."""
    assert parse_path(text) == parts


@pytest.mark.parametrize("text", ["a[", "a[x]", 'a["b]', "a..b"])
def test_what_is_no_path_is_refused(text: str) -> None:
    """A slip must not be taken for a path that matches nothing."""
    with pytest.raises(PathError, match="property path"):
        parse_path(text)


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("triggers", "triggers[0]", True),
        ("triggers[*]", "triggers[3]", True),
        ("triggers[1]", "triggers[0]", False),
        ("a.b", "a", False),
        ("*", "anything.below", True),
    ],
)
def test_a_pattern_covers_what_is_below_it(pattern: str, path: str, covered: bool) -> None:  # noqa: FBT001 - a table's column
    """A change inside counts as a change of the whole, not the other way round."""
    assert any_covers([pattern], path) is covered


@pytest.mark.parametrize(
    ("new", "old", "ignored", "kept"),
    [
        ({"a": 2}, {"a": 1}, ["a"], {"a": 1}),
        ({"a": 2}, {}, ["a"], {}),
        ({}, {"a": 1}, ["a"], {"a": 1}),
        ({"a": {"b": 2, "c": 2}}, {"a": {"b": 1, "c": 1}}, ["a.b"], {"a": {"b": 1, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3, 4]}, ["a[0]"], {"a": [3, 2]}),
        ({"a": [{"k": 1}, {"k": 2}]}, {"a": [{"k": 3}, {"k": 4}]}, ["a[*].k"], {"a": [{"k": 3}, {"k": 4}]}),
        ({"a": Secret({"b": 2})}, {"a": Secret({"b": 1})}, ["a.b"], {"a": Secret({"b": 1})}),
        ({"a": 2, "b": 2}, {"a": 1, "b": 1}, ["*"], {"a": 1, "b": 1}),
    ],
)
def test_ignored_paths_stay_as_they_were(new: Any, old: Any, ignored: list[str], kept: Any) -> None:
    """What the old inputs lack goes, what they have comes back."""
    assert reset_ignored(new, old, ignored) == (kept, [])


@pytest.mark.parametrize(
    ("new", "old", "path"),
    [
        ({"a": [1]}, {"a": [1, 2]}, "a[0]"),
        ({"a": "text"}, {"a": {"b": 1}}, "a.b"),
        ({}, {"a": {"b": 1}}, "a.b"),
    ],
)
def test_a_path_through_another_shape_is_reported_not_forced(new: Any, old: Any, path: str) -> None:
    """The new inputs stay, and somebody is told."""
    assert reset_ignored(new, old, [path]) == (new, [path])

"""Rendered trees stay as a human has read them; `make golden` writes them anew."""

from __future__ import annotations

import pytest

from tests.trees import GOLDEN, cases, tree

CASES = cases()


@pytest.mark.parametrize("case", CASES)
def test_a_tree_is_as_it_was_read(case: str) -> None:
    """Byte for byte, with no file missing and none too many."""
    kept = {
        str(path.relative_to(GOLDEN / case)): path.read_bytes() for path in (GOLDEN / case).rglob("*") if path.is_file()
    }
    made = tree(CASES[case])
    assert sorted(kept) == sorted(made), "files differ: make golden, then read the diff"
    assert [path for path in made if kept[path] != made[path]] == [], "contents differ: make golden, then read the diff"


def test_no_case_is_left_over() -> None:
    """A case that is no longer rendered leaves no tree behind."""
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(CASES)

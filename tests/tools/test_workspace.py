"""A lab's copy of the stack file follows the original, and is never half of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import workspace
from tools.workspace import Workspace, write_private

if TYPE_CHECKING:
    from pathlib import Path

BEFORE = "config:\n  farshore:secrets:\n    tokens: {edge: {secure: v1:abc}}\nencryptionsalt: v1:salt\n"


def test_an_interrupted_change_leaves_the_copy_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tokens are nowhere else; the same change afterwards takes it over, and keeps them."""
    work = Workspace(folder=tmp_path, stack="lab", endpoint="http://127.0.0.1:1")
    original = tmp_path / "Pulumi.lab.yaml"
    original.write_text("config:\n  farshore:generations: [1, 2]\n", encoding="utf-8")
    work.stack_file.parent.mkdir()
    write_private(work.stack_file, BEFORE)

    def interrupted(path: Path, _: str) -> None:
        write_private(path, "")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(workspace, "write_private", interrupted)
        with pytest.raises(KeyboardInterrupt):
            work._follow(original, {})
    assert work.stack_file.read_text(encoding="utf-8") == BEFORE
    work._follow(original, {})
    after = work.stack_file.read_text(encoding="utf-8")
    assert "farshore:generations:" in after
    assert "v1:abc" in after
    assert "encryptionsalt: v1:salt" in after
    assert work.stack_file.stat().st_mode & 0o777 == 0o600

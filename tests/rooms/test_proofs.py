"""docs/proofs.md names what shows each promise: what it names is there, and no folder of tests is named nowhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.first_light.deployed import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "proofs.md"
# What shows no promise to a user but holds the work together: rendered trees, wiring, the lab's wires, arrows of the rooms.
OURS: Final = {"tests/cloud_init", "tests/components", "tests/internet", "tests/rooms"}


def missing(text: str, root: Path) -> list[str]:
    """Return what a page names and the project does not have: tests, folders of them, benchmarks."""
    named = [*re.findall(r"tests/[\w./]+", text)]
    named += [f"benchmarks/{name}.py" for name in re.findall(r"benchmarks\.(\w+)", text)]
    return [path for path in named if not (root / path).exists()]


def unmarked(text: str, root: Path) -> list[str]:
    """Return the paths after a marker in which no test has it."""
    rows = re.findall(r"\*(long|vm|pulumi)\* `(tests/[\w./]+)`", text)
    return [path for mark, path in rows if not any(f"mark.{mark}" in file.read_text() for file in _files(root / path))]


def test_what_shows_a_promise_is_there() -> None:
    """Each path of the page exists, and what it calls long, vm or pulumi is marked so."""
    text = PAGE.read_text(encoding="utf-8")
    assert missing(text, ROOT) == []
    assert unmarked(text, ROOT) == []


def test_a_proof_that_was_renamed_is_missed() -> None:
    """So is one whose marker went, and a benchmark that nobody wrote."""
    text = "| a promise | `pytest tests/rooms/test_gone.py`, *vm* `tests/rooms`, `python -m benchmarks.gone` |"
    assert missing(text, ROOT) == ["tests/rooms/test_gone.py", "benchmarks/gone.py"]
    assert unmarked("*vm* `tests/plan/test_lines.py`, *long* `tests/host`", ROOT) == ["tests/plan/test_lines.py"]


def test_no_folder_of_tests_is_named_nowhere() -> None:
    """Whoever adds one says what it shows, or that it is ours alone."""
    text = PAGE.read_text(encoding="utf-8")
    folders = {f"tests/{path.name}" for path in (ROOT / "tests").iterdir() if (path / "__init__.py").exists()}
    assert {folder for folder in folders - OURS if folder not in text} == set()


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))

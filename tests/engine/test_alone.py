"""Nothing under `lab/` or `bin/` knows a recording: it is not named there, and without any the same happens."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.engine.vectors import ROOT, SCENARIOS, VECTORS, expected, load, renamed

SPOKEN: Final = re.compile(
    r"\btests\b|\bvectors?\b|\brecording\b|expected\.json|scenario|" + "|".join(map(re.escape, SCENARIOS))
)


def spoken(source: str) -> list[str]:
    """Return the texts of a module, other than docstrings, that may name a recording."""
    tree = ast.parse(source)
    told = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in told
        and SPOKEN.search(node.value)
    ]


def test_no_text_of_the_lab_names_a_recording() -> None:
    """Neither in Python, nor in a table or a script."""
    found: dict[str, list[str]] = {}
    for room in ("lab", "bin"):
        for file in sorted((ROOT / room).rglob("*")):
            if not file.is_file() or "__pycache__" in file.parts or file.suffix == ".md":
                continue
            text = file.read_text(encoding="utf-8")
            where = str(file.relative_to(ROOT))
            named = spoken(text) if file.suffix == ".py" else SPOKEN.findall(text)
            if named:
                found[where] = named
    assert found == {}


@pytest.mark.parametrize(
    "source",
    [
        'open("tests/vectors/engine/x.json")',
        'ROOT / "tests" / "y"',
        '{"11-failures": []}',
        'f"{folder}/expected.json"',
        'path = "../vectors"',
    ],
)
def test_a_text_that_names_a_recording_is_found(source: str) -> None:
    """The twin; a docstring may say what it likes."""
    assert spoken(source)
    assert not spoken('"""It is held to tests/vectors."""')


def alone(folder: Path) -> Path:
    """Copy the lab and its commands to where there is nothing else of this project, and return the engine's command."""
    for room in ("lab", "bin"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder / "bin" / "pulumi"


@pytest.mark.lab
@pytest.mark.parametrize("name", ["04-replace-cascade", pytest.param("11-failures", marks=pytest.mark.long)])
def test_the_engine_does_the_same_where_no_recording_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied away from them, with other names and without the expectation beside the program; nothing else is opened."""
    engine = alone(tmp_path / "alone")
    scenario = renamed(VECTORS / name, tmp_path / "told")
    want = expected(scenario)
    (scenario / "expected.json").unlink()
    opened = tmp_path / "opened"
    watch = (
        "import sys\n"
        "def heard(event, arguments):\n"
        "    if event == 'open' and isinstance(arguments[0], str) and not heard.busy:\n"
        "        heard.busy = True\n"
        f"        with open({str(opened)!r}, 'a') as log: log.write(arguments[0] + '\\n')\n"
        "        heard.busy = False\n"
        "heard.busy = False\n"
        "sys.addaudithook(heard)\n"
    )
    (tmp_path / "alone" / "sitecustomize.py").write_text(watch)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    module = load("record")
    module.PULUMI = [str(engine)]
    assert list(load("compare").differences(name, want, module.record(scenario, sys.prefix))) == []
    paths = {Path(path) for path in opened.read_text().splitlines()}
    assert tmp_path / "alone" / "lab" / "engine" in {
        path.parent.parent if path.parent.name == "__pycache__" else path.parent for path in paths
    }
    assert [path for path in paths if path.is_relative_to(ROOT / "tests") or path.name == "expected.json"] == []

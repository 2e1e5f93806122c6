"""The arrows between the rooms point one way."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The program that runs on a host: the standard library and itself, and nobody imports it but its tests.
HOST = "cloud_init/host"
ROOMS = (
    "__main__.py",
    "plan",
    "cloud_init",
    HOST,
    "components",
    "lab",
    "policy",
    "tools",
    "tests",
    "benchmarks",
)
PULUMI = {"pulumi", "pulumi_hcloud", "pulumi_command"}
# Who may import what, beside the standard library. `*` is everything.
MAY = {
    "plan": {"plan", "pydantic", "pydantic_core", "yaml"},
    "cloud_init": {"cloud_init", "plan", "yaml"},
    HOST: {HOST},
    "components": {"components", "cloud_init", "plan", "pydantic", "cryptography", *PULUMI},
    "__main__.py": {"components", "plan", "pulumi"},
    "lab": {"*"},
    "policy": {"policy", "pulumi_policy"},
    "tools": {"*"},
    "benchmarks": {"*"},
    "tests": {"*"},
}
NEVER = {"lab": {"plan", "cloud_init", "components", "policy", "tools", "tests", "benchmarks", "__main__"}}
# Nobody imports these from outside; the tests import everything.
NOBODY = {
    HOST: {HOST, "tests"},
    "tools": {"tests", "tools", "benchmarks"},
    "benchmarks": {"tests", "benchmarks"},
    "tests": {"tests"},
}
# What would make a pure room impure: clocks, files, processes, sockets, randomness.
IMPURE = {"os", "pathlib", "subprocess", "socket", "time", "random", "secrets", "requests", "shutil", "tempfile"}


def imports(source: str) -> set[tuple[str, int]]:
    """Return the top-level names that a source imports, each with its line."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {(room_of(alias.name), node.lineno) for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add((room_of(node.module), node.lineno))
    return found


def room_of(module: str) -> str:
    """Return the room, or the package, that a module belongs to."""
    return HOST if f"{module}.".startswith("cloud_init.host.") else module.split(".", maxsplit=1)[0]


def wrong_arrows(room: str, source: str, where: str) -> list[str]:
    """Return the imports of one file that its room may not have, as file:line."""
    wrong = []
    for name, line in sorted(imports(source)):
        if name in sys.stdlib_module_names or name == "__future__":
            if room in {"plan", "cloud_init"} and name in IMPURE:
                wrong.append(f"{where}:{line} imports {name}: {room} is pure")
            continue
        allowed = MAY[room]
        if name in NEVER.get(room, set()) or ("*" not in allowed and name not in allowed):
            wrong.append(f"{where}:{line} imports {name}")
        elif room not in NOBODY.get(name, {room}):
            wrong.append(f"{where}:{line} imports {name}, which nobody may")
    return wrong


@pytest.mark.parametrize(
    "room", [room for room in ROOMS if any((ROOT / room).rglob("*.py")) or (ROOT / room).is_file()]
)
def test_every_import_points_the_way_that_the_design_draws(room: str) -> None:
    """No file of a room imports what its room may not."""
    path = ROOT / room
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    wrong = [
        line
        for file in files
        if "vectors" not in file.parts and (room == HOST or HOST not in str(file))
        for line in wrong_arrows(room, file.read_text(encoding="utf-8"), str(file.relative_to(ROOT)))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("room", "source"),
    [
        ("plan", "import pulumi"),
        ("plan", "import subprocess"),
        ("cloud_init", "from components import x"),
        ("cloud_init", "from cloud_init.host.steps import x"),
        (HOST, "from cloud_init.bundle import x"),
        (HOST, "import yaml"),
        ("components", "import lab.cloud"),
        ("lab", "from plan import load"),
        ("lab", "from tests.stacks import x"),
        ("__main__.py", "import lab"),
        ("lab", "import tools"),
    ],
)
def test_an_arrow_that_points_the_other_way_is_found(room: str, source: str) -> None:
    """The twin: each forbidden import is named with its line."""
    assert len(wrong_arrows(room, source, "file.py")) == 1


def test_the_program_stays_small_and_without_branches() -> None:
    """`__main__.py` has at most 60 lines and decides nothing."""
    source = (ROOT / "__main__.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.If | ast.IfExp | ast.While)]


def test_small_files() -> None:
    """No module is longer than 500 lines."""
    long = {
        str(file.relative_to(ROOT)): lines
        for room in ROOMS
        if (ROOT / room).is_dir()
        for file in (ROOT / room).rglob("*.py")
        if "vectors" not in file.parts and (lines := len(file.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_every_test_file_is_collected() -> None:
    """A file with tests has a name that pytest collects."""
    for file in (ROOT / "tests").rglob("*.py"):
        if "vectors" in file.parts or file.name.startswith("test_"):
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        tests = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
        assert not tests, f"{file.relative_to(ROOT)} holds {tests} and is not collected"

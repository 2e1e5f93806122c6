"""The program is one file of plain Python, the same on every machine."""

from __future__ import annotations

import ast
import builtins
import gzip
import importlib.util
import symtable
import sys
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from cloud_init.program import MODULES, SEED, JoinError, join_modules, render_program
from cloud_init.sshd import HOST_KEYS_PROGRAM
from cloud_init.volume import DATA_PROGRAM

if TYPE_CHECKING:
    from pathlib import Path

BOTH = pytest.mark.parametrize(
    "modules", [MODULES, SEED, DATA_PROGRAM, HOST_KEYS_PROGRAM], ids=["whole", "seed", "data", "host-keys"]
)


@BOTH
def test_it_is_python_with_every_name_that_it_uses(modules: tuple[str, ...]) -> None:
    """It compiles for Debian 12's Python, and no name at its top is missing after the modules were joined."""
    text = render_program(modules)
    ast.parse(text, feature_version=(3, 11))
    table = symtable.symtable(text, "farshore-host", "exec")
    known = set(table.get_identifiers()) | set(dir(builtins)) | {"__name__"}

    def unknown(scope: symtable.SymbolTable) -> set[str]:
        found = {name.get_name() for name in scope.get_symbols() if name.is_global() and name.is_referenced()}
        return (found - known).union(*(unknown(child) for child in scope.get_children()))

    assert unknown(table) == set()


@BOTH
def test_it_needs_nothing_but_the_standard_library(modules: tuple[str, ...]) -> None:
    """No import of the product's is left."""
    text = render_program(modules)
    assert "cloud_init." not in text
    assert '"""' not in text
    assert text.startswith("#!/usr/bin/python3 -IB\n")


def test_it_does_not_grow_unseen() -> None:
    """Packed as in user data it leaves room for the smallest shield that answers nobody; the seed for the largest."""
    sizes = {
        name: len(gzip.compress(render_program(modules).encode()))
        for name, modules in (("whole", MODULES), ("seed", SEED))
    }
    assert sizes["whole"] < 19_300
    assert sizes["seed"] < 4_950


def test_it_is_as_it_was_written_but_for_what_nobody_runs() -> None:
    """Docstrings, comments and annotations go, and a statement has one line; strings that hold such marks stay."""
    source = '''"""Duty."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloud_init.host.faults import (
    Refused,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "# no comment"  # a comment


@dataclass
class One:
    """A thing."""

    part: dict[str, Any]
    other: int = 3


def first(one: Sequence[str], *more: Any, two: str = "-> x") -> dict[str, Any]:
    """Do it."""
    if one:
        found: dict[str, Any] = {
            "a": f"""{os.name}  {{x}}""",
        }
        return found
    return {}
'''
    assert join_modules({"a": source}).split("\n", 2)[2] == (
        "from __future__ import annotations\n"
        "import os, re\n"
        "from dataclasses import dataclass\n"
        'NAME="# no comment"\n'
        "@dataclass\nclass One:\n part:0\n other:0=3\n"
        'def first(one,*more,two="-> x"):\n'
        " if one:\n"
        '  found={"a":f"""{os.name}  {{x}}""",}\n'
        "  return found\n"
        " return{}\n"
    )


def test_annotations_go_and_a_field_keeps_a_mark_of_one(tmp_path: Path) -> None:
    """A dataclass is told its fields by there being an annotation; nobody reads what it says."""
    source = (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A:\n    x: dict[str, int]\n    y: str = 'b: c'\n"
        "def f() -> None:\n    z: list[A] = [A({}, 'd')]\n    return z\n"
    )
    joined = join_modules({"a": source})
    assert "class A:\n x:0\n y:0='b: c'\ndef f():\n z=[A({},'d')]\n return z\n" in joined
    path = tmp_path / "joined.py"
    path.write_text(joined, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("joined", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with patch.dict(sys.modules, {"joined": module}):
        spec.loader.exec_module(module)
    assert module.f() == [module.A({}, "d")]
    assert module.A({}).y == "b: c"


def test_a_name_of_two_modules_is_refused() -> None:
    """They share one namespace: the second would take the first one's place."""
    with pytest.raises(JoinError, match=r"^cloud_init/host/b\.py: _x, which another module has as well$"):
        join_modules({"a": "_x = 1\n", "b": "def _x():\n    return 2\n"})


def test_words_stay_apart_and_texts_as_they_are() -> None:
    """Between two words a space is the language's; within a text it is what somebody is told."""
    source = "def f(a, b):\n    if a is not b and 'x' in a:\n        return f'{a} = {b, 1}' + ' , '\n    yield a if b else - 1\n"
    joined = join_modules({"a": source})
    assert joined.endswith(
        "def f(a,b):\n if a is not b and 'x'in a:\n  return f'{a} = {b, 1}'+' , '\n yield a if b else-1\n"
    )


def test_a_text_of_several_lines_is_refused() -> None:
    """On one line it would be another."""
    with pytest.raises(JoinError, match="another one on one line"):
        join_modules({"a": 'x = f("""a\nb""")\n'})


def test_an_import_that_would_stay_is_refused() -> None:
    """Only `from cloud_init.host.… import …` is taken out."""
    with pytest.raises(JoinError, match="an import of its own room of another form"):
        join_modules({"a": "import cloud_init.host.faults\n"})

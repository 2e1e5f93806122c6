"""docs/engine.md says what is the same under either engine, and each row names what shows it."""

from __future__ import annotations

import ast
from typing import Final

from tests.engine.vectors import ROOT

# How a test says that it runs under either engine: these fixtures do, and what compares with recordings.
BOTH: Final = {"either", "bare"}
RECORDED: Final = {"test_a_scenario_goes_as_recorded"}


def rows() -> list[list[str]]:
    """Return the cells of the table, without its head."""
    text = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    table = text.partition("## The same")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def shown_under_both() -> set[str]:
    """Return the names of the tests that run under both engines."""
    found = set(RECORDED)
    files = [file for room in ("engine", "pulumi", "repair") for file in (ROOT / "tests" / room).glob("test_*.py")]
    for file in files:
        real = file.parent.name == "pulumi"
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                given = {argument.arg for argument in node.args.args}
                if given & BOTH or (real and "pulumi" in given):
                    found.add(node.name)
    return found


def test_each_row_names_tests_that_run_under_both_engines() -> None:
    """A claim without a proof, or with one that was renamed, fails here."""
    known = shown_under_both()
    told = {row[0]: [name.strip(" `") for name in row[2].split(",")] for row in rows()}
    assert len(told) >= 9
    assert {what: [name for name in names if name not in known] for what, names in told.items()} == {
        what: [] for what in told
    }


def test_no_test_under_both_engines_is_left_out() -> None:
    """What is shown of both and named nowhere would be lost to whoever asks how far they agree."""
    text = (ROOT / "docs" / "engine.md").read_text(encoding="utf-8")
    elsewhere = {
        "test_an_interrupt_ends_a_run_with_a_code_of_its_own",
        "test_a_transform_that_fails_ends_the_run_in_the_programs_words",
        "test_an_imported_server_loses_the_addresses_that_the_program_names",
    }
    assert {name for name in shown_under_both() if f"`{name}`" not in text} == elsewhere

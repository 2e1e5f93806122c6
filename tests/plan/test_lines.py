"""A fault names the line of the stack file that it is about."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from plan import StackError, load
from plan.lines import find_lines, line_of
from tests.stacks import DAY, changed

FILE = """\
config:
  # a comment
  farshore:accounts:
    edge: {company: A, home: DE}
  farshore:origins:
    press:
      slot: 2
      shields: [one,
        two]
  other:accounts: {}
  farshore:secrets: {secure: abc}
"""


def test_each_key_and_each_entry_of_a_list_has_its_line() -> None:
    """Block and flow style, nested keys and list entries; other namespaces are not ours."""
    config = {
        "accounts": {"edge": {"company": "A", "home": "DE"}},
        "origins": {"press": {"slot": 2, "shields": ["one", "two"]}},
    }
    assert find_lines(FILE, config, project="farshore") == {
        "farshore:accounts": 3,
        "farshore:accounts.edge": 4,
        "farshore:accounts.edge.company": 4,
        "farshore:accounts.edge.home": 4,
        "farshore:origins": 5,
        "farshore:origins.press": 6,
        "farshore:origins.press.slot": 7,
        "farshore:origins.press.shields": 8,
        "farshore:origins.press.shields.0": 8,
        "farshore:origins.press.shields.1": 9,
        "farshore:secrets": 11,
        "farshore:secrets.secure": 11,
    }  # fmt: skip


def test_another_file_than_the_run_reads_has_no_lines() -> None:
    """A key whose value is another one in the file is left out."""
    assert "farshore:accounts" not in find_lines(FILE, {"accounts": {"edge": {}}}, project="farshore")


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "config: 3\n", "config: {a: !!python/object:os.system x}\n"])
def test_a_file_that_is_no_stack_file_has_no_lines(text: str) -> None:
    """Whatever stands there, the faults come all the same."""
    assert find_lines(text, {}, project="farshore") == {}


def test_a_missing_key_is_told_at_the_nearest_above_it() -> None:
    """What is not there has the line of where it should be."""
    lines = {"farshore:origins.press": 6}
    assert line_of("farshore:origins.press.location", lines) == 6
    assert line_of("farshore:shields", lines) is None


def test_faults_come_in_the_order_of_their_lines() -> None:
    """Each line reads as an editor takes it: file, line, key."""
    config: dict[str, Any] = changed(origins__press__slot=1, accounts__edge__home="XX")
    text = yaml.safe_dump({"config": {f"farshore:{key}": value for key, value in config.items()}}, sort_keys=False)
    with pytest.raises(StackError) as error:
        load(config, project="farshore", stack="dev", day=DAY, files={}, text=text)
    rows = text.splitlines()
    _, *faults = str(error.value).splitlines()
    places = [fault.strip().split(": ")[0] for fault in faults]
    assert places == [
        f"Pulumi.dev.yaml:{rows.index('      home: XX') + 1}",
        f"Pulumi.dev.yaml:{rows.index('      slot: 1') + 1}",
    ]

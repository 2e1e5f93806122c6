"""Killed at any moment, an engine leaves a state that says what was reached and what was under way.

a ── b ── c        six commands at once at most; each looks into the state while it is made: is it said to be
d ── e ── f        under way, and is all that it depends on there?
g, h, i, j
"""

from __future__ import annotations

import json
import shlex
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.runs import Shop, make_shop, until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab

NEEDS: Final = {"a": "", "b": "a", "c": "ab", "d": "", "e": "d", "f": "de", "g": "", "h": "", "i": "", "j": ""}
HEAD: Final = """\
def given(name):
    rows = json.load(open({state!r}))["checkpoint"]["latest"]["resources"]
    if name not in [row["urn"].rsplit("::", 1)[1] for row in rows]:
        open({log!r}, "a").write(f"the program was given {{name}}, which the state does not have\\n")

import json
made = {{}}
"""
LOOK: Final = """\
import json, sys
state, log, name, needs = sys.argv[1:]
latest = json.load(open(state))["checkpoint"]["latest"]
rows = {row["urn"].rsplit("::", 1)[1] for row in latest.get("resources", ())}
doing = {item["resource"]["urn"].rsplit("::", 1)[1] for item in latest.get("pending_operations", ())}
with open(log, "a") as noted:
    if name not in doing or not set(needs) <= rows:
        noted.write(f"{name} found {sorted(doing)} under way and {sorted(rows)} done\\n")
    noted.write(f"{name}\\n")
"""


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A project whose commands look into the state and note that they ran."""
    shop = make_shop(tmp_path)
    text = HEAD.format(state=str(shop.state), log=str(shop.folder / "log"))
    for name, needs in NEEDS.items():
        look = shlex.join([sys.executable, "-c", LOOK, str(shop.state), str(shop.folder / "log"), name, needs])
        text += (
            f"made['{name}'] = Command('{name}', create={look!r}, opts=O(depends_on=[made[n] for n in '{needs}']))\n"
            f"made['{name}'].id.apply(lambda _: given('{name}'))\n"
        )
    shop.program(text)
    (shop.folder / "log").touch()
    return shop


def noted(shop: Shop) -> list[str]:
    """Return what the commands noted."""
    return (shop.folder / "log").read_text().splitlines()


def under_way(shop: Shop) -> set[str]:
    """Return what the state says to be under way."""
    latest = json.loads(shop.state.read_text())["checkpoint"]["latest"]
    return {item["resource"]["urn"].rsplit("::", 1)[1] for item in latest.get("pending_operations") or ()}


def test_each_operation_begins_on_a_state_that_has_what_it_needs(shop: Shop) -> None:
    """With many at once, though they share their writes."""
    assert shop.up("--parallel", "6").code == 0
    assert sorted(noted(shop)) == sorted(NEEDS)


@pytest.mark.parametrize("after", [1, 5, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("again", [0, *(pytest.param(at, marks=pytest.mark.long) for at in range(1, 6))])
def test_what_a_kill_leaves_is_finished_by_the_next_up(shop: Shop, after: int, again: int) -> None:
    """Only what was under way is made a second time; nothing is left out, and nothing is forgotten."""
    del again  # where exactly the kill falls differs each time
    engine = shop.start("up", "--yes", "--skip-preview", "--non-interactive", "--parallel", "6")
    until(lambda: True if len(noted(shop)) >= after else None, what=f"{after} commands")
    engine.kill()
    engine.communicate()
    ran, pending = set(noted(shop)), under_way(shop)
    assert ran <= shop.rows().keys() | pending
    assert shop.run("cancel", "--yes").code == 0
    finished = shop.up("--parallel", "6")
    assert finished.code == 0, finished.out
    times = Counter(noted(shop))
    assert times.keys() == NEEDS.keys()
    assert {name for name, count in times.items() if count > 1} <= pending
    assert shop.up("--expect-no-changes").code == 0

"""An origin looks at its own listeners; a shield, whose work is to be open, does not."""

from __future__ import annotations

from cloud_init import placeholder, render_bundle
from cloud_init.listeners import SCRIPT, SCRIPT_PATH, TIMER
from tests.stacks import planned


def test_an_origin_looks_and_a_shield_does_not() -> None:
    """The program, its unit and the timer that is started at birth."""
    plan = planned()
    origin, shield = (render_bundle(host, placeholder(host)) for host in (plan.origins[0], plan.shields[0]))
    (program,) = [file for file in origin.files if file.path == SCRIPT_PATH]
    assert (program.mode, program.content) == ("0755", SCRIPT)
    assert TIMER in origin.units
    assert not any("listeners" in file.path for file in shield.files)
    assert TIMER not in shield.units

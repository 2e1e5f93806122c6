"""A planned change of what stands is told by the preview, by the real program, until the servers are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from tests.failures.standing import Standing

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("failures-1")]
SLOT: Final = "farshore:origins.press.slot: 2 to 3; its address inside changes from 10.0.0.2 to 10.0.0.3"
REPLACE: Final = (
    "pulumi up --replace '**::farshore-edge.falkenstein-server' --replace '**::farshore-vault.press-server'"
)
TOLD_AT_BIRTH: Final = "what they were told at birth"


@pytest.mark.long
def test_another_slot_is_told_until_the_servers_are_replaced(standing: Standing) -> None:
    """Nothing is said of a first deployment; then the words stay, whatever `up` did, until the command they name ran."""
    first = standing.engine("preview")
    assert first.code == 0, first.said
    assert TOLD_AT_BIRTH not in first.said
    standing.up()
    assert TOLD_AT_BIRTH not in standing.engine("preview").said
    standing.configure("origins", "press", "slot", value=3)
    for verb in ("preview", "up", "preview"):
        done = standing.engine(verb)
        assert done.code == 0, done.said
        assert SLOT in done.said, verb
        assert REPLACE in done.said, verb
        standing.check_silent(done.said)
    replaced = standing.engine(
        "up", "--replace", "**::farshore-edge.falkenstein-server", "--replace", "**::farshore-vault.press-server"
    )
    assert replaced.code == 0, replaced.said
    after = standing.engine("preview")
    assert after.code == 0, after.said
    assert SLOT not in after.said
    assert TOLD_AT_BIRTH not in after.said

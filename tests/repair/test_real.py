"""`farshore repair` with Pulumi's own engine, where it is on PATH: adoption, and an engine that was killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.repair.cases import check_everything_lost, check_killed_engine

if TYPE_CHECKING:
    from tests.repair.standing import Standing

pytestmark = [pytest.mark.lab, pytest.mark.pulumi, pytest.mark.xdist_group("repair-real")]


def test_pulumi_itself_takes_an_adopted_deployment_for_its_own(real: Standing) -> None:
    """The state that repair writes is one that Pulumi reads: it has nothing to change, and refreshes it."""
    check_everything_lost(real)


def test_pulumis_own_pending_creation_is_cleared(real: Standing) -> None:
    """Killed while it waited for a server, as Pulumi writes it into the state."""
    done = real.run("destroy")
    assert done.code == 0, done.said
    check_killed_engine(real)

"""An origin's restricted egress, as it is by default: packages, time and names work, each for whose work it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.topologies.egress import WAYS, Way, prove, update_packages

if TYPE_CHECKING:
    from tests.topologies.standing import Connected

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.what)
def test_egress_is_by_user(connected: Connected, way: Way) -> None:
    """The user whose work it is gets an answer; another, root too, is refused at once; both are counted."""
    prove(connected.lab, connected.machine("press"), way)


def test_packages_come_to_an_origin(connected: Connected) -> None:
    """Lists are fetched by apt(8)'s own user, and by nobody else."""
    update_packages(connected.machine("press"))

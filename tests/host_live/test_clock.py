"""A host's clock is wrong by a year, ahead and behind: on a kernel of its own, whose WireGuard goes by that clock.

The lab ends the fault by setting the clock right: then the shield is a year behind what its origin has last seen of its
key, and answers to none of its handshakes are to be had. The origin dials as well, and that is how it comes back.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import SkewClock
from tests.host.stories import key
from tests.host_live.bundles import HOST, Bundle, applied, confirmed, standing, status
from tests.host_live.conftest import whole
from tests.host_live.test_changes import peers, with_peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot
    from tests.first_light.deployed import Deployed

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.long]
YEAR_S = 365 * 24 * 3600


@pytest.fixture
def shield(virtual: Deployed) -> Iterator[MachineSpot]:
    """Return the shield, which nobody tells the time; it ends as it was."""
    machine = virtual.machine("falkenstein")
    machine.run(["systemctl", "stop", "systemd-timesyncd"])
    yield from whole(machine)


@pytest.fixture
def told(shield: MachineSpot) -> Bundle:
    """Return what the shield was told."""
    return standing(shield)


@pytest.mark.parametrize("skew_s", [YEAR_S, -YEAR_S], ids=["ahead", "behind"])
def test_a_host_whose_clock_is_a_year_wrong_takes_a_change_and_takes_it_back_in_time(
    virtual: Deployed, shield: MachineSpot, told: Bundle, skew_s: int
) -> None:
    """The rollback goes by the monotonic clock, visitors are answered, and so they are once the clock is right again."""
    bundle = with_peer(told, 4, "10.0.0.77")
    with virtual.lab.inject(SkewClock(shield.name, skew_s=skew_s)):
        applied(shield, bundle, "--confirm-within-s", "60")
        assert key(4) in peers(shield)
        assert 0 < status(shield)["pending_for_s"] <= 60
        virtual.page(within_s=120)
        until(lambda: status(shield)["state"] == "confirmed" or None, 300, "taken back by its timer", every_s=1)
        assert key(4) not in peers(shield)
        applied(shield, bundle)
        confirmed(shield, bundle)
        assert status(shield)["drift"] == []
    virtual.page(within_s=300)
    for name in ("falkenstein", "press"):
        until(partial(_proves, virtual.machine(name)), 300, f"{name} proves every tunnel")


def _proves(machine: MachineSpot) -> bool | None:
    return machine.run([HOST, "prove"], within_s=120).returncode == 0 or None

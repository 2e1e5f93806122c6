"""A machine whose metadata service comes late is born from it all the same: its first boot waits for it.

cloud-init asks 61 times, with 2 s for an answer and 2 s between; after that it gives up, and the machine is up without
its user data. `tests/first_light/test_not_born.py` has that, and the way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import HideMetadata
from tests.machines.ordering import WRITES_A_FILE

if TYPE_CHECKING:
    from lab.client import Lab
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab
LOG = "/var/log/cloud-init.log"
RESULT = "/run/cloud-init/result.json"
TRIES = 3


@pytest.mark.long
def test_a_machine_whose_metadata_is_late_is_born_from_it(somebody: Customer, lab: Lab) -> None:
    """It asks again and again meanwhile, is not born without it, and takes its user data as soon as it is there."""
    machine = somebody.order("late", WRITES_A_FILE, start_after_create=False)
    until(lambda: any(one["name"] == "late" for one in lab.world()["machines"]) or None, 30, "the machine, off")
    with lab.inject(HideMetadata(machine.name)):
        somebody.act(machine, "poweron")
        until(lambda: machine.has(LOG) or None, 60, "cloud-init's log")

        def tries() -> bool | None:
            log = machine.run(["cat", LOG]).stdout
            return log.count("/61] open 'http://169.254.169.254/hetzner/v1/metadata' ") >= TRIES or None

        until(tries, 60, f"{TRIES} questions without an answer", every_s=0.5)
        assert not machine.has(RESULT)
        assert not machine.has("/born")
    assert machine.wait_born() == {"datasource": "DataSourceHetzner", "errors": []}
    assert machine.run(["cat", "/born"]).stdout == "by user data"
    somebody.delete(machine)

"""The power goes in the middle of an `apply`, on a kernel of its own, with nothing written that was not synced.

The program stops itself before a point and waits there; then the data centre's power goes. Without syncs in the
program the same cut must leave the host broken, or these tests prove nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.faults.model import CutPower
from tests.host.stories import key
from tests.host_live.bundles import HOST, Bundle, applied, apply, confirmed, rolled_back, standing, status
from tests.host_live.conftest import whole
from tests.host_live.test_changes import peers
from tests.host_live.test_safety import STOPPING, is_old, points, rich

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot
    from tests.first_light.deployed import Deployed

pytestmark = [pytest.mark.lab, pytest.mark.vm, pytest.mark.long]

BOOTED_WITHIN_S = 420
PARTS = 24  # so many points, evenly over all of them
WAITING = STOPPING.replace("os.kill(os.getpid(), signal.SIGKILL)", "open('/run/stopped', 'w').close(); signal.pause()")
# The same program, whose syncs do nothing.
CARELESS = WAITING.replace("count = 0\n", "count = 0\nos.fsync = os.sync = lambda *_: None\n", 1)


@pytest.fixture
def shield(virtual: Deployed) -> Iterator[MachineSpot]:
    """Return the shield, whose kernel writes nothing by itself for an hour; it ends as it was."""
    machine = virtual.machine("falkenstein")
    lazy(machine)
    yield from whole(machine)


def lazy(machine: MachineSpot) -> None:
    """Have a kernel write what it is asked to, and nothing else."""
    machine.run(["sync"], check=True)
    words = ["sysctl", "-qw", "vm.dirty_writeback_centisecs=0", "vm.dirty_expire_centisecs=360000"]
    machine.run(words, check=True)


def cut_at(virtual: Deployed, machine: MachineSpot, bundle: Bundle, at: int, wrapper: str = WAITING) -> None:
    """Stop an `apply` before a point, cut the power there, and wait for the next boot.

    Names are on the disk by then, as they are a few seconds later in any case: another program's sync commits them,
    and leaves out what the stopped one has not asked for.
    """
    machine.run(["tee", "/run/stopping.py"], given=wrapper, check=True)
    machine.run(["sh", "-c", "umask 077; rm -f /run/stopped; cat >/run/bundle"], given=bundle.sealed, check=True)
    unit = ["systemd-run", "--collect", "--unit=stopping", "--property=StandardInput=file:/run/bundle"]
    machine.run([*unit, "python3", "-I", "-B", "/run/stopping.py", "kill", str(at), "apply"], check=True)
    until(lambda: machine.has("/run/stopped") or None, 180, f"the program stopped before point {at}", every_s=0.5)
    machine.run(["sh", "-c", "echo >/root/other; sync /root/other"], check=True)
    power_cut(virtual, machine)


def power_cut(virtual: Deployed, machine: MachineSpot) -> None:
    """Cut the power and give it back."""
    pid = machine.leader_pid
    with virtual.lab.inject(CutPower(machine.name)):
        until(lambda: machine.leader_pid is None or None, 60, "no machine")
    until(lambda: machine.leader_pid not in {None, pid} or None, 60, "another boot")
    machine.wait_born(BOOTED_WITHIN_S)
    up = {"running", "degraded"}
    until(lambda: machine.run(["systemctl", "is-system-running"]).stdout.strip() in up or None, 300, "up", every_s=1)
    lazy(machine)


@pytest.fixture(scope="module")
def counted(virtual: Deployed) -> int:
    """Return how many points there are."""
    machine = virtual.machine("falkenstein")
    machine.run(["tee", "/run/stopping.py"], given=STOPPING, check=True)
    return points(machine, rich(standing(machine)), "kill")


@pytest.mark.parametrize("part", range(PARTS))
def test_power_lost_at_any_moment_leaves_the_old_host(
    virtual: Deployed, shield: MachineSpot, told: Bundle, counted: int, part: int
) -> None:
    """Whole: files, what runs, what is remembered; then the same command finishes."""
    bundle = rich(told)
    cut_at(virtual, shield, bundle, 1 + part * (counted - 1) // (PARTS - 1))
    shield.run([HOST, "rollback"], check=True)  # tidies, where nothing was armed yet
    is_old(shield, told)
    virtual.page(within_s=60)
    applied(shield, bundle)
    rolled_back(shield)


def test_power_lost_after_the_confirmation_leaves_the_new_host(
    virtual: Deployed, shield: MachineSpot, told: Bundle
) -> None:
    """What was confirmed is on the disk, all of it, when the command returns."""
    bundle = rich(told)
    applied(shield, bundle)
    confirmed(shield, bundle)
    power_cut(virtual, shield)
    found = status(shield)
    assert (found["state"], found["digest"], found["drift"]) == ("confirmed", bundle.digest, [])
    assert key(4) in peers(shield)


def test_without_its_syncs_the_same_cut_breaks_the_host(
    virtual: Deployed, shield: MachineSpot, told: Bundle, counted: int
) -> None:
    """The twin: after the switch, and before anybody confirms, the careless program is not the old one any more."""
    cut_at(virtual, shield, rich(told), counted, CARELESS)
    with pytest.raises(AssertionError):
        is_old(shield, told)
    for path in ("confirmed.json", "pending.json"):  # what its boot could make nothing of
        shield.run(["sh", "-c", f"test -s /var/lib/farshore/host/{path} || rm -f /var/lib/farshore/host/{path}"])
    assert apply(shield, told).returncode == 0
    confirmed(shield, told)

"""The engine is killed with SIGKILL in the middle of a run: the guide's commands finish it, nothing leaked or doubled."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import pytest

from lab.client import until
from tests.failures.cases import Case
from tests.failures.checking import check_agreement, mend
from tests.failures.standing import RUN_WITHIN_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.failures.standing import Standing

pytestmark = pytest.mark.lab

STRIDE: Final = 4
STEPS: Final = (b'"resourcePreEvent"', b'"resOutputsEvent"', b'"resOpFailedEvent"')
SLOW_S: Final = 0.05
HELD_S: Final = 60.0

# The engine dies after the account did what it was asked, and before it could know.
HELD: Final = (
    pytest.param(Case("Server", "create", "latency"), marks=pytest.mark.xdist_group("failures-1")),
    pytest.param(Case("Server", "resize", "latency"), marks=(pytest.mark.xdist_group("failures-2"), pytest.mark.long)),
    pytest.param(Case("Server", "delete", "latency"), marks=(pytest.mark.xdist_group("failures-2"), pytest.mark.long)),
)


def command(case: Case) -> tuple[str, ...]:
    """Return the engine's verb for a case."""
    return ("destroy",) if case.verb == "delete" else ("up",)


def recover(standing: Standing, case: Case) -> None:
    """Do what the guide says after a kill: cancel, repair, the same command."""
    standing.cancel()
    mend(standing)
    done = case.again(standing)
    assert done.code == 0, done.said
    standing.check_silent(done.said)
    if "off" in standing.powers():  # the provider leaves what it resized without power
        mend(standing)
    case.check_end(standing)


@pytest.mark.parametrize("case", HELD, ids=lambda case: f"{case.kind}-{case.verb}")
def test_a_kill_before_the_answer_is_mended(standing: Standing, case: Case) -> None:
    """What was made is no orphan in the end, what was changed is changed once, and what was removed is forgotten."""
    case.begin(standing)
    path, method = ("/servers", "POST") if case.verb == "create" else ("/servers/*", "DELETE")
    if case.verb == "resize":
        path, method = "/servers/*/actions/change_type", "POST"
    standing.arm(method=method, path=path, account=case.account, delay_s=HELD_S)
    engine = standing.started(*command(case))
    until(lambda: None if standing.cloud.door.ask("GET", "faults") else True, RUN_WITHIN_S, "the request", every_s=0.01)
    assert not engine.ended
    engine.kill()
    refused = standing.engine(*command(case))
    assert refused.code != 0
    assert "lock" in refused.said, refused.said
    recover(standing, case)
    check_agreement(standing)


def steps(log: Path) -> int:
    """Return how many steps have begun or ended by a run's event log, without those that change nothing."""
    try:
        lines = log.read_bytes().splitlines()
    except FileNotFoundError:
        return 0
    return sum(1 for line in lines if any(kind in line for kind in STEPS) and b'"op":"same"' not in line)


def kill_after(standing: Standing, count: int, folder: Path, *run: str) -> bool:
    """Kill a run as soon as so many steps have begun or ended; return False where it ended before.

    The account takes its time for every change, so that most kills fall between request and answer.
    """
    for method in ("POST", "PUT", "DELETE"):
        standing.arm(method=method, times=None, delay_s=SLOW_S)
    log = folder / f"events-{count}"
    engine = standing.started(*run, "--event-log", str(log))
    try:
        until(
            lambda: True if engine.ended or steps(log) >= count else None, RUN_WITHIN_S, f"step {count}", every_s=0.002
        )
        return not engine.ended
    finally:
        engine.kill()
        standing.disarm()


def at_every_step(standing: Standing, case: Case, first: int, folder: Path, begin: Callable[[], None]) -> None:
    """Kill after the first step, and then after each that is STRIDE later, until the run ends before it is killed."""
    for count in itertools.count(first, STRIDE):
        begin()
        killed = kill_after(standing, count, folder, *command(case))
        if killed:
            recover(standing, case)
        case.check_end(standing)
        if not killed:
            assert count > STRIDE, "the run made hardly a step"
            return


FIRSTS: Final = tuple(
    pytest.param(first, marks=pytest.mark.xdist_group(f"kills-{first % 2}")) for first in range(1, STRIDE + 1)
)


@pytest.mark.long
@pytest.mark.parametrize("first", FIRSTS)
def test_an_up_is_killed_at_every_step(standing: Standing, first: int, tmp_path: Path) -> None:
    """On empty accounts: whatever was made, the same command finishes, and `destroy` leaves nothing."""
    case = Case("Server", "create", "latency")
    at_every_step(standing, case, first, tmp_path, lambda: case.begin(standing))
    done = standing.engine("destroy")
    assert done.code == 0, done.said
    assert not any(standing.names().values())


@pytest.mark.long
@pytest.mark.parametrize("first", FIRSTS)
def test_a_destroy_is_killed_at_every_step(standing: Standing, first: int, tmp_path: Path) -> None:
    """Whatever was removed, the same command finishes, and both accounts are empty."""
    case = Case("Server", "delete", "latency")
    at_every_step(standing, case, first, tmp_path, lambda: case.begin(standing))


@pytest.mark.long
@pytest.mark.xdist_group("kills-0")
@pytest.mark.parametrize("count", range(1, 6))
def test_an_update_is_killed_at_every_step(standing: Standing, count: int, tmp_path: Path) -> None:
    """A firewall's rules and a server's type, changed in the stack file: both are there at the end, each once."""
    rules, resize = Case("Firewall", "rules", "latency"), Case("Server", "resize", "latency")
    resize.begin(standing)
    rules.begin(standing)
    killed = kill_after(standing, count, tmp_path, "up")
    assert killed is (count <= 4), "an update of two resources has two beginnings and two ends"
    if killed:
        recover(standing, resize)
    elif "off" in standing.powers():
        mend(standing)
    rules.check_end(standing)
    resize.check_end(standing)

"""What a person breaks and heals by the command, and what a visitor has of it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.first_light.deployed import PAGE, farshore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.first_light.deployed import Deployed
    from tools.lab import Machines

pytestmark = pytest.mark.lab
TIMED = ("-o", "/dev/null", "-w", "%{time_total}")


@pytest.fixture
def whole(deployed: Deployed) -> Iterator[Deployed]:
    """Return the deployment, with nothing wrong after the test."""
    yield deployed
    deployed.lab.heal()
    deployed.page()


def say(deployed: Deployed, *words: str) -> str:
    """Return what a command says that works."""
    done = farshore("lab", *words, "--name", deployed.name)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_slow_way_between_shield_and_origin_is_felt_by_the_visitor(whole: Deployed) -> None:
    """By the names of the stack file: twice 400 ms come on top of each request, until it is healed."""
    whole.page()
    server = {name: whole.host(name).server_name for name in ("falkenstein", "press")}
    own = f"slow {server['falkenstein']} {server['press']}"
    until(partial(_is_quick, whole), 30, "a request without the latency")
    said = say(whole, "slow", "falkenstein", "press", "--latency-ms", "400")
    assert said == f"{own} (latency_ms 400); to end it: farshore lab heal {own}\n"
    assert PAGE in whole.page()
    assert float(whole.fetch("http://www.example.com/", *TIMED)) >= 0.8
    assert [line.split() for line in say(whole, "faults").splitlines()] == [
        ["fault", "how"],
        [*own.split(), "latency_ms", "400"],
    ]
    assert say(whole, "heal", "press") == f"healed: {own}\n"
    assert say(whole, "faults") == "nothing is wrong\n"
    until(partial(_is_quick, whole), 30, "a request without the latency")


def _is_quick(deployed: Deployed) -> bool | None:
    return float(deployed.fetch("http://www.example.com/", *TIMED)) < 0.8 or None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cut", "nobody"], "host: 'nobody', allowed: "),
        (["narrow", "press", "--mtu-bytes", "500"], "mtu_bytes: 500, Input should be greater than or equal to 1280"),
        (["block", "press", "--port", "80"], "allowed with a port: 'tcp', 'udp'; name one"),
        (["heal", "press"], "fault: 'press', allowed: words of one that lasts (nothing is wrong); see: farshore lab"),
    ],
)
def test_what_can_not_be_broken_is_refused_in_one_line(whole: Deployed, words: list[str], message: str) -> None:
    """Exit code 2, no traceback, and nothing is wrong afterwards."""
    done = farshore("lab", *words, "--name", whole.name)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert whole.lab.faults() == ()


def test_a_clock_is_wrong_where_the_machine_has_one(whole: Deployed, machines: Machines) -> None:
    """A virtual machine's, until it is healed; under systemd-nspawn there is none, and that is said."""
    skew = ["skew-clock", "press", "--seconds", "-3600"]
    if machines == "nspawn":
        done = farshore("lab", *skew, "--name", whole.name)
        assert (done.returncode, done.stdout) == (2, "")
        assert "allowed: a virtual machine's; start the lab with --machines vm" in done.stderr
        return
    say(whole, *skew)
    assert abs(ahead_s(whole) + 3600) < 600
    say(whole, "heal", "press")
    assert abs(ahead_s(whole)) < 600


def ahead_s(deployed: Deployed) -> float:
    """Return how far the origin's clock is ahead of this machine's."""
    return float(deployed.machine("press").run(["date", "+%s"], check=True).stdout) - time.time()


@pytest.mark.long
def test_a_filtered_tunnel_and_a_cut_cable_take_the_page_away(whole: Deployed) -> None:
    """A provider's filter of WireGuard's port, then the origin's cable, then the shield's power; each is healed."""
    whole.page()
    for words in (
        ("block", "falkenstein", "press", "--protocol", "udp", "--port", "51820"),
        ("cut", "press"),
        ("cut-power", "falkenstein"),
    ):
        say(whole, *words)
        whole.gone()
        say(whole, "heal")
        assert PAGE in whole.page(within_s=150)

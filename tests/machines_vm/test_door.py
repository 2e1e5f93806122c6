"""Programs run in a virtual machine as they do in any other, through ports that no firewall sees."""

from __future__ import annotations

import fcntl
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from lab.machines.qemu_wire import PORTS
from tests.machines_vm.typing_at import Typing

if TYPE_CHECKING:
    from lab.client import MachineSpot

pytestmark = [pytest.mark.lab, pytest.mark.vm]


def test_outputs_and_exit_code_are_the_programs(machine: MachineSpot) -> None:
    """Each output arrives where it belongs, whole, and the code is the program's."""
    done = machine.run(["sh", "-c", "echo good; echo bad >&2; exit 3"])
    assert (done.stdout, done.stderr, done.returncode) == ("good\n", "bad\n", 3)
    assert machine.run(["sh", "-c", "kill -TERM $$"]).returncode == 128 + signal.SIGTERM


def test_a_program_that_is_not_there_is_said(machine: MachineSpot) -> None:
    """As a shell has it: 127, and the name."""
    done = machine.run(["no-such-program"])
    assert done.returncode == 127
    assert "no-such-program" in done.stderr


def test_a_program_runs_as_the_user_named(machine: MachineSpot) -> None:
    """Rights in the machine are root's unless another user is asked for."""
    assert machine.run(["id", "-un"]).stdout == "root\n"
    assert machine.run(["id", "-un"], user="nobody").stdout == "nobody\n"


def test_much_goes_in_and_out(machine: MachineSpot) -> None:
    """More than any buffer on the way holds, both ways at once, comes back as it went."""
    given = "".join(f"{number}\n" for number in range(200_000))
    assert machine.run(["cat"], given=given).stdout == given


def test_a_program_that_does_not_read_its_input_ends(machine: MachineSpot) -> None:
    """What nobody reads holds up nobody."""
    assert machine.run(["true"], given="x" * 1_000_000).returncode == 0


def test_a_firewall_that_drops_everything_is_none_for_the_lab(machine: MachineSpot) -> None:
    """The lab still gets in when nothing else does."""
    closed = "table inet closed { chain in { type filter hook input priority 0; policy drop; }; }"
    machine.run(["nft", "-f", "-"], given=closed, check=True)
    try:
        assert machine.run(["echo", "in"]).stdout == "in\n"
    finally:
        machine.run(["nft", "delete", "table", "inet", "closed"], check=True)


def test_more_programs_than_ports_take_turns(machine: MachineSpot) -> None:
    """The one too many runs as soon as another has ended, and not before."""
    long = [machine.start(["sleep", "1000"]) for _ in range(PORTS)]
    try:
        until(lambda: True if taken(machine) == PORTS else None, 30, "all ports taken")
        with pytest.raises(subprocess.TimeoutExpired):
            machine.run(["true"], within_s=1)
        long[0].kill()
        assert machine.run(["true"]).returncode == 0
    finally:
        for process in long:
            process.kill()
            process.wait()


def test_ending_the_caller_ends_the_program(machine: MachineSpot) -> None:
    """A program in the machine does not outlive the process that has asked for it."""
    caller = machine.start(["sleep", "4321"])
    until(lambda: True if asleep(machine) else None, 20, "the program in the machine")
    caller.kill()
    caller.wait()
    until(lambda: None if asleep(machine) else True, 20, "the program in the machine ended")


def asleep(machine: MachineSpot) -> bool:
    """Tell whether the program sleeps in the machine."""
    return machine.run(["pgrep", "-xf", "sleep 4321"]).returncode == 0


def taken(machine: MachineSpot) -> int:
    """Return how many ports somebody is connected to."""
    assert machine.door is not None
    found = 0
    for number in range(PORTS):
        with (machine.door / f"port{number}.lock").open("a", encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                found += 1
    return found


def test_a_shell_has_a_terminal_as_large_as_the_callers(machine: MachineSpot) -> None:
    """Keys arrive one by one, ^C ends what runs and not the shell, and the shell's exit code comes back."""
    with Typing(machine.shell_command(), rows=33, columns=101) as terminal:
        terminal.sees("# ")
        terminal.type("tty; stty size\r")
        terminal.sees("/dev/pts/")
        terminal.sees("33 101\r\n")
        terminal.type("sleep 4322\r")
        until(lambda: machine.run(["pgrep", "-xf", "sleep 4322"]).returncode == 0 or None, 20, "what the shell runs")
        terminal.type("\x03")
        terminal.type("echo code $?\r")
        terminal.sees("code 130\r\n")
        terminal.resize(rows=20, columns=70)
        until(lambda: terminal.asked("stty size\r", "20 70\r\n") or None, 20, "the other size")
        terminal.type("exit 7\r")
        assert terminal.ended() == 7


def test_without_a_terminal_there_is_none_in_the_machine(machine: MachineSpot) -> None:
    """A script that opens a shell by a pipe gets pipes."""
    done = subprocess.run(
        machine.shell_command(), input="tty; exit 3\n", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("not a tty\n", 3)

"""Wait until the lab's hosts are born, and say of one that is not what it lacks and what to do about it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from lab.client import Lab, LabError

if TYPE_CHECKING:
    from rich.console import Console

    from tools.deployment import Host, Hosts

BORN: Final = "/var/lib/farshore/born"
RESULT: Final = "/run/cloud-init/result.json"
LOG: Final = "/var/log/cloud-init.log"
BIRTH_WITHIN_S: Final = 180.0
VIRTUAL_BIRTH_WITHIN_S: Final = 420.0  # of a pair without KVM, on two busy cores; more hosts take their share more
OFF_WITHIN_S: Final = 30.0  # a machine that is wished for is made and switched on at once, and again after a failure
_CONSOLE_LINES: Final = 15
_LOG_LINES: Final = 12
# What cloud-init complains of, and what its programs and exceptions say last; never what it was given.
_COMPLAINTS: Final = [
    "grep",
    "-E",
    r"\[(WARNING|ERROR)\]|^[A-Za-z_.]+(Error|Exception|Expired)|^(Command|Exit code): ",
    LOG,
]
# In this order: the marker is written before the result is.
_ASK: Final = f"test -e {RESULT}; done=$?; test -e {BORN} && exit 0; [ $done = 0 ] && exit 3; exit 4"

State: TypeAlias = Literal["born", "busy", "done without it", "off"]


class BirthError(LabError):
    """A host was not born; the text says what to do."""


def await_birth(lab: Lab, hosts: Hosts, console: Console) -> None:
    """Show each host until its marker is there.

    Raises:
        BirthError: One will not be born, or was not in time; with the next command and the end of its console.
    """
    waiting = {host.server_name: host for host in hosts.all}
    virtual = lab.world()["virtual"]
    within_s = VIRTUAL_BIRTH_WITHIN_S * max(1.0, len(waiting) / 2) if virtual else BIRTH_WITHIN_S
    every_s = 2.0 if virtual else 0.1  # a virtual machine has to be asked, and its answer costs it a moment
    begun = time.monotonic()
    seen_on = dict.fromkeys(waiting, begun)
    with console.status("waiting for the hosts") as status:
        while waiting:
            for server, host in tuple(waiting.items()):
                state, now = _state(lab, server), time.monotonic()
                if state == "born":
                    console.print(f"  {host.name} ({host.city}, {host.country}) is born")
                    del waiting[server]
                elif state == "done without it":
                    raise BirthError(_say_done(lab, host))
                elif state == "busy":
                    seen_on[server] = now
                elif now - seen_on[server] > OFF_WITHIN_S:
                    raise BirthError(_say_off(lab, host))
            status.update(f"waiting for {', '.join(host.name for host in waiting.values())}: cloud-init is at work")
            if waiting and time.monotonic() - begun > within_s:
                raise BirthError(_say_late(lab, next(iter(waiting.values())), within_s))
            time.sleep(every_s)


def _state(lab: Lab, server: str) -> State:
    machine = lab.machine(server)
    try:
        if machine.leader_pid is None:
            return "off"
        if machine.door is not None:
            code = machine.run(["sh", "-c", _ASK], within_s=5).returncode
            return "born" if code == 0 else "done without it" if code == 3 else "busy"
        done = machine.has(RESULT)
        if machine.has(BORN):
            return "born"
    except LabError:
        return "off"  # not made yet, or off since the first look
    except (OSError, subprocess.TimeoutExpired):
        return "busy"
    return "done without it" if done else "busy"


def _say_off(lab: Lab, host: Host) -> str:
    first = _command(lab, "reset", host)
    return (
        f"{_where(host)}: off for {OFF_WITHIN_S:.0f} s, though its API says that it runs, allowed: on; "
        f"have it boot: {first}, then {_command(lab, 'up')}"
    )


def _say_done(lab: Lab, host: Host) -> str:
    result: dict[str, object] = {}
    with contextlib.suppress(LabError, OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        result = json.loads(lab.machine(host.server_name).run(["cat", RESULT]).stdout)["v1"]
    if result.get("datasource") == "DataSourceNone":
        return (
            f"{_where(host)}: up without its user data, for cloud-init found no metadata service, allowed: born from "
            f"it; boot it again: {_command(lab, 'reboot', host)}, then {_command(lab, 'up')}{_complaints(lab, host)}"
        )
    return (
        f"{_where(host)}: cloud-init is done and the host not born, allowed: born; "
        f"see what failed: {_command(lab, 'shell', host)}, there: cloud-init status --long{_complaints(lab, host)}"
    )


def _say_late(lab: Lab, host: Host, within_s: float) -> str:
    return (
        f"{_where(host)}: not born within {within_s:.0f} s, allowed: born; "
        f"wait on: {_command(lab, 'up')}, or look: {_command(lab, 'shell', host)}{_console(lab, host)}"
    )


def _where(host: Host) -> str:
    return f"host {host.name} (server {host.server_name}, account {host.account})"


def _command(lab: Lab, verb: str, host: Host | None = None) -> str:
    words = ["bin/farshore", "lab", verb]
    words += ["--name", lab.name] if lab.name != "lab" else []
    return " ".join([*words, host.name] if host else words)


def _complaints(lab: Lab, host: Host) -> str:
    lines: list[str] = []
    with contextlib.suppress(LabError, OSError, subprocess.TimeoutExpired):
        lines = lab.machine(host.server_name).run(_COMPLAINTS).stdout.splitlines()[:_LOG_LINES]
    return "\n".join([f"; {LOG} complains:", *lines]) if lines else _console(lab, host)


def _console(lab: Lab, host: Host) -> str:
    lines: list[str] = []
    with contextlib.suppress(LabError, OSError):
        lines = lab.machine(host.server_name).console.splitlines()[-_CONSOLE_LINES:]
    return "\n".join(["; its console ends:", *lines]) if lines else ""

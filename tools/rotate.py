"""`farshore rotate`: new keys for every tunnel of a deployment that runs, without a lost request."""

import time
from contextlib import AbstractContextManager
from functools import partial
from typing import Annotated, Final

import typer

from plan import Host, Plan
from plan.custody import outside_hosts
from tools.device_commands import ConfigFile, InLab, StackName, console, refusing
from tools.repair_state import StateError
from tools.rotation import (
    Keys,
    RotationError,
    check_reach,
    lagging,
    left_behind,
    next_step,
    step_back,
    tunnel_ends,
    was_pruning,
    write_keys,
)
from tools.rotation_history import find_copies
from tools.rotation_hosts import Doors, open_doors
from tools.rotation_token import read_token, rotate_token
from tools.stack_edit import edit
from tools.target import Target, find_target
from tools.workspace import EngineError

PROVE_WITHIN_S: Final = 60.0
AGAIN_S: Final = 1.0
DRAIN_WITHIN_S: Final = 60.0
DRAIN_LOOK_S: Final = 2.0
# In one look: a handshake (148 and 92 bytes), and a keepalive of 32 each way; a page is more.
DRAINED_BYTES: Final = 600
_WORDS: Final = {
    "stage": "stage: tunnels with new keys beside the old ones",
    "switch": "switch: traffic to the new tunnels, by route",
    "prune": "prune: the old keys and tunnels go",
}


def rotate(
    *,
    stack: StackName = "prod",
    config_file: ConfigFile = None,
    lab: InLab = None,
    back: Annotated[bool, typer.Option("--back", help="Take one step back, and stop.")] = False,
    one: Annotated[bool, typer.Option("--one", help="Take one step, and stop.")] = False,
    leave_devices: Annotated[
        bool, typer.Option("--leave-devices", help="Let the old keys go although devices still dial them.")
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="ACCOUNT", help="Its API token instead: the new one is asked for, or comes on standard input."
        ),
    ] = None,
) -> None:
    """Give every tunnel new keys while all runs: plan, stage, prove, switch, drain, prune; run again, it goes on."""
    with refusing(RotationError, StateError):
        target = find_target(stack, config_file, lab)
        if token is not None:
            rotate_token(target, token, read_token(token), _say)
            return
        rotation = _Rotation(target, leave_devices=leave_devices)
        if back:
            rotation.back()
        else:
            rotation.forward(steps=1 if one else 3)


class _Rotation:
    """One run of the command: what it knows is the stack file and the stack's outputs, and nothing else."""

    def __init__(self, target: Target, *, leave_devices: bool) -> None:
        self._target, self._leave_devices = target, leave_devices
        self._proven = 0

    def forward(self, steps: int) -> None:
        """Go on from wherever the deployment stands."""
        plan, standing = self._target.plan(), self._target.standing()
        check_reach(plan, standing)
        _say(f"{self._target.file.name}: {Keys.of(plan)}")
        if behind := lagging(plan, standing):
            ending = was_pruning(plan, standing)
            _say(f"to be finished at {', '.join(behind)}: the step that the stack file has taken", bold=True)
            self._up()
            steps -= 1
            if ending:
                self._finish(plan)
                return
        while steps:
            steps -= 1
            if self._step():
                return

    def back(self) -> None:
        """Take one step back."""
        plan = self._target.plan()
        check_reach(plan, self._target.standing())
        before = Keys.of(plan)
        after = step_back(before)
        _say(f"back: from {before} to {after}", bold=True)
        plan = self._edit(after)
        self._up()
        self._prove(plan, after.active)

    def _step(self) -> bool:
        """Take one step, and tell whether it was the last one."""
        plan = self._target.plan()
        step, keys = next_step(Keys.of(plan))
        # Before anything new comes, all that stands has to be there: a host that is off would stop it halfway.
        if self._proven != plan.generations[-1]:
            self._prove(plan, plan.generations[-1])
        if step == "prune":
            self._drain(plan)
            self._check_devices(plan)
        _say(_WORDS[step], bold=True)
        plan = self._edit(keys)
        self._up()
        self._prove(plan, keys.newest)
        if step == "prune":
            self._finish(plan)
        return step == "prune"

    def _edit(self, keys: Keys) -> Plan:
        plan = edit(self._target.file, stack=self._target.stack, change=partial(write_keys, keys=keys))
        _say(f"  {self._target.file.name}: {keys}")
        return plan

    def _up(self) -> None:
        """Deploy the stack file before the user's eyes.

        Raises:
            EngineError: It failed; its own words stand above.
        """
        if self._target.deploy():
            again = "the same command goes on, with --back it goes back"
            raise EngineError(f"up: failed as said above, allowed: every host done; its cause mended, {again}")

    def _prove(self, plan: Plan, generation: int) -> None:
        """See that every tunnel of a generation has carried a packet of full size, at both its ends.

        Raises:
            RotationError: One does not, or a host does not answer.
        """
        wanted = tunnel_ends(plan, generation)
        until = time.monotonic() + PROVE_WITHIN_S
        with self._doors(plan) as doors, console.status(f"proving generation {generation}"):
            for host in plan.hosts:
                while missing := wanted[host.name] - doors.proven(host):
                    if time.monotonic() > until:
                        name, peer = min(missing)
                        raise RotationError(
                            f"host {host.name}: {name} to {peer} carries no packet of full size, allowed: every tunnel "
                            f"of generation {generation}; see docs/rotation.md"
                        )
                    time.sleep(AGAIN_S)
        self._proven = generation
        count = sum(map(len, wanted.values())) // 2
        _say(f"  proven at both ends, with packets of full size: {count} tunnels of generation {generation}")

    def _drain(self, plan: Plan) -> None:
        """Wait until nothing but keepalives comes by the older tunnels.

        Raises:
            RotationError: Something does, or a host does not answer.
        """
        old = plan.generations[0]
        ends = tunnel_ends(plan, old)
        until = time.monotonic() + DRAIN_WITHIN_S
        with self._doors(plan) as doors, console.status(f"draining generation {old}"):
            for host in plan.hosts:
                while busy := _busy(doors, host, ends[host.name]):
                    if time.monotonic() > until:
                        raise RotationError(
                            f"host {host.name}: more than keepalives comes by {', '.join(busy)}, allowed: silence; "
                            "see docs/rotation.md"
                        )
        _say(f"  drained: nothing but keepalives comes by generation {old}")

    def _check_devices(self, plan: Plan) -> None:
        """Refuse to end what devices still dial.

        Raises:
            RotationError: Some do.
        """
        names = left_behind(plan)
        if names and not self._leave_devices:
            old, new = plan.generations
            raise RotationError(
                f"devices: {', '.join(names)} dial generation {old}, allowed: {new} alone; for each: `generation: "
                f"{new}` in its entry, new files (farshore operator files, farshore gateway files), `up`, then go on; "
                "with --leave-devices they are cut off until they have them"
            )

    def _finish(self, plan: Plan) -> None:
        _say(f"rotated: generation {plan.active} stands alone, and the keys before it open nothing", bold=True)
        copies = find_copies(self._target.work)
        if copies.purge:
            _say(
                f"  {len(copies.files)} copies of former states in {copies.where} have them, encrypted; to purge these:"
            )
            _say(f"    {copies.purge}")
        elif copies.where:
            _say(f"  copies of former states may have them, encrypted: {copies.where}")
        if plan.custody == "host":
            left = outside_hosts(plan, self._target.standing())
            once_more = (
                f"not those of {', '.join(left)}, which came meanwhile: rotate once more" if left else "all of them"
            )
            _say(f"  private keys that were made on their hosts and are nowhere else: {once_more}")
        if any(host.break_glass_key for host in plan.hosts):
            _say("  SSH host keys are new too: keep what `farshore host-keys` prints beside the break-glass key")
        _say("  what a server was born with stays in its user data, at the provider and in the state, while it lives")

    def _doors(self, plan: Plan) -> AbstractContextManager[Doors]:
        return open_doors(self._target.work, plan, self._target.work.outputs())


def _say(line: str, *, bold: bool = False) -> None:
    console.print(line, style="bold" if bold else None, markup=False)


def _busy(doors: Doors, host: Host, ends: set[tuple[str, str]]) -> list[str]:
    """Return those interfaces of a host by which more than keepalives came within one look."""
    before = doors.received_bytes(host)
    time.sleep(DRAIN_LOOK_S)
    after = doors.received_bytes(host)
    return sorted({end[0] for end in ends if after.get(end, 0) - before.get(end, 0) > DRAINED_BYTES})

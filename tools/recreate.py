"""`farshore recreate`: the whole deployment anew, at its addresses, with its data and with new keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from plan import StackError
from plan.data import judge_data
from plan.faults import choices
from plan.moves import find_moves
from tools.device_commands import ConfigFile, InLab, StackName, console, refusing
from tools.recreation import Journal, RecreateError, compare_outputs, find_kept, judge_kept, tell_loss
from tools.repair_account import AccountError
from tools.repair_state import StateError, parse_export
from tools.replace import Yes, agree, require
from tools.stock import StockError
from tools.target import Target, find_target
from tools.workspace import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plan import Plan


def recreate(*, stack: StackName = "prod", config_file: ConfigFile = None, lab: InLab = None, yes: Yes = False) -> None:
    """Destroy all but addresses and data volumes, and make all of it anew; run again, it goes on."""
    with refusing(RecreateError, AccountError, StockError, StateError):
        _Recreation(find_target(stack, config_file, lab)).run(yes=yes)


class _Recreation:
    """One run of the command: what it knows is the stack file, the state, and the journal of a run before it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._journal = Journal(target.work.folder / f".recreate-{target.stack}.json")

    def run(self, *, yes: bool) -> None:
        """Go on from wherever it stands."""
        plan, begun = self._target.plan(), self._journal.read()
        if begun is None:
            outputs = self._look(plan)
            agree(f"{tell_loss(plan)} are erased", yes=yes)
            self._journal.write("destroy", outputs)
            step = "destroy"
        else:
            step, outputs = begun
            agree(f"a recreation was begun and not finished: {step} is next", yes=yes)
        started_s = time.monotonic()
        if step == "destroy":
            self._destroy()
            self._journal.write("up", outputs)
        destroyed_s = time.monotonic()
        self._say("up: everything anew")
        if self._target.deploy():
            raise EngineError("up: failed as said above, allowed: every host there; its cause mended, run it again")
        done_s = time.monotonic()
        self._journal.end()
        self._tell(outputs, self._target.work.outputs())
        parts = f"destroy {destroyed_s - started_s:.0f} s, up {done_s - destroyed_s:.0f} s"
        self._say(f"recreated in {done_s - started_s:.0f} s: {parts}")

    def _look(self, plan: Plan) -> dict[str, Any]:
        """Return the outputs of what stands, if all of it can be made anew.

        Raises:
            RecreateError: Nothing stands.
            StackError: What has to stay would go, or the stack file asks for what a kept address or volume can't be.
            StockError: A server is not to be had.
        """
        standing = self._target.standing()
        if not standing.hosts:
            raise RecreateError(f"stack {self._target.stack}: nothing stands, allowed: a deployment; run `up`")
        kept = find_kept(self._resources())
        if faults := (*judge_kept(plan, kept), *find_moves(plan, standing), *judge_data(plan, standing)):
            raise StackError(faults)
        for host in plan.hosts:
            require(self._target, host)
        volumes = f"{kept.volumes} data volume{'' if kept.volumes == 1 else 's'}"
        self._say(f"kept: {kept.addresses} public addresses, {volumes}, with what opens each")
        return self._target.work.outputs()

    def _destroy(self) -> None:
        """Destroy all that is not protected.

        Raises:
            EngineError: It failed; its own words stand above.
            RecreateError: A key is left that is to go.
        """
        self._say("destroy: all but what is kept")
        if self._target.work.show("destroy", "--yes", "--skip-preview", "--exclude-protected"):
            raise EngineError("destroy: failed as said above, allowed: all gone; its cause mended, run it again")
        if left := find_kept(self._resources()).others:
            raise RecreateError(f"state: {left} resources left, allowed: what is protected; run it again")

    def _tell(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Say what the outputs tell of before and after.

        Raises:
            RecreateError: A key is that of before.
        """
        found = compare_outputs(before, after)
        if found.old_keys:
            raise RecreateError(f"keys: {choices(found.old_keys)} as before, allowed: new ones; run `farshore rotate`")
        keys = find_kept(self._resources()).keys
        stayed = f"; those of data volumes stay: {choices(keys)}" if keys else ""
        console.print(f"  new keys at all {found.tunnels} ends of tunnels, and for SSH and delivery{stayed}")
        if found.changed:
            console.print(f"  outputs that changed: {', '.join(found.changed)} (pulumi stack output)")
        else:
            console.print("  outputs are what they were: addresses, records, ports, names")
        if found.devices:
            console.print(f"  new files are needed by {choices(found.devices)} (pulumi stack output devices)")

    def _resources(self) -> Sequence[Mapping[str, Any]]:
        work = self._target.work
        export = parse_export(work.run(["stack", "export", "--stack", work.stack]))
        rows: list[Mapping[str, Any]] = export["deployment"].get("resources") or []
        return rows

    def _say(self, line: str) -> None:
        console.print(line, style="bold", markup=False)

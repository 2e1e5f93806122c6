"""A stack to repair: the engine's side of it, its accounts, a look at both, and the mending."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tools.repair_account import Account
from tools.repair_adoption import with_adopted
from tools.repair_compare import find_differences, orphans
from tools.repair_model import ACCOUNT_UNKNOWN, KINDS
from tools.repair_state import parse_export, read_state
from tools.repair_wishes import faults_of, read_wishes
from tools.workspace import EngineError, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tools.repair_model import Difference, Found, State, Wish

    Say = Callable[[str], None]

HETZNER: Final = "https://api.hetzner.cloud/v1"
ROUNDS: Final = 4
"""Addresses, keys and firewalls are adopted before the servers that name them; two rounds do, as a rule."""


@dataclass(frozen=True, kw_only=True)
class OwnWorkspace(Workspace):
    """A stack of the operator's own: their backend, their passphrase, the stack file beside Pulumi.yaml.

    Args:
        config_file: The stack file, where it lies elsewhere.
    """

    config_file: Path | None = None

    @cached_property
    def environment(self) -> dict[str, str]:
        """The caller's own, as it is."""
        return dict(os.environ)

    @property
    def stack_file(self) -> Path:
        """The stack file itself."""
        return self.config_file or self.project / f"Pulumi.{bare(self.stack)}.yaml"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen at one moment.

    Args:
        state: What the state has of the accounts.
        differences: Empty when all is well.
    """

    state: State
    differences: tuple[Difference, ...]


class BusyError(Exception):
    """Another repair of the same stack is at work."""


class Patient:
    """A stack and its accounts.

    Args:
        work: The engine's side.
        adopt: Let the state take over what the program asks for; else every orphan is to be removed.
        say: Takes a line for each thing done.
    """

    def __init__(self, work: Workspace, *, adopt: bool, say: Say) -> None:
        self._work = work
        self._adopt = adopt
        self._say = say
        self._accounts: dict[str, Account] = {}

    def look(self) -> Look:
        """Compare the state with the accounts, changing neither; accounts first, so that what is new is in the state.

        Where there are orphans the program is asked what it wants, by a preview.

        Raises:
            EngineError: The state, a token or the program's wishes could not be read.
            AccountError: An account did not answer.
            StateError: What the engine gave is no state.
            WishError: What the engine gave is no preview.
        """
        names = self.account_names()
        found = [thing for name in names for thing in self.account(name).found()]
        state = read_state(parse_export(self._export()))
        former = {row.account for row in state.known} - set(names) - {ACCOUNT_UNKNOWN}
        for name in sorted(former):  # left the stack file, not yet the state
            found += self.account(name).found()
        stack = bare(self._work.stack)
        wishes = self._wishes() if self._adopt and orphans(stack, found, state) else None
        return Look(state=state, differences=find_differences(stack, found, state, wishes))

    def mend(self, seen: Look) -> Look:
        """Refresh the state, attach, remove and adopt orphans, power on; return what is left.

        The refresh comes first in any case: it takes the stack's lock, so that what an `up` was making during the
        first look is in the state by the second. Only what both looks call an orphan is removed, and only if the first
        said so: what was to be adopted and can't be any more is left, to be asked about again.

        Args:
            seen: The first look.

        Raises:
            BusyError: Another repair is at work.
            EngineError: The engine refused; what was done before stays done.
            AccountError: An account refused; what was done before stays done.
        """
        with self._alone():
            forget = ["--clear-pending-creates"] if any(one.remedy == "clear" for one in seen.differences) else []
            self._refresh(*forget)
            if self._attach(seen):
                self._refresh()
            self._say("the state is refreshed")
            agreed = {one.key for one in seen.differences if one.remedy == "remove"}
            now = self.look()
            for _ in range(ROUNDS):
                if not self._round(now, agreed):
                    break
                now = self.look()
        return now

    def _round(self, now: Look, agreed: set[tuple[str, str, int | None]]) -> bool:
        """Do what can be done after one look; tell whether anything was."""
        doomed = [one.found for one in now.differences if one.remedy == "remove" and one.key in agreed and one.found]
        for thing in sorted(doomed, key=lambda orphan: KINDS.index(orphan.kind)):
            self.account(thing.account).remove(thing)
            self._told(thing, "is removed")
        adopted = [one for one in now.differences if one.remedy == "adopt" and not one.early]
        if adopted:
            self._take_over(adopted)
        dark = [one.found for one in now.differences if one.remedy == "power on" and one.found]
        for thing in dark:
            self.account(thing.account).power_on(thing)
            self._told(thing, "is on")
        return bool(doomed or adopted or dark)

    def _attach(self, seen: Look) -> bool:
        """Give servers back what the first look missed, for a refresh takes their loss for granted."""
        lacking = [one for one in seen.differences if one.remedy == "attach"]
        for one in lacking:
            assert one.found is not None  # it is an object that lacks something
            self.account(one.account).attach(one.found, one.missing)
            self._told(one.found, f"has {one.why} again")
        return bool(lacking)

    def _refresh(self, *flags: str) -> None:
        self._work.run(["refresh", "--yes", "--skip-preview", *flags, *self._work.where])

    def _take_over(self, adopted: list[Difference]) -> None:
        """Put orphans into the state, and let the engine read what they are.

        The state is read and written at once; `stack import` takes the stack's lock.
        """
        fresh = with_adopted(parse_export(self._export()), adopted, datetime.now(UTC))
        self._work.run(["stack", "import", "--stack", self._work.stack], given=json.dumps(fresh), folder=self.home)
        # A firewall's row is whole as it is, and its rules are to stay the secret that it makes of them.
        urns = [one.wish.urn for one in adopted if one.wish is not None and one.kind != "firewall"]
        targets = [word for urn in urns for word in ("--target", urn)]
        if targets:
            self._refresh(*targets)
        for one in adopted:
            if one.found is not None:
                self._told(one.found, "is adopted")

    def _told(self, thing: Found, what: str) -> None:
        self._say(f"account {thing.account}: {thing.kind} {thing.name!r} {what}")

    def _export(self) -> str:
        return self._work.run(["stack", "export", "--stack", self._work.stack])

    def _wishes(self) -> dict[tuple[str, str, str], Wish]:
        """Return what the program would create, were the state refreshed first."""
        self._say("asking the program what it wants of what the state does not know …")
        try:
            return read_wishes(self._work.run(["preview", "--json", "--refresh", *self._work.where]))
        except EngineError as error:
            raise EngineError(f"preview: {faults_of(str(error))}") from None

    @property
    def home(self) -> Path:
        """The folder to import from: `stack import` takes no --config-file, and may write beside the Pulumi.yaml."""
        beside = self._work.stack_file.parent
        return beside if (beside / "Pulumi.yaml").exists() else self._work.project

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the stack file, so that no other repair of this stack mends at the same time."""
        with self._work.stack_file.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BusyError(
                    f"stack {self._work.stack!r}: another repair is at work, allowed: one at a time; wait for it"
                ) from error
            yield

    def account_names(self) -> list[str]:
        """Return the names of the stack file's accounts."""
        return list(json.loads(self._work.run(["config", "get", "farshore:accounts", *self._work.where])))

    def token(self, name: str) -> str:
        """Return what opens an account; the stack file holds it encrypted."""
        path = f"farshore:secrets.tokens.{name}"
        return self._work.run(["config", "get", "--path", path, *self._work.where]).strip()

    def account(self, name: str) -> Account:
        """Return an account, opened."""
        if name not in self._accounts:
            endpoint = self._work.environment.get("HCLOUD_ENDPOINT", HETZNER)
            self._accounts[name] = Account(name, token=self.token(name), endpoint=endpoint)
        return self._accounts[name]


def bare(stack: str) -> str:
    """Return a stack's name without organisation and project, as its labels have it."""
    return stack.rsplit("/", 1)[-1]

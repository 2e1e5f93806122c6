"""A stack to repair: the engine's side of it, its accounts, a look at both, and the mending."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from tools.repair_account import KINDS, Account
from tools.repair_state import find_differences, read_state
from tools.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tools.repair_state import Difference, Known

HETZNER: Final = "https://api.hetzner.cloud/v1"


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
        known: What the state has of the accounts.
        differences: Empty when all is well.
    """

    known: tuple[Known, ...]
    differences: tuple[Difference, ...]


class Patient:
    """A stack and its accounts.

    Args:
        work: The engine's side.
    """

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self._where = ["--stack", work.stack, "--config-file", str(work.stack_file)]
        self._accounts: dict[str, Account] = {}

    def look(self) -> Look:
        """Compare the state with the accounts, changing neither; accounts first, so that what is new is in the state.

        Raises:
            EngineError: The state or a token could not be read.
            AccountError: An account did not answer.
        """
        names = json.loads(self._work.run(["config", "get", "farshore:accounts", *self._where]))
        found = [thing for name in names for thing in self._account(name).found()]
        known = self._known()
        for name in sorted({row.account for row in known} - set(names)):  # left the stack file, not yet the state
            found += self._account(name).found()
        return Look(known=known, differences=find_differences(bare(self._work.stack), found, known))

    def mend(self, seen: Look, say: Callable[[str], None]) -> Look:
        """Refresh the state, power on what is off, remove orphans; return what is left.

        The refresh comes first in any case: it takes the stack's lock, so that what an `up` was making during the
        first look is in the state by the second. Only what both looks call an orphan is removed.

        Args:
            seen: The first look.
            say: Takes a line for each thing done.

        Raises:
            EngineError: The engine refused to refresh.
            AccountError: An account refused; what was done before stays done.
        """
        forget = ["--clear-pending-creates"] if any(one.wrong == "interrupted" for one in seen.differences) else []
        self._work.run(["refresh", "--yes", "--skip-preview", *self._where, *forget])
        say("the state is refreshed")
        now = self.look()
        for one in now.differences:
            if one.wrong == "off" and one.found is not None:
                self._account(one.account).power_on(one.found)
                say(f"account {one.account}: {one.kind} {one.name!r} is on")
        before = {(one.account, one.kind, one.id) for one in seen.differences if one.wrong == "orphan"}
        orphans = [
            one for one in now.differences if one.wrong == "orphan" and (one.account, one.kind, one.id) in before
        ]
        for one in sorted(orphans, key=lambda orphan: KINDS.index(orphan.kind)):
            assert one.found is not None  # an orphan is an object
            self._account(one.account).remove(one.found)
            say(f"account {one.account}: {one.kind} {one.name!r} is removed")
        return self.look()

    def _known(self) -> tuple[Known, ...]:
        export: Any = json.loads(self._work.run(["stack", "export", "--stack", self._work.stack]))
        return read_state(export)

    def _account(self, name: str) -> Account:
        """Return an account, opened with the token that the stack file holds encrypted."""
        if name not in self._accounts:
            path = f"farshore:secrets.tokens.{name}"
            token = self._work.run(["config", "get", "--path", path, *self._where]).strip()
            endpoint = self._work.environment.get("HCLOUD_ENDPOINT", HETZNER)
            self._accounts[name] = Account(name, token=token, endpoint=endpoint)
        return self._accounts[name]


def bare(stack: str) -> str:
    """Return a stack's name without organisation and project, as its labels have it."""
    return stack.rsplit("/", 1)[-1]

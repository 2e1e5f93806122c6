"""One project: what one company's token opens, and the rules that hold inside it.

Pure: a clock and a source of passwords are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.cloud.records import Action
from lab.cloud.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from lab.cloud.catalogue import Catalogue
    from lab.cloud.records import Ledger, Tables
    from lab.cloud.reply import Json
    from lab.cloud.settings import Settings


@dataclass(frozen=True, kw_only=True, eq=False)
class Project:
    """The state of one project, and what every module does with it.

    Args:
        tables: What it owns.
        ledger: What all projects share.
        catalogue: What can be ordered.
        settings: The lab's knobs.
        clock: Returns the time, with its zone.
        password: Returns a new root password.
    """

    tables: Tables
    ledger: Ledger
    catalogue: Catalogue
    settings: Settings
    clock: Callable[[], datetime]
    password: Callable[[], str]

    def now(self) -> str:
        """Return the time as the API writes it."""
        return self.clock().isoformat(timespec="seconds").replace("+00:00", "Z")

    def now_s(self) -> float:
        """Return the time in seconds since 1970."""
        return self.clock().timestamp()

    def new_id(self) -> int:
        """Return the next free id; ids are never reused."""
        number = self.ledger.next_id
        self.ledger.next_id += 1
        return number

    def start_action(self, command: str, *resources: tuple[str, int]) -> Action:
        """Start an action.

        Args:
            command: Hetzner's word for it.
            resources: Pairs of kind and id; the first is what it is done to.
        """
        faults = self.settings.action_faults
        action = Action(
            id=self.ledger.next_action_id,
            command=command,
            status="running",
            started=self.now(),
            started_s=self.now_s(),
            resources=list(resources),
            polls_left=self.settings.action_polls,
            fault=faults.get(command, faults.get("*")),
            endless=not self.settings.endless_actions.isdisjoint((command, "*")),
        )
        self.ledger.next_action_id += 1
        self.tables.actions[action.id] = action
        self.settle(action)
        return action

    def settle(self, action: Action) -> None:
        """End an action that was looked at often enough, or that has lasted long enough."""
        if action.status != "running" or action.endless or action.awaits_disk:
            return
        lasted_s = self.now_s() - action.started_s
        if action.polls_left > 0 and lasted_s < self.settings.action_lasts_s:
            return
        action.status = "error" if action.fault else "success"
        action.finished = self.now()

    def start_disk_action(self, command: str, *resources: tuple[str, int]) -> Action:
        """Start an action that is over when the world has done it, if there is a world that says so."""
        action = self.start_action(command, *resources)
        action.awaits_disk = self.settings.disks_reported and action.fault is None
        if action.awaits_disk:
            action.status, action.finished = "running", None
        return action

    def disk_acted(self, command: str, *resources: tuple[str, int]) -> Reply:
        """Start an action of a disk and return the answer that shows it alone."""
        return Reply(status=201, body={"action": show_action(self.start_disk_action(command, *resources))})

    def acted(self, command: str, *resources: tuple[str, int]) -> Reply:
        """Start an action and return the answer that shows it alone."""
        return Reply(status=201, body={"action": show_action(self.start_action(command, *resources))})

    def running_commands(self, kind: str, number: int) -> tuple[str, ...]:
        """Return the commands of the actions under way that are done to one object."""
        own = [a for a in self.tables.actions.values() if a.resources[0] == (kind, number)]
        for action in own:
            self.settle(action)
        return tuple(action.command for action in own if action.status == "running")


def show_action(action: Action) -> Json:
    """Return an action as it is shown, without a look being counted."""
    error = {"code": action.fault[0], "message": action.fault[1]} if action.fault else None
    return {
        "id": action.id,
        "command": action.command,
        "status": action.status,
        "progress": 0 if action.status == "running" else 100,
        "started": action.started,
        "finished": action.finished,
        "resources": [{"id": number, "type": kind} for kind, number in action.resources],
        "error": error if action.status == "error" else None,
    }

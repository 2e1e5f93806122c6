"""One project: what one company's token opens, and the rules that hold inside it.

Pure: a clock and a source of passwords are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.cloud.actions import settle, show_action
from lab.cloud.call import Call, find_route
from lab.cloud.records import Action
from lab.cloud.reply import ApiError, Reply
from lab.cloud.routes import ROUTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from lab.cloud.call import Query
    from lab.cloud.catalogue import Catalogue
    from lab.cloud.records import Ledger, Tables
    from lab.cloud.reply import Json
    from lab.cloud.settings import Settings


@dataclass(frozen=True, kw_only=True, eq=False)
class Project:
    """The state of one project, and `handle`, its only door.

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

    def handle(self, method: str, path: str, query: Query, body: Json | None) -> Reply:
        """Answer one request.

        Args:
            method: `GET`, `POST`, `PUT` or `DELETE`.
            path: Path below `/v1`, such as `/servers/1`.
            query: Pairs as they came.
            body: The JSON body; None without one.

        A refusal is an answer as well; 501 says that the lab does not model what was asked.
        """
        try:
            route, captures = find_route(ROUTES, method, path)
            call = Call(project=self, path=path, captures=captures, query=query, body=body)
            return route.handler(call)
        except ApiError as refusal:
            return refusal.reply()

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
        settle(self, action)
        return action

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
            settle(self, action)
        return tuple(action.command for action in own if action.status == "running")

"""Faults as a lab's user has them: ask the lab's door, and hold a fault until it is healed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lab.door import Door, DoorError
from lab.faults.model import Fault, FaultError, fault_name, parse_fault, render_fault

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


@dataclass(frozen=True, kw_only=True)
class FaultDoor:
    """The faults of a lab's world, as its own door has them.

    Args:
        door: Of the lab.
    """

    door: Door

    def faults(self) -> tuple[Fault, ...]:
        """Return what is wrong, the oldest first."""
        return tuple(parse_fault(json.dumps(one).encode()) for one in self._ask("GET"))

    def inject(self, fault: Fault) -> Injected:
        """Begin a fault, or change it if it has begun; return when it is so.

        Raises:
            FaultError: What it names is not there, or can't have it.
        """
        self._ask("POST", content=json.loads(render_fault(fault)))
        return Injected(self, fault)

    def heal(self, name: str) -> None:
        """End the fault of this name, if it has not ended."""
        self._ask("DELETE", f"/{quote(name, safe='')}")

    def heal_all(self) -> None:
        """End every fault."""
        self._ask("DELETE")

    def _ask(self, method: str, path: str = "", content: object = None) -> Any:
        try:
            return self.door.ask(method, f"world/faults{path}", content)
        except DoorError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                allowed = "faults: a lab without machines, allowed: one with; start it with --machines nspawn"
                raise FaultError(allowed) from error
            failed = f"fault: the lab failed at it ({error.status}); see its serve.log"
            raise FaultError(error.reason or failed) from error


class Injected:
    """A fault that was begun; a context that ends with it.

    Args:
        door: Of its lab.
        fault: What it is.
    """

    def __init__(self, door: FaultDoor, fault: Fault) -> None:
        self._door = door
        self.fault = fault

    @property
    def name(self) -> str:
        """The words that tell it from others."""
        return fault_name(self.fault)

    def change(self, **figures: object) -> None:
        """Change some of its figures while it lasts."""
        changed = parse_fault(json.dumps({**json.loads(render_fault(self.fault)), **figures}).encode())
        if fault_name(changed) != self.name:
            raise FaultError(f"change: {fault_name(changed)!r}, allowed: figures of {self.name!r}; inject another one")
        self._door.inject(changed)
        self.fault = changed

    def heal(self) -> None:
        """End it, if it has not ended."""
        self._door.heal(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.heal()

"""Faults of a stack file: one line each, all of them in one error.

Pure: text only. A line reads *where: found, allowed: what is; remedy*.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plan.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import ValidationError


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong, and the way out.

    Args:
        where: Key of the stack file (`farshore:origins.press.slot`).
        found: What stands there, as Python writes it; never a secret.
        allowed: What may stand there.
        remedy: What to do.
    """

    where: str
    found: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}, allowed: {self.allowed}; {self.remedy}"


class StackError(ValueError):
    """Say everything that is wrong with a stack file.

    Args:
        faults: Each counts once.
        file: Name of the stack file, where its lines are known.
        lines: Line of each key.
    """

    def __init__(self, faults: Iterable[Fault], *, file: str = "", lines: Mapping[str, int] | None = None) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        told = [(line_of(fault.where, lines or {}), fault) for fault in self.faults]
        told.sort(key=lambda one: one[0] or 0)
        super().__init__(
            "\n".join(
                [
                    f"the stack file has {count}",
                    *(f"  {file}:{line}: {fault}" if line and file else f"  {fault}" for line, fault in told),
                ]
            )
        )


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the known word that a mistyped one most likely meant, or an empty string."""
    return next(iter(difflib.get_close_matches(word, known, n=1)), "")


def choices(names: Iterable[str]) -> str:
    """Return names as a list for a person; say so when there is none."""
    return ", ".join(names) or "none is declared"


def unknown_name(where: str, name: str, known: Sequence[str], kind: str) -> Fault:
    """Return the fault of a name that is declared nowhere."""
    meant = nearest(name, known)
    remedy = f"did you mean {meant!r}?" if meant else f"declare {kind} {name!r} or name another"
    return Fault(where, repr(name), choices(known), remedy)


def faults_of(where: str, error: ValidationError, keys: Sequence[str], *, secret: bool = False) -> list[Fault]:
    """Return pydantic's errors as faults.

    Args:
        where: Key of what was validated.
        error: As pydantic raised it.
        keys: Names of the keys that are allowed at `where`.
        secret: Leave out what was found.
    """
    return [_fault(where, dict(one), keys, secret=secret) for one in error.errors(include_url=False)]


def _fault(where: str, one: dict[str, Any], keys: Sequence[str], *, secret: bool) -> Fault:
    """Return one of pydantic's errors as a fault."""
    path = [str(part) for part in one["loc"] if part != "[key]"]
    place = ".".join([where, *path])
    found = "a secret" if secret else repr(one["input"])
    kind, said = one["type"], one["msg"]
    if kind == "extra_forbidden":
        meant = nearest(path[-1], keys) if path else ""
        remedy = f"did you mean {meant!r}?" if meant else "remove it"
        return Fault(place, "unknown key", ", ".join(keys), remedy)
    if kind == "missing":
        return Fault(place, "missing", "a value", "add it")
    if kind == "value_error":
        allowed, _, remedy = str(one["ctx"]["error"]).partition("; ")
        return Fault(place, found, allowed, remedy or "correct it")
    return Fault(place, found, _spoken(said), "correct it")


def _spoken(said: str) -> str:
    """Return pydantic's sentence without its opening words."""
    for opening in ("Input should be ", "Input is ", "Value error, "):
        said = said.removeprefix(opening)
    return said[:1].lower() + said[1:]

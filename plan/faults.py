"""Faults of a stack file: one line each, all of them in one error.

Pure: text only. A line reads *where: found, allowed: what is; remedy*.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from plan.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MOST_CHARACTERS: Final = 80  # of a value that a message shows
MOST_OF_A_PLACE: Final = 300
MOST_DIGITS: Final = 20
MOST_NAMES: Final = 24
# What may be a key or a token, written where it does not belong.
_SECRET: Final = re.compile(r"[A-Za-z0-9+/=_-]{40,}|-----BEGIN .*", re.DOTALL)


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong, and the way out.

    Args:
        where: Key of the stack file (`farshore:origins.press.slot`).
        found: What stands there; never a secret.
        allowed: What may stand there.
        remedy: What to do.
    """

    where: str
    found: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        where = self.where if len(self.where) <= MOST_OF_A_PLACE else f"{self.where[:MOST_OF_A_PLACE]}…"
        return one_line(f"{where}: {self.found}, allowed: {self.allowed}; {self.remedy}")


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
    if len(word) > MOST_CHARACTERS:
        return ""
    return next(iter(difflib.get_close_matches(word, known, n=1)), "")


def choices(names: Iterable[str]) -> str:
    """Return names as a list for a person, the first of very many; say so when there is none."""
    known = [name if len(name) <= MOST_CHARACTERS else f"{name[:MOST_CHARACTERS]}…" for name in names]
    more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
    return ", ".join(known[:MOST_NAMES]) + more or "none is declared"


def unknown_name(where: str, name: str, known: Sequence[str], kind: str) -> Fault:
    """Return the fault of a name that is declared nowhere."""
    meant = nearest(name, known)
    remedy = f"did you mean {meant!r}?" if meant else f"declare {kind} {shown(name)} or name another"
    return Fault(where, shown(name), choices(known), remedy)


def shown(value: object) -> str:
    """Return what stands in a stack file as a person wrote it, on one line and never long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return repr(value) if not value else "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str) and _SECRET.fullmatch(value.strip()):
        return f"text of {len(value)} characters"
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        return f"a number of more than {MOST_DIGITS} digits"
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        return f"{value[:MOST_CHARACTERS]!r} and {len(value) - MOST_CHARACTERS} characters more"
    return repr(value)


def one_line(text: str) -> str:
    """Return a text whose every character can be printed; what can't is written as Python escapes it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

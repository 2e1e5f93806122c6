"""What visitors saw, as numbers: how many were answered, what was lost and why, who waited longest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LASTING: Final = ("stream", "socket")  # connections that are to outlive a change


@dataclass(frozen=True)
class Answer:
    """One answer: when it was due on the monotonic clock, and for how many seconds it was waited for."""

    due: float
    waited_s: float


@dataclass(frozen=True)
class Failure:
    """One request without an answer, or one end of what was to last: when it was due, when it failed, and why."""

    due: float
    at: float
    kind: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What became of everything that visitors asked.

    Args:
        answers: By kind.
        failures: In their order.
        connections: How many were made, by kind, over the whole visit.
        late: When the visitors' own program was kept from running, and for how many seconds.
        cpu_s: Seconds of one core that their program took.
    """

    answers: Mapping[str, tuple[Answer, ...]]
    failures: tuple[Failure, ...]
    connections: Mapping[str, int]
    late: tuple[Answer, ...]
    cpu_s: float

    @classmethod
    def read(cls, path: Path) -> Report:
        """Return the report that the visitors' program has written."""
        told = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            answers={kind: tuple(Answer(*one) for one in found) for kind, found in told["answered"].items()},
            failures=tuple(Failure(*one) for one in told["failed"]),
            connections=told["connections"],
            late=tuple(Answer(*one) for one in told["late"]),
            cpu_s=told["cpu_s"],
        )

    def between(self, begin: float, end: float) -> Report:
        """Return what was due between two moments of the monotonic clock, whenever it came or failed."""
        return Report(
            answers={
                kind: tuple(one for one in found if begin <= one.due < end) for kind, found in self.answers.items()
            },
            failures=tuple(one for one in self.failures if begin <= one.due < end),
            connections=self.connections,
            late=tuple(one for one in self.late if begin <= one.due < end),
            cpu_s=self.cpu_s,
        )

    @property
    def requests(self) -> tuple[Answer, ...]:
        """Return the answers to requests for the page."""
        return tuple(one for kind, found in self.answers.items() if kind not in LASTING for one in found)

    @property
    def answered(self) -> int:
        """Return how many requests, lines and echoes came."""
        return sum(map(len, self.answers.values()))

    @property
    def rate(self) -> float:
        """Return the requests for the page that were answered in a second, on average."""
        due = [one.due for one in self.requests]
        return len(due) / (max(due) - min(due)) if len(due) > 1 else 0.0

    @property
    def longest_s(self) -> float:
        """Return for how long the unluckiest answer was waited for."""
        return max((one.waited_s for found in self.answers.values() for one in found), default=0.0)

    @property
    def broken(self) -> Mapping[str, int]:
        """Return how often each lasting connection had to be made again."""
        return {kind: self.connections.get(kind, 0) - 1 for kind in LASTING}

    def __str__(self) -> str:
        """Return it for a person, the first ten failures whole."""
        waited = sorted(one.waited_s for one in self.requests)
        middle, last = (waited[len(waited) // 2], waited[-1 - len(waited) // 100]) if waited else (0.0, 0.0)
        kinds = ", ".join(f"{kind} {len(found)}" for kind, found in sorted(self.answers.items()))
        held_s = max((one.waited_s for one in self.late), default=0.0)
        waits = f"half under {middle * 1000:.0f} ms, 99 % under {last * 1000:.0f} ms, longest {self.longest_s:.2f} s"
        lines = [
            f"{self.answered} answered ({kinds}), {self.rate:.0f} requests/s, {len(self.failures)} failed",
            f"waited: {waits}; visitors themselves late by {held_s:.2f} s at most, {self.cpu_s:.1f} s of a core",
            *(f"{one.kind}, due at {one.due:.2f}, failed at {one.at:.2f}: {one.why}" for one in self.failures[:10]),
        ]
        return "\n".join(lines)

"""What happens in a run, told to whoever listens: the terminal, an event log, a preview as JSON.

Secrets of the run never pass: every message goes through the mask first.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

from lab.engine.operations import LOGICAL
from lab.engine.urns import is_default_provider
from lab.engine.values import secret_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.operations import Step
    from lab.engine.rows import Row
    from lab.engine.values import Properties, Value

Severity = Literal["debug", "info", "info#err", "warning", "error"]

SHORTEST_MASKED: Final = 3
"""Secret texts shorter than this are not masked in messages: they would hit any word."""


class Mask:
    """Hides the run's secrets in messages."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def learn(self, value: Value) -> None:
        """Remember every text that stands inside a secret of the value, its lines too."""
        for text in secret_texts(value):
            pieces = (text, text.strip(), *text.splitlines())
            self._texts.update(piece for piece in pieces if len(piece) >= SHORTEST_MASKED)

    def hide(self, text: str) -> str:
        """Return the text with each secret as `[secret]`, the longest where several begin."""
        found = sorted((piece for piece in self._texts if piece in text), key=len, reverse=True)
        return re.sub("|".join(map(re.escape, found)), "[secret]", text) if found else text


@dataclass(frozen=True)
class Diagnostic:
    """A message about a resource, or about the run where `urn` is empty."""

    severity: Severity
    message: str
    urn: str = ""
    ephemeral: bool = False


@dataclass(frozen=True)
class Summary:
    """The end of a run.

    Args:
        changes: How often each operation was done, or would be.
        duration_s: How long it took.
        succeeded: Nothing failed.
        preview: Nothing was really done.
        outputs: What the program exported; None if it did not come so far.
        before: The stack's outputs before.
    """

    changes: Mapping[str, int]
    duration_s: float
    succeeded: bool
    preview: bool
    outputs: Properties | None = None
    before: Properties | None = None


class Listener(Protocol):
    """Whoever wants to know what happens; `registered` tells whose outputs are still to come."""

    def begin(self, step: Step) -> None:
        """A step starts."""

    def end(self, step: Step, row: Row | None) -> None:
        """A step is done, and its outputs are known."""

    def fail(self, step: Step) -> None:
        """A step failed."""

    def tell(self, diagnostic: Diagnostic) -> None:
        """Somebody has something to say."""

    def finish(self, summary: Summary) -> None:
        """The run is over."""


class Events:
    """Tell listeners what happens, and count it.

    Args:
        listeners: Whoever wants to know.
        mask: Hides secrets in messages.
    """

    def __init__(self, listeners: tuple[Listener, ...], mask: Mask) -> None:
        self._listeners = listeners
        self.mask = mask
        self.changes: Counter[str] = Counter()
        self.errors = 0
        self.outputs: Properties | None = None

    def begin(self, step: Step) -> None:
        """Tell that a step starts."""
        if silent(step):
            return
        for listener in self._listeners:
            listener.begin(step)

    def end(self, step: Step, row: Row | None) -> None:
        """Tell that a step is done, and its outputs known."""
        if silent(step):
            return
        for listener in self._listeners:
            listener.end(step, row)

    def count(self, step: Step) -> None:
        """Count a step, as a person counts: a replacement once, the engine's own providers never."""
        if not silent(step) and step.op not in LOGICAL:
            self.changes[step.op] += 1

    def fail(self, step: Step) -> None:
        """Tell that a step failed."""
        for listener in self._listeners:
            listener.fail(step)

    def tell(self, severity: Severity, message: str, urn: str = "", *, ephemeral: bool = False) -> None:
        """Say something, secrets hidden."""
        if severity == "error":
            self.errors += 1
        diagnostic = Diagnostic(severity, self.mask.hide(message), urn, ephemeral)
        for listener in self._listeners:
            listener.tell(diagnostic)

    def info(self, message: str, urn: str) -> None:
        """Tell something about a resource."""
        self.tell("info", message, urn)

    def error(self, message: str, urn: str) -> None:
        """Tell of a fault of a resource; the run is a failure from now on."""
        self.tell("error", message, urn)

    def finish(self, summary: Summary) -> None:
        """Tell that the run is over."""
        for listener in self._listeners:
            listener.finish(summary)


def silent(step: Step) -> bool:
    """Tell whether a step is the engine's own business."""
    return step.op == "remove-pending-replace" or is_default_provider(step.urn)

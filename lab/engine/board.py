"""What was seen of a run so far, for every display: each resource with what is done to it and how it goes.

Types are shortened as Pulumi shows them.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lab.engine.urns import parse_urn
from lab.engine.values import equal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.events import Diagnostic
    from lab.engine.operations import Op, Step

MARKS: Final[Mapping[str, str]] = {
    "same": "  ",
    "create": "+ ",
    "update": "~ ",
    "delete": "- ",
    "replace": "+-",
    "create-replacement": "++",
    "delete-replaced": "--",
    "read": "> ",
    "read-replacement": ">>",
    "import": "= ",
    "refresh": "~ ",
    "remove-pending-replace": "  ",
}
DONE: Final[Mapping[str, str]] = {
    "same": "unchanged",
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "replace": "replaced",
    "create-replacement": "created replacement",
    "delete-replaced": "deleted original",
    "read": "read",
    "read-replacement": "read replacement",
    "import": "imported",
    "refresh": "refreshed",
}
DOING: Final[Mapping[str, str]] = {
    "create": "creating",
    "update": "updating",
    "delete": "deleting",
    "create-replacement": "creating replacement",
    "delete-replaced": "deleting original",
    "read": "reading",
    "read-replacement": "reading replacement",
    "import": "importing",
    "refresh": "refreshing",
}
PLANS: Final[Mapping[str, str]] = {
    "same": "",
    "create-replacement": "create replacement",
    "delete-replaced": "delete original",
    "read-replacement": "read replacement",
}
"""What a preview says where that is not the operation's own name."""

ORDER: Final[tuple[Op, ...]] = ("create", "update", "delete", "replace", "read", "import", "refresh")


@dataclass
class Line:
    """A resource as a person sees it."""

    urn: str
    op: str
    parent: str
    detail: str = ""
    began_s: float = field(default_factory=time.monotonic)
    ended_s: float | None = None
    failed: bool = False
    replaced: bool = False
    last: str = ""
    severities: Counter[str] = field(default_factory=Counter)

    @property
    def type(self) -> str:
        """The resource's type, shortened."""
        return short_type(parse_urn(self.urn).type)

    @property
    def name(self) -> str:
        """The resource's name."""
        return parse_urn(self.urn).name

    @property
    def info(self) -> str:
        """Which inputs differ, and how much was said of the resource."""
        counts = ((self.severities["error"], "error"), (self.severities["warning"], "warning"))
        parts = [self.detail, *(f"{count} {word}{'s' * (count > 1)}" for count, word in counts if count)]
        return "; ".join(part for part in parts if part)

    @property
    def summed(self) -> str:
        """The operation; a replacement whose steps are done, for now, counts as one."""
        return "replace" if self.replaced and self.ended_s is not None and not self.failed else self.op

    def status(self, *, preview: bool, summed: bool = False) -> str:
        """Return what is to be said of the resource now.

        Args:
            preview: Nothing is really done.
            summed: Speak of a replacement, not of the steps that it is made of.
        """
        if summed and self.summed != self.op:
            return "replace" if preview else DONE["replace"]
        if self.failed:
            return f"{DOING.get(self.op, self.op)} failed"
        if preview:
            return PLANS.get(self.op, self.op)
        if self.ended_s is None:
            waited_s = time.monotonic() - self.began_s
            return f"{DOING[self.op]} ({waited_s:.0f}s)" if self.op in DOING else ""
        took_s = self.ended_s - self.began_s
        took = f" ({took_s:.2f}s)" if self.op in DOING else ""
        return f"{DONE.get(self.op, self.op)}{took}"


class Board:
    """What was seen of a run so far."""

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.diagnostics: list[Diagnostic] = []

    def begin(self, step: Step) -> Line:
        """Note that a step starts."""
        line = Line(step.urn, step.op, step.row.parent, detail=changed(step))
        before = self.lines.get(step.urn)
        if before is not None:
            line.detail = line.detail or before.detail
            line.severities = before.severities
            line.replaced = before.replaced
        if before is None or step.op != "replace" or before.op == "create-replacement":
            self.lines[step.urn] = line
        self.lines[step.urn].replaced |= step.op == "replace"
        return line

    def end(self, step: Step) -> Line:
        """Note that a step is done."""
        line = self.lines.get(step.urn) or self.begin(step)
        line.ended_s = time.monotonic()
        return line

    def fail(self, step: Step) -> Line:
        """Note that a step failed."""
        line = self.end(step)
        line.failed = True
        return line

    def close(self) -> None:
        """Note that all is done, also components that never said what their outputs are."""
        for line in self.lines.values():
            line.ended_s = line.ended_s or time.monotonic()

    def tell(self, diagnostic: Diagnostic) -> None:
        """Note a message."""
        if diagnostic.urn in self.lines:
            words = diagnostic.message.strip().splitlines()
            self.lines[diagnostic.urn].last = words[-1] if words else ""
            if not diagnostic.ephemeral:
                self.lines[diagnostic.urn].severities[diagnostic.severity] += 1
        if not diagnostic.ephemeral:
            self.diagnostics.append(diagnostic)

    def shown(self, *, sames: bool) -> dict[str, Line]:
        """Return the lines that a tree needs: the stack, what is not as it was, and what stands above that.

        Args:
            sames: Return what stays as it is as well.
        """
        wanted: set[str] = set()
        for line in self.lines.values():
            if sames or line.op != "same" or line.failed or line.severities or not line.parent:
                above: Line | None = line
                while above is not None and above.urn not in wanted:
                    wanted.add(above.urn)
                    above = self.lines.get(above.parent)
        return {urn: line for urn, line in self.lines.items() if urn in wanted}


def changed(step: Step) -> str:
    """Return which inputs of a resource differ, by name."""
    if step.op not in ("update", "replace", "create-replacement"):
        return ""
    detailed = step.difference.detailed
    names = detailed or step.difference.diffs or step.difference.replaces
    signs = {"add": "+", "delete": "-"}
    shown: dict[str, str] = {}
    for path in names:
        kind = detailed[path].kind.removesuffix("-replace") if detailed else "update"
        top = path.split(".", 1)[0].split("[", 1)[0]
        shown[top] = signs.get(kind, "~") if top == path else "~"
    if not shown and step.old is not None and step.new is not None:
        old, new = step.old.inputs, step.new.inputs
        for name in {*old, *new} - {"__defaults"}:
            if name not in old or name not in new or not equal(old[name], new[name]):
                shown[name] = "+" if name not in old else "~" if name in new else "-"
    if not shown:
        return ""
    return "[diff: " + ",".join(f"{sign}{name}" for name, sign in sorted(shown.items())) + "]"


def short_type(kind: str) -> str:
    """Return a type as a person reads it: `hcloud:index/server:Server` as `hcloud:index:Server`."""
    package, _, rest = kind.partition(":")
    module, _, name = rest.partition(":")
    folder, slash, file = module.rpartition("/")
    if slash and name and ":" not in name and file == name[0].lower() + name[1:]:
        return f"{package}:{folder}:{name}"
    return kind

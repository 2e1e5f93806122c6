"""What a person sees of a run where there is no terminal: a line for each thing that happens, then the rest.

`Board` remembers what was seen, for this display and the live one. Nothing secret comes this far but the outputs,
which are shown as `[secret]` unless asked otherwise.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lab.engine.stored import dump_hidden, dump_plain
from lab.engine.urns import parse_urn
from lab.engine.values import UNKNOWN_TEXT, equal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from lab.engine.events import Diagnostic, Summary
    from lab.engine.operations import Op, Step
    from lab.engine.options import Options
    from lab.engine.rows import Row
    from lab.engine.values import Properties

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
    last: str = ""

    @property
    def type(self) -> str:
        """The resource's type."""
        return parse_urn(self.urn).type

    @property
    def name(self) -> str:
        """The resource's name."""
        return parse_urn(self.urn).name

    def status(self, *, preview: bool) -> str:
        """Return what is to be said of the resource now."""
        if self.failed:
            return f"{DOING.get(self.op, self.op)} failed"
        if preview:
            return "" if self.op == "same" else self.op
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
        if before is None or step.op != "replace" or before.op == "create-replacement":
            self.lines[step.urn] = line
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

    def tell(self, diagnostic: Diagnostic) -> None:
        """Note a message."""
        if diagnostic.urn in self.lines:
            words = diagnostic.message.strip().splitlines()
            self.lines[diagnostic.urn].last = words[-1] if words else ""
        if not diagnostic.ephemeral:
            self.diagnostics.append(diagnostic)


class Plain:
    """Write a line for each thing that happens.

    Args:
        out: Where to.
        stack: The stack's name.
        options: What was asked.
        diff: Show what differs in each resource.
    """

    def __init__(self, out: TextIO, stack: str, options: Options, *, diff: bool = False) -> None:
        self._out = out
        self._options = options
        self._diff = diff
        self._board = Board()
        self._out.write(title(stack, options) + "\n")

    def begin(self, step: Step) -> None:
        """Write that a step starts; in a preview that is all there is."""
        line = self._board.begin(step)
        if self._options.preview or step.op in DOING:
            self._write(line, step.op)
            if self._diff:
                self._out.write(difference_text(step))

    def end(self, step: Step, row: Row | None) -> None:
        """Write that a step is done."""
        del row
        line = self._board.end(step)
        if not self._options.preview:
            self._write(line, step.op)

    def fail(self, step: Step) -> None:
        """Write that a step failed."""
        self._write(self._board.fail(step), step.op)

    def tell(self, diagnostic: Diagnostic) -> None:
        """Keep a message for the end; what passes is written at once."""
        self._board.tell(diagnostic)
        if diagnostic.ephemeral and diagnostic.message.strip():
            self._out.write(f"    {diagnostic.message.rstrip()}\n")

    def finish(self, summary: Summary) -> None:
        """Write messages, counts and duration."""
        self._out.write(diagnostics_text(self._board))
        self._out.write(summary_text(summary))
        self._out.flush()

    def _write(self, line: Line, op: str) -> None:
        status = line.status(preview=self._options.preview)
        parts = (f" {MARKS[op]}", line.type, line.name, status, line.detail)
        self._out.write(" ".join(part for part in parts if part).rstrip() + "\n")
        self._out.flush()


def title(stack: str, options: Options) -> str:
    """Return the head line of a run."""
    words = {"update": "Updating", "destroy": "Destroying", "refresh": "Refreshing"}
    if options.preview:
        names = {"update": "update", "destroy": "destroy", "refresh": "refresh"}
        return f"Previewing {names[options.kind]} ({stack}):"
    return f"{words[options.kind]} ({stack}):"


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
    if not shown:
        return ""
    return "[diff: " + ",".join(f"{sign}{name}" for name, sign in sorted(shown.items())) + "]"


def difference_text(step: Step) -> str:
    """Return the inputs that differ, old and new, secrets hidden."""
    if step.op not in ("create", "update", "delete", "replace", "create-replacement"):
        return ""
    old: Mapping[str, Any] = step.old.inputs if step.old and step.op != "create" else {}
    new: Mapping[str, Any] = step.new.inputs if step.new and step.op != "delete" else {}
    lines = []
    for key in sorted({*old, *new} - {"__defaults"}):
        if key in old and key in new and equal(old[key], new[key]):
            continue
        if key in old:
            lines.append(f"      - {key}: {_json(old[key])}\n")
        if key in new:
            lines.append(f"      + {key}: {_json(new[key])}\n")
    return "".join(lines)


def diagnostics_text(board: Board) -> str:
    """Return the messages of a run, grouped by resource."""
    groups: dict[str, list[str]] = {}
    for diagnostic in board.diagnostics:
        mark = {"error": "error: ", "warning": "warning: "}.get(diagnostic.severity, "")
        body = diagnostic.message.rstrip("\n").replace("\n", "\n    ")
        groups.setdefault(diagnostic.urn, []).append(f"    {mark}{body}\n")
    if not groups:
        return ""
    text = "\nDiagnostics:\n"
    for urn, messages in groups.items():
        if urn:
            parts = parse_urn(urn)
            text += f"  {parts.type} ({parts.name}):\n"
        text += "".join(messages) + "\n"
    return text


def summary_text(summary: Summary) -> str:
    """Return the counts and the duration of a run."""
    words = {**DONE, "create": "created", "replace": "replaced"}
    future = {op: f"to {op}" for op in ORDER}
    lines = ["Resources:\n"]
    for op in ORDER:
        count = summary.changes.get(op, 0)
        if count:
            word = future[op] if summary.preview else words[op]
            lines.append(f"    {MARKS[op].strip()} {count} {word}\n")
    if summary.changes.get("same"):
        lines.append(f"    {summary.changes['same']} unchanged\n")
    if len(lines) == 1:
        lines.append("    0 changes\n")
    return "".join(lines) + f"\nDuration: {summary.duration_s:.1f}s\n"


def outputs_text(outputs: Properties, *, revealed: bool) -> str:
    """Return a stack's outputs; secrets are hidden unless `revealed`."""
    if not outputs:
        return ""
    shown = dump_plain(outputs) if revealed else dump_hidden(outputs)
    width = max(len(name) for name in shown)
    lines = [f"    {name:<{width}} : {_pretty(value)}\n" for name, value in sorted(shown.items())]
    return "\nOutputs:\n" + "".join(lines)


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace(UNKNOWN_TEXT, "[unknown]")


def _json(value: Any) -> str:
    return _pretty(dump_hidden(value))

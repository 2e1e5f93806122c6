"""What a person sees of a run where there is no terminal: a line for each thing that happens, then the rest.

Nothing secret comes this far but the inputs and outputs of resources, shown as `[secret]` unless asked otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lab.engine.board import DOING, DONE, MARKS, ORDER, Board, short_type
from lab.engine.printing import differences_text, properties_text
from lab.engine.urns import STACK_TYPE, parse_urn

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import TextIO

    from lab.engine.board import Line
    from lab.engine.events import Diagnostic, Summary
    from lab.engine.operations import Step
    from lab.engine.options import Options
    from lab.engine.rows import Row

DETAILED: Final = ("create", "update", "delete", "replace", "read", "import", "refresh")
"""Operations whose properties are worth a look; a replacement's own steps would only say it again."""


@dataclass(frozen=True, kw_only=True)
class Show:
    """How much a person wants to see.

    Args:
        diff: What differs in each resource.
        sames: What stays as it is.
        outputs: The stack's outputs.
        revealed: Secrets.
    """

    diff: bool = False
    sames: bool = False
    outputs: bool = True
    revealed: bool = False


class Plain:
    """Write a line for each thing that happens.

    Args:
        out: Where to.
        stack: The stack's name.
        options: What was asked.
        show: How much.
    """

    def __init__(self, out: TextIO, stack: str, options: Options, show: Show | None = None) -> None:
        self._out = out
        self._options = options
        self._show = show or Show()
        self._board = Board()
        self._out.write(title(stack, options) + "\n")

    def begin(self, step: Step) -> None:
        """Write that a step starts; in a preview that is all there is."""
        line = self._board.begin(step)
        if self._options.preview or step.op in DOING:
            if step.op != "same" or self._wanted(step):
                self._write(line, step.op)
            if self._show.diff:
                self._out.write(difference_text(step, revealed=self._show.revealed))

    def end(self, step: Step, row: Row | None) -> None:
        """Write that a step is done."""
        del row
        line = self._board.end(step)
        if not self._options.preview and self._wanted(step):
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
        if self._show.outputs:
            self._out.write(outputs_text(summary, revealed=self._show.revealed))
        self._out.write(summary_text(summary))
        self._out.flush()

    def _wanted(self, step: Step) -> bool:
        return step.op != "same" or self._show.sames or step.row.type == STACK_TYPE

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


def difference_text(step: Step, *, revealed: bool = False) -> str:
    """Return a resource with its inputs, or with those that differ; secrets hidden unless `revealed`."""
    if step.op not in DETAILED:
        return ""
    kind = short_type(parse_urn(step.urn).type)
    locked = " \N{LOCK}" if any(row and row.protect for row in (step.old, step.new)) else ""
    text = f"    {MARKS[step.op]}{kind}: ({step.op}){locked}\n"
    if step.old is not None and step.old.id:
        text += f"        [id={step.old.id}]\n"
    text += f"        [urn={step.urn}]\n"
    if step.old is None or step.new is None:
        return text + properties_text(step.row.inputs, 2, revealed=revealed)
    if step.old.provider != step.new.provider:
        text += f"        [provider: {step.old.provider} => {step.new.provider}]\n"
    return text + differences_text(step.old.inputs, step.new.inputs, 2, forcing=forcing(step), revealed=revealed)


def forcing(step: Step) -> Collection[str]:
    """Return the names of the inputs whose change needs a replacement."""
    detailed = step.difference.detailed or {}
    paths = [*step.difference.replaces, *(path for path, one in detailed.items() if one.kind.endswith("-replace"))]
    return {path.split(".", 1)[0].split("[", 1)[0] for path in paths}


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
            text += f"  {short_type(parts.type)} ({parts.name}):\n"
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


def outputs_text(summary: Summary, *, revealed: bool) -> str:
    """Return a stack's outputs, marked where they differ from those before; secrets hidden unless `revealed`."""
    if summary.outputs is None:
        return ""
    if not summary.before:
        text = properties_text(summary.outputs, 1, revealed=revealed)
    else:
        text = differences_text(summary.before, summary.outputs, 1, sames=not summary.preview, revealed=revealed)
    return f"Outputs:\n{text}\n" if text else ""

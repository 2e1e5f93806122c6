"""What a person sees of a run at a terminal: the stack as a tree that changes while they look.

Resources stand below their parents with what is done to them, how it goes and how long it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from lab.engine.display import (
    DOING,
    MARKS,
    Board,
    diagnostics_text,
    difference_text,
    summary_text,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.engine.display import Line
    from lab.engine.events import Diagnostic, Summary
    from lab.engine.operations import Step
    from lab.engine.options import Options
    from lab.engine.rows import Row

STYLES: Final = {
    "create": "green",
    "create-replacement": "green",
    "update": "yellow",
    "refresh": "yellow",
    "replace": "magenta",
    "delete": "red",
    "delete-replaced": "red",
    "read": "cyan",
    "import": "cyan",
}
FRAMES_PER_S: Final = 8


class Live:
    """Draw the tree until the run is over, then leave it with messages and counts.

    Args:
        stack: The stack's name.
        options: What was asked.
        diff: Show what differs in each resource.
        console: Where to; standard output if not given.
    """

    def __init__(self, stack: str, options: Options, *, diff: bool = False, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._options = options
        self._diff = diff
        self._differences: list[str] = []
        self._board = Board()
        self._console.print(title(stack, options), style="bold")
        self._live = RichLive(
            console=self._console,
            get_renderable=self._tree,
            refresh_per_second=FRAMES_PER_S,
            vertical_overflow="ellipsis",
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def begin(self, step: Step) -> None:
        """Show that a step starts."""
        line = self._board.begin(step)
        if self._options.preview:
            line.ended_s = line.began_s
        if self._diff and (text := difference_text(step)):
            self._differences.append(f"{MARKS[step.op]} {line.type} {line.name}\n{text}")

    def end(self, step: Step, row: Row | None) -> None:
        """Show that a step is done."""
        del row
        self._board.end(step)

    def fail(self, step: Step) -> None:
        """Show that a step failed."""
        self._board.fail(step)

    def tell(self, diagnostic: Diagnostic) -> None:
        """Show a message beside its resource, and keep it for the end."""
        self._board.tell(diagnostic)
        if diagnostic.ephemeral and not diagnostic.urn and diagnostic.severity == "warning":
            self._console.print(diagnostic.message, markup=False)

    def finish(self, summary: Summary) -> None:
        """Leave the last picture, and write messages, counts and duration below."""
        self._live.vertical_overflow = "visible"
        self._live.stop()
        for text in (*self._differences, diagnostics_text(self._board)):
            self._console.print(text, markup=False, end="")
        self._console.print(summary_text(summary), markup=False, end="")

    def _tree(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for _ in range(3):
            table.add_column(no_wrap=True, overflow="ellipsis")
        for line, depth, last in self._ordered():
            branch = "   " * (depth - 1) + ("└─ " if last else "├─ ") if depth else ""
            style = "red" if line.failed else STYLES.get(line.op, "dim")
            status = line.status(preview=self._options.preview)
            note = line.detail or (line.last if line.ended_s is None and line.op in DOING else "")
            table.add_row(
                Text(f"{MARKS[line.op]} {branch}{line.type}", style=style),
                Text(line.name),
                Text(" ".join(part for part in (status, note) if part), style=style),
            )
        return table

    def _ordered(self) -> Iterator[tuple[Line, int, bool]]:
        """Return lines with their depth and whether they are the last of their parent, parents first."""
        lines = dict(self._board.lines)
        children: dict[str, list[Line]] = {}
        for line in lines.values():
            children.setdefault(line.parent if line.parent in lines else "", []).append(line)

        def below(parent: str, depth: int) -> Iterator[tuple[Line, int, bool]]:
            siblings = children.get(parent, [])
            for line in siblings:
                yield line, depth, line is siblings[-1]
                yield from below(line.urn, depth + 1)

        return below("", 0)

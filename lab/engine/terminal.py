"""What a person sees of a run at a terminal: the stack as a tree that changes while they look.

Resources stand below their parents with what is done to them, how it goes and how long it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from lab.engine.board import DOING, MARKS, Board
from lab.engine.display import Show, diagnostics_text, difference_text, outputs_text, summary_text, title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.engine.board import Line
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
        show: How much.
        console: Where to; standard output if not given.
    """

    def __init__(
        self, stack: str, options: Options, show: Show | None = None, *, console: Console | None = None
    ) -> None:
        self._console = console or Console(highlight=False)
        self._options = options
        self._show = show or Show()
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
        if self._show.diff:
            self._differences.append(difference_text(step, revealed=self._show.revealed))

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
        if summary.succeeded:
            self._board.close()
        self._live.vertical_overflow = "visible"
        self._live.stop()
        outputs = outputs_text(summary, revealed=self._show.revealed) if self._show.outputs else ""
        for text in (*self._differences, diagnostics_text(self._board), outputs, summary_text(summary)):
            self._console.print(text, markup=False, end="", soft_wrap=True)

    def _tree(self) -> Table:
        preview = self._options.preview
        table = Table.grid(padding=(0, 2))
        for _ in range(4):
            table.add_column(no_wrap=True, overflow="ellipsis")
        lines = self._board.shown(sames=self._show.sames)
        if lines:
            table.add_row("   Type", "Name", "Plan" if preview else "Status", "Info", style="bold")
        for line, guides in branches(lines):
            style = "red" if line.failed else STYLES.get(line.summed, "dim")
            heard = line.last if line.ended_s is None and line.op in DOING else ""
            table.add_row(
                Text(f"{MARKS[line.summed]} {guides}{line.type}", style=style),
                Text(line.name),
                Text(line.status(preview=preview, summed=True), style=style),
                Text("; ".join(part for part in (line.info, heard) if part), style=style),
            )
        return table


def branches(lines: Mapping[str, Line]) -> Iterator[tuple[Line, str]]:
    """Return lines as a tree, parents first, each with the guides that lead to it."""
    children: dict[str, list[Line]] = {}
    for line in lines.values():
        children.setdefault(line.parent if line.parent in lines else "", []).append(line)

    def below(parent: str, guides: str) -> Iterator[tuple[Line, str]]:
        siblings = children.get(parent, [])
        for line in siblings:
            last = line is siblings[-1]
            yield line, f"{guides}{'└─ ' if last else '├─ '}"
            yield from below(line.urn, f"{guides}{'   ' if last else '│  '}")

    for root in children.get("", []):
        yield root, ""
        yield from below(root.urn, "")

"""`up`, `preview`, `destroy` and `refresh`."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.engine.cli import CANCELED, FAILED, MISUSED, UNEXPECTED, CommandError
from lab.engine.operation import operate
from lab.engine.options import Options
from lab.engine.verbs.places import place_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from lab.engine.config import Entry
    from lab.engine.eventlog import PreviewDocument
    from lab.engine.events import Listener
    from lab.engine.operation import Outcome
    from lab.engine.options import Kind
    from lab.engine.place import Place


def up(asked: argparse.Namespace) -> int:
    """Make the stack what the program asks for."""
    return _run(asked, "update")


def preview(asked: argparse.Namespace) -> int:
    """Show what `up` would do."""
    return _run(asked, "update", only_preview=True)


def destroy(asked: argparse.Namespace) -> int:
    """Delete everything in the stack."""
    return _run(asked, "destroy", only_preview=asked.preview_only)


def refresh(asked: argparse.Namespace) -> int:
    """Look at what is there, and remember it."""
    return _run(asked, "refresh", only_preview=asked.preview_only)


def _run(asked: argparse.Namespace, kind: Kind, *, only_preview: bool = False) -> int:
    place = place_of(asked)
    options = Options(
        kind=kind,
        parallel=asked.parallel or 4 * (os.cpu_count() or 1),
        targets=(*asked.target, *asked.target_replace),
        target_dependents=asked.target_dependents,
        excludes=tuple(asked.exclude),
        exclude_dependents=asked.exclude_dependents,
        exclude_protected=asked.exclude_protected,
        replaces=(*asked.replace, *asked.target_replace),
        continue_on_error=asked.continue_on_error,
        refresh=asked.refresh == "true",
        clear_pending_creates=asked.clear_pending_creates,
    )
    if asked.event_log:
        Path(asked.event_log).unlink(missing_ok=True)
    if only_preview:
        if asked.skip_preview:
            raise CommandError("--skip-preview and --preview-only cannot be used together")
        return _exit(asked, _once(asked, place, replace(options, preview=True)), "preview")
    interactive = not asked.non_interactive and sys.stdin.isatty() and sys.stdout.isatty()
    if not asked.yes and not asked.skip_preview and not interactive:
        raise CommandError(
            "--yes or --skip-preview or --preview-only must be passed in to proceed when running in "
            "non-interactive mode",
            FAILED if kind == "refresh" else MISUSED,  # as Pulumi has it
        )
    if not asked.skip_preview:
        seen = _once(asked, place, replace(options, preview=True))
        if not seen.succeeded:
            return _exit(asked, seen, "preview")
        if not asked.yes and not _agreed(kind):
            sys.stdout.write("confirmation declined, not proceeding with the " + kind + "\n")
            return FAILED
    code = _exit(asked, _once(asked, place, options), kind)
    if asked.remove and kind == "destroy" and code == 0:
        from lab.engine.verbs.stack import rm

        asked.name, asked.yes, asked.force, asked.preserve_config = None, True, False, False
        return rm(asked)
    return code


def _once(asked: argparse.Namespace, place: Place, options: Options) -> Outcome:
    from lab.engine.eventlog import EventLog, PreviewDocument

    document: list[PreviewDocument] = []

    def listeners(config: Mapping[str, Entry]) -> Sequence[Listener]:
        found: list[Any] = []
        if asked.event_log:
            found.append(EventLog(Path(asked.event_log), config))
        if asked.json:
            document.append(PreviewDocument(config, show_sames=asked.show_sames))
            found.append(document[0])
        else:
            found.append(_display(asked, place, options))
        return found

    outcome = asyncio.run(operate(place, options, listeners, message=asked.message))
    if document:
        sys.stdout.write(document[0].text() + "\n")
    return outcome


def _display(asked: argparse.Namespace, place: Place, options: Options) -> Listener:
    from lab.engine.display import Plain, Show

    show = Show(
        diff=asked.diff, sames=asked.show_sames, outputs=not asked.suppress_outputs, revealed=asked.show_secrets
    )
    terminal = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if terminal and not asked.non_interactive and asked.color != "never":
        from lab.engine.terminal import Live

        return Live(place.stack, options, show)
    return Plain(sys.stdout, place.stack, options, show)


def _agreed(kind: str) -> bool:
    question = {"update": "perform this update", "destroy": "perform this destroy", "refresh": "perform this refresh"}
    while True:
        try:
            answer = input(f"Do you want to {question[kind]}? [yes/no] ").strip().lower()
        except EOFError:
            return False
        if answer in ("yes", "y", "no", "n"):
            return answer.startswith("y")


def _exit(asked: argparse.Namespace, outcome: Outcome, word: str) -> int:
    if outcome.canceled:
        return CANCELED
    if not outcome.succeeded:
        return FAILED
    if asked.expect_no_changes and outcome.changes.keys() - {"same", "read"}:
        sys.stderr.write(f"error: no changes were expected for {word} but changes were proposed\n")
        return UNEXPECTED
    return 0

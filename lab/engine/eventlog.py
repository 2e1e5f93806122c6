"""Listeners that write JSON: the event log of a run, and a preview as one document.

Secrets are written as `[secret]`.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from lab.engine.backend import make_folder
from lab.engine.operations import LOGICAL
from lab.engine.rows import dump_row
from lab.engine.stored import compact, dump_hidden
from lab.engine.urns import STACK_TYPE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lab.engine.config import Entry
    from lab.engine.events import Diagnostic, Summary
    from lab.engine.operations import Difference, Step
    from lab.engine.rows import Row

NANOSECONDS: Final = 1_000_000_000


class EventLog:
    """Write one JSON object a line for each event.

    Args:
        path: The file; what it has stays, for a preview and its update share one.
        config: Configuration of the run, for the prelude.
    """

    def __init__(self, path: Path, config: Mapping[str, Entry]) -> None:
        make_folder(path.resolve().parent)
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")
        self._sequence = 0
        self._write("preludeEvent", {"config": shown_config(config)})

    def begin(self, step: Step) -> None:
        """Write that a step starts."""
        self._write("resourcePreEvent", {"metadata": metadata(step, step.new)})

    def end(self, step: Step, row: Row | None) -> None:
        """Write that a step's outputs are known."""
        self._write("resOutputsEvent", {"metadata": metadata(step, row or step.new)})

    def fail(self, step: Step) -> None:
        """Write that a step failed."""
        self._write("resOpFailedEvent", {"metadata": metadata(step, step.new), "status": 0, "steps": 0})

    def tell(self, diagnostic: Diagnostic) -> None:
        """Write a message."""
        event = {
            "urn": diagnostic.urn,
            "message": diagnostic.message + "\n",
            "color": "never",
            "severity": diagnostic.severity,
            "ephemeral": diagnostic.ephemeral,
        }
        self._write("diagnosticEvent", event)

    def finish(self, summary: Summary) -> None:
        """Write the summary, and end the log."""
        event = {
            "maybeCorrupt": False,
            "durationSeconds": round(summary.duration_s),
            "resourceChanges": dict(summary.changes),
            "isPreview": summary.preview,
            "result": "succeeded" if summary.succeeded else "failed",
        }
        self._write("summaryEvent", event)
        self._write("cancelEvent", {})
        self._file.close()

    def _write(self, kind: str, event: Mapping[str, Any]) -> None:
        line = {"sequence": self._sequence, "timestamp": int(time.time()), kind: event}
        self._sequence += 1
        self._file.write(compact(line) + "\n")
        self._file.flush()


class PreviewDocument:
    """Collect a preview as the document of `preview --json`.

    Args:
        config: Configuration of the run.
        show_sames: Include resources that stay as they are.
    """

    def __init__(self, config: Mapping[str, Entry], *, show_sames: bool = False) -> None:
        self._config = shown_config(config)
        self._show_sames = show_sames
        self._steps: list[dict[str, Any]] = []
        self._diagnostics: list[dict[str, Any]] = []
        self._summary: Summary | None = None

    def begin(self, step: Step) -> None:
        """Note a planned step."""
        if step.op in ("create-replacement", "delete-replaced"):
            return
        if step.op == "same" and step.row.type != STACK_TYPE and not self._show_sames:
            return
        difference = step.difference
        entry: dict[str, Any] = {"op": step.op, "urn": step.urn}
        if step.row.provider:
            entry["provider"] = step.row.provider
        if step.old is not None:
            entry["oldState"] = dump_row(step.old, dump_hidden)
        if step.new is not None:
            entry["newState"] = dump_row(_as_it_begins(step), dump_hidden)
        if difference.diffs:
            entry["diffReasons"] = list(difference.diffs)
        if difference.replaces:
            entry["replaceReasons"] = list(difference.replaces)
        entry["detailedDiff"] = detailed(difference)
        self._steps.append(entry)

    def end(self, step: Step, row: Row | None) -> None:
        """Ignore: a preview is taken when a step starts."""

    def fail(self, step: Step) -> None:
        """Ignore: its message is a diagnostic."""

    def tell(self, diagnostic: Diagnostic) -> None:
        """Note a message."""
        if diagnostic.severity != "debug" and not diagnostic.ephemeral:
            entry = {"urn": diagnostic.urn} if diagnostic.urn else {}
            prefix = f"{diagnostic.severity}: " if diagnostic.severity in ("warning", "error") else ""
            message = f"{prefix}{diagnostic.message.removesuffix(chr(10))}\n"
            self._diagnostics.append({**entry, "message": message, "severity": diagnostic.severity})

    def finish(self, summary: Summary) -> None:
        """Note the summary."""
        self._summary = summary

    def text(self) -> str:
        """Return the document."""
        document: dict[str, Any] = {"config": self._config} if self._config else {}
        document["steps"] = self._steps
        if self._diagnostics:
            document["diagnostics"] = self._diagnostics
        if self._summary is not None:
            document["duration"] = int(self._summary.duration_s * NANOSECONDS)
            document["changeSummary"] = dict(self._summary.changes)
        return json.dumps(document, indent=4, ensure_ascii=False)


def _as_it_begins(step: Step) -> Row:
    """Return the new row as it is known when the step begins: what an update or a component returns comes later."""
    assert step.new is not None
    if step.op == "update":
        return replace(step.new, id="", outputs={})
    return step.new if step.new.custom else replace(step.new, outputs={})


def shown_config(config: Mapping[str, Entry]) -> dict[str, str]:
    """Return configuration as a person may see it."""
    return {key: "[secret]" if entry.secret else entry.text for key, entry in sorted(config.items())}


def metadata(step: Step, new: Row | None) -> dict[str, Any]:
    """Return what an event says of its step."""
    difference = step.difference
    return {
        "op": step.op,
        "urn": step.urn,
        "type": step.row.type,
        "old": None if step.old is None else dump_row(step.old, dump_hidden),
        "new": None if new is None or step.op.startswith("delete") else dump_row(new, dump_hidden),
        "keys": list(difference.replaces) or None,
        "diffs": list(difference.diffs) or None,
        "detailedDiff": detailed(difference),
        "logical": step.op not in LOGICAL,
        "provider": step.row.provider,
    }


def detailed(difference: Difference) -> dict[str, Any] | None:
    """Return a detailed difference as JSON, None if there is none."""
    if not difference.detailed:
        return None
    return {
        path: {"kind": change.kind, "inputDiff": change.input} for path, change in sorted(difference.detailed.items())
    }

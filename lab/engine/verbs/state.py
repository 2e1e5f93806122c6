"""`state` and its verbs: a stack's state, changed by hand and checked before it is written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lab.engine.checkpoint import load_deployment, unwrap_document, wrap
from lab.engine.cli import MISUSED, CommandError
from lab.engine.place import LateCipher, salt_of
from lab.engine.stored import Stored, compact
from lab.engine.verbs.places import place_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Rows = list[dict[str, Any]]


def show(asked: argparse.Namespace) -> int:
    """Say which verbs there are."""
    del asked
    raise CommandError("state: a verb is missing, allowed: protect, unprotect, delete", MISUSED)


def unprotect(asked: argparse.Namespace) -> int:
    """Take protection off one resource or all."""
    return _protect(asked, protected=False)


def protect(asked: argparse.Namespace) -> int:
    """Protect one resource or all."""
    return _protect(asked, protected=True)


def delete(asked: argparse.Namespace) -> int:
    """Forget a resource without deleting it."""

    def change(rows: Rows) -> Rows:
        for row in _named(rows, asked.urn):
            if row.get("protect") and not asked.force:
                raise CommandError(f"{asked.urn} is protected; add --force")
        return [row for row in rows if row["urn"] != asked.urn]

    return _change(asked, change)


def _protect(asked: argparse.Namespace, *, protected: bool) -> int:
    if not asked.all and not asked.urn:
        raise CommandError("state: a URN is missing, allowed: a URN, or --all", MISUSED)

    def change(rows: Rows) -> Rows:
        chosen = rows if asked.all else _named(rows, asked.urn)
        for row in chosen:
            row.pop("protect", None)
            if protected:
                row["protect"] = True
        return rows

    return _change(asked, change)


def _named(rows: Rows, urn: str) -> Rows:
    found = [row for row in rows if row["urn"] == urn]
    if not found:
        raise CommandError(f"no such resource {urn!r} exists in the current state")
    return found


def _change(asked: argparse.Namespace, change: Callable[[Rows], Rows]) -> int:
    place = place_of(asked)
    lock = place.backend.lock(place.project.name, place.stack)
    try:
        latest = unwrap_document(place.backend.read(place.project.name, place.stack))
        latest["resources"] = change(latest.get("resources") or [])
        load_deployment(latest, Stored(LateCipher(lambda: salt_of(place, latest))))
        place.backend.write(place.project.name, place.stack, compact(wrap(place.project.name, place.stack, latest)))
    finally:
        lock.release()
    sys.stdout.write("State changed.\n")
    return 0

"""`state` and its verbs: a stack's state, changed by hand and checked before it is written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from lab.engine.checkpoint import load_deployment, unwrap_document, wrap
from lab.engine.cli import MISUSED, CommandError
from lab.engine.place import LateCipher, salt_of
from lab.engine.stored import Stored, compact
from lab.engine.verbs.places import place_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    Rows = list[dict[str, Any]]


REFERENCES: Final = (
    "urn",
    "parent",
    "provider",
    "dependencies",
    "propertyDependencies",
    "deletedWith",
    "replaceWith",
)
"""Keys of a row that hold URNs."""


def show(asked: argparse.Namespace) -> int:
    """Say which verbs there are."""
    del asked
    raise CommandError("state: a verb is missing, allowed: protect, unprotect, delete, rename", MISUSED)


def unprotect(asked: argparse.Namespace) -> int:
    """Take protection off one resource or all."""
    return _protect(asked, protected=False)


def protect(asked: argparse.Namespace) -> int:
    """Protect one resource or all."""
    return _protect(asked, protected=True)


def delete(asked: argparse.Namespace) -> int:
    """Forget a resource without deleting it."""

    def change(rows: Rows) -> Rows:
        _named(rows, asked.urn)
        gone = {asked.urn}
        for row in rows:
            if _names(row) & gone:
                gone.add(row["urn"])
        users = sorted(gone - {asked.urn})
        if users and not asked.target_dependents:
            raise CommandError(
                f"{asked.urn} can't be safely deleted because the following resources depend on it: "
                f"{', '.join(users)}; delete those resources first or pass --target-dependents"
            )
        for row in rows:
            if row["urn"] in gone and row.get("protect") and not asked.force:
                raise CommandError(
                    f"{row['urn']} can't be safely deleted because it is protected. "
                    "Re-run this command with --force to force deletion"
                )
        return [row for row in rows if row["urn"] not in gone]

    return _change(asked, change, "Resource deleted")


def rename(asked: argparse.Namespace) -> int:
    """Give a resource another name, wherever it is named."""

    def change(rows: Rows) -> Rows:
        _named(rows, asked.urn)
        new = f"{asked.urn.rpartition('::')[0]}::{asked.name}"
        if not asked.name or "::" in asked.name:
            raise CommandError(f"resource name: {asked.name!r}, allowed: any text without `::`", MISUSED)
        if any(row["urn"] == new for row in rows):
            raise CommandError(f"resource {new} exists already; choose another name")
        return [_renamed(row, asked.urn, new) for row in rows]

    return _change(asked, change, "Resource renamed")


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

    word = "protected" if protected else "unprotected"
    return _change(asked, change, f"{'All' if asked.all else 1} resources {word}")


def _names(row: Mapping[str, Any]) -> set[str]:
    """Return the URNs of what a row rests on."""
    names = {row.get("parent"), row.get("deletedWith"), str(row.get("provider") or "").rpartition("::")[0]}
    names.update(row.get("dependencies") or (), row.get("replaceWith") or ())
    names.update(urn for urns in (row.get("propertyDependencies") or {}).values() for urn in urns or ())
    return {name for name in names if name}


def _renamed(row: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """Return a row that calls a resource by its new URN; its properties stay as they are."""

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(item) for item in value]
        if isinstance(value, dict):
            return {key: named(item) for key, item in value.items()}
        text = str(value)
        return f"{new}{text.removeprefix(old)}" if text == old or text.startswith(f"{old}::") else value

    return {key: named(value) if key in REFERENCES else value for key, value in row.items()}


def _named(rows: Rows, urn: str) -> Rows:
    found = [row for row in rows if row["urn"] == urn]
    if not found:
        raise CommandError(
            f'No such resource "{urn}" exists in the current state; `pulumi stack --show-urns` lists them'
        )
    return found


def _change(asked: argparse.Namespace, change: Callable[[Rows], Rows], said: str) -> int:
    place = place_of(asked)
    lock = place.backend.lock(place.project.name, place.stack)
    try:
        latest = unwrap_document(place.backend.read(place.project.name, place.stack))
        latest["resources"] = change(latest.get("resources") or [])
        load_deployment(latest, Stored(LateCipher(lambda: salt_of(place, latest))))
        place.backend.write(place.project.name, place.stack, compact(wrap(place.project.name, place.stack, latest)))
    finally:
        lock.release()
    sys.stdout.write(f"{said}\n")
    return 0

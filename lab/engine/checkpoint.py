"""Checkpoints: a stack's state as one document, in Pulumi's format version 3.

Pure but for the codec that opens secrets. Reading and writing both check that the list of rows is whole:
every row stands below all that it names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lab.engine.rows import Row, dump_row, load_row
from lab.engine.urns import parse_urn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from lab.engine.stored import Stored

ENGINE_VERSION: Final = "v3.255.0"
"""The engine whose behaviour this one stands in for; its hash is a checkpoint's `magic`."""

VERSIONS: Final = (3, 4)
"""Checkpoint formats that can be read; 4 is written only for rows that need its features."""


FEATURES: Final = (("replaceWith", "replaceWith"), ("taint", "taint"), ("hooks", "resourceHooks"))
"""Features of format 4, and the key of a row that needs each."""


class CheckpointError(Exception):
    """A checkpoint that can't be read, or whose rows don't fit together."""


@dataclass(frozen=True)
class Pending:
    """An operation that was under way when the state was saved.

    Args:
        kind: creating, updating, deleting, reading or importing.
        row: The resource as the operation would have it.
    """

    kind: str
    row: Row


@dataclass(frozen=True)
class Snapshot:
    """The state of a stack.

    Args:
        rows: Resources, each below all that it names.
        pending: Operations that were under way.
        secrets: `secrets_providers` as it was read, or None.
    """

    rows: tuple[Row, ...] = ()
    pending: tuple[Pending, ...] = ()
    secrets: Mapping[str, Any] | None = field(default=None)


def check_rows(rows: Sequence[Row]) -> None:
    """Refuse rows that don't fit together.

    Raises:
        CheckpointError: A row names one that is not above it, two share a URN, or a component has an id.
    """
    above: set[str] = set()
    living: set[str] = set()
    for row in rows:
        if not row.named() <= above:
            raise CheckpointError(f"state: {row.urn} names {min(row.named() - above)}, which does not stand above it")
        if not row.delete and row.urn in living:
            raise CheckpointError(f"state: {row.urn} stands there twice")
        if not row.custom and row.id:
            raise CheckpointError(f"state: component {row.urn} has an id")
        above.add(row.urn)
        if not row.delete:
            living.add(row.urn)


def load_deployment(latest: Mapping[str, Any] | None, codec: Stored) -> Snapshot:
    """Return the snapshot that the `latest` of a checkpoint, or the `deployment` of an export, describes.

    Raises:
        CheckpointError: It was tampered with, or its rows don't fit together.
    """
    if not latest:
        return Snapshot()
    manifest = latest.get("manifest") or {}
    version = manifest.get("version") or ""
    if manifest.get("magic") not in ("", None, magic(version)):
        raise CheckpointError(f"state: magic does not belong to version {version!r}")
    try:
        rows = tuple(load_row(stored, codec) for stored in latest.get("resources") or ())
        pending = tuple(
            Pending(stored["type"], load_row(stored["resource"], codec))
            for stored in latest.get("pending_operations") or ()
        )
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        raise CheckpointError(f"state: a row is damaged ({type(fault).__name__}: {fault})") from fault
    check_rows(rows)
    return Snapshot(rows, pending, latest.get("secrets_providers"))


def dump_deployment(
    rows: Iterable[dict[str, Any]], pending: Iterable[Pending], codec: Stored, *, salt: str, time: str
) -> dict[str, Any]:
    """Return the `latest` of a checkpoint.

    Args:
        rows: Rows as JSON already, so that a caller may keep those that did not change.
        pending: Operations under way.
        codec: Encrypts what is secret in the pending operations.
        salt: The whole `encryptionsalt`.
        time: Now, RFC 3339.
    """
    latest: dict[str, Any] = {
        "manifest": {"time": time, "magic": magic(ENGINE_VERSION), "version": ENGINE_VERSION},
        "secrets_providers": {"type": "passphrase", "state": {"salt": salt}},
    }
    resources = list(rows)
    if resources:
        latest["resources"] = resources
    operations = [{"resource": dump_row(item.row, codec.dump), "type": item.kind} for item in pending]
    if operations:
        latest["pending_operations"] = operations
    latest["metadata"] = {}
    return latest


def wrap(
    project: str, stack: str, latest: Mapping[str, Any], *, features: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the document of a checkpoint file around its `latest`.

    Args:
        project: The project.
        stack: The stack.
        latest: The state.
        features: Features of format 4 that its rows use, where they are known; else looked for.
    """
    used = needed_features(latest.get("resources") or ()) if features is None else sorted(features)
    document: dict[str, Any] = {"version": 4 if used else 3}
    if used:
        document["features"] = used
    checkpoint = {"stack": f"organization/{project}/{stack}", "latest": latest}
    return document | {"checkpoint": checkpoint}


def needed_features(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the features of format 4 that rows use, sorted; none of them means format 3."""
    return sorted({name for row in rows for name, key in FEATURES if row.get(key)})


def unwrap_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `latest` of a checkpoint document, empty for a stack without any.

    Raises:
        CheckpointError: A format that this engine does not know.
    """
    if document.get("version") not in VERSIONS:
        raise CheckpointError(
            f"state: format {document.get('version')!r}, allowed: {' and '.join(map(str, VERSIONS))}; "
            "use the engine that wrote it, or a newer one"
        )
    known = {name for name, _ in FEATURES}
    for feature in document.get("features") or ():
        if feature not in known:
            raise CheckpointError(
                f"state: feature {feature!r}, allowed: {', '.join(sorted(known))}; use the engine that wrote it"
            )
    checkpoint = document.get("checkpoint")
    if not isinstance(checkpoint, dict):
        raise CheckpointError("state: no `checkpoint`, allowed: a checkpoint document")
    return checkpoint.get("latest") or {}


def check_home(snapshot: Snapshot, project: str, stack: str, *, where: str, remedy: str) -> None:
    """Refuse a state that belongs to another stack.

    Args:
        snapshot: The state.
        project: Whose it should be.
        stack: The same.
        where: What holds it, for the error.
        remedy: What to do about it, besides using the project and stack that it belongs to.

    Raises:
        CheckpointError: A row is of another project, or of another stack.
    """
    for row in (*snapshot.rows, *(item.row for item in snapshot.pending)):
        try:
            urn = parse_urn(row.urn)
        except ValueError as fault:
            raise CheckpointError(f"{where}: {fault}") from fault
        if (urn.project, urn.stack) != (project, stack):
            raise CheckpointError(
                f"{where}: {row.urn} is of stack {urn.project}/{urn.stack}, allowed: of {project}/{stack}; "
                f"use that project and stack, or {remedy}"
            )


def magic(version: str) -> str:
    """Return the hash by which a manifest vouches for its version."""
    return hashlib.sha256(version.encode()).hexdigest()

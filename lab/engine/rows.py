"""Resource rows: what a checkpoint remembers of each resource.

Pure. A row is told from another by identity, never by URN: a replaced resource and its replacement share one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.stored import Stored
    from lab.engine.values import Properties, Value


@dataclass(frozen=True, kw_only=True, eq=False)
class Row:
    """One resource as it was last seen; field names are the checkpoint's, in Python's spelling.

    Args:
        provider: `<urn>::<id>` of its provider, or "".
        delete: Replaced already, its deletion still due.
        pending_replacement: Deleted already, its new creation still due.
        init_errors: Why a creation or update was only partly done.
        custom_timeouts: Seconds by `create`, `update`, `delete`.
        rest: Keys of the checkpoint that the engine carries without reading them.
    """

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    protect: bool = False
    delete: bool = False
    external: bool = False
    pending_replacement: bool = False
    retain_on_delete: bool = False
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    replacement_trigger: Value = None
    additional_secret_outputs: tuple[str, ...] = ()
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    init_errors: tuple[str, ...] = ()
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    import_id: str = ""
    taint: bool = False
    created: str = ""
    modified: str = ""
    rest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Return `<urn>::<id>`, by which other rows name a provider."""
        return f"{self.urn}::{self.id}"

    def named(self) -> frozenset[str]:
        """Return the URNs of every row that must stand above this one."""
        return self._named

    @cached_property
    def _named(self) -> frozenset[str]:
        names = {*self.dependencies, *self.replace_with, self.parent, self.deleted_with}
        names.update(urn for urns in self.property_dependencies.values() for urn in urns)
        if self.provider:
            names.add(self.provider.rpartition("::")[0])
        return frozenset(names - {""})


_TEXTS: Final = {
    "parent": "parent",
    "provider": "provider",
    "deleted_with": "deletedWith",
    "import_id": "importID",
    "created": "created",
    "modified": "modified",
}
_FLAGS: Final = {
    "protect": "protect",
    "delete": "delete",
    "external": "external",
    "pending_replacement": "pendingReplacement",
    "retain_on_delete": "retainOnDelete",
    "taint": "taint",
}
_LISTS: Final = {
    "dependencies": "dependencies",
    "replace_with": "replaceWith",
    "additional_secret_outputs": "additionalSecretOutputs",
    "ignore_changes": "ignoreChanges",
    "replace_on_changes": "replaceOnChanges",
    "init_errors": "initErrors",
}
_VALUES: Final = {"inputs": "inputs", "outputs": "outputs"}
_OTHERS: Final = {
    "urn",
    "custom",
    "id",
    "type",
    "propertyDependencies",
    "customTimeouts",
    "replacementTrigger",
    *_TEXTS.values(),
    *_FLAGS.values(),
    *_LISTS.values(),
    *_VALUES.values(),
}


def dump_row(row: Row, dump: Any) -> dict[str, Any]:
    """Return a row as the checkpoint's JSON; empty fields are left out.

    Args:
        row: The row.
        dump: Turns a property value into JSON: `Stored.dump`, or one that hides secrets.
    """
    stored: dict[str, Any] = {"urn": row.urn, "custom": row.custom}
    if row.delete:
        stored["delete"] = True
    if row.id:
        stored["id"] = row.id
    stored["type"] = row.type
    for name, key in _VALUES.items():
        if getattr(row, name):
            stored[key] = dump(getattr(row, name))
    for names in (_TEXTS, _FLAGS):
        stored |= {key: getattr(row, name) for name, key in names.items() if getattr(row, name)}
    for name, key in _LISTS.items():
        if getattr(row, name):
            stored[key] = list(getattr(row, name))
    if row.property_dependencies:
        stored["propertyDependencies"] = {key: list(urns) for key, urns in row.property_dependencies.items()}
    if row.custom_timeouts:
        stored["customTimeouts"] = dict(row.custom_timeouts)
    if row.replacement_trigger is not None:
        stored["replacementTrigger"] = dump(row.replacement_trigger)
    return stored | dict(row.rest)


def load_row(stored: Mapping[str, Any], codec: Stored) -> Row:
    """Return the row that a checkpoint's JSON describes."""
    fields: dict[str, Any] = {name: stored.get(key) or "" for name, key in _TEXTS.items()}
    fields |= {name: bool(stored.get(key)) for name, key in _FLAGS.items()}
    fields |= {name: tuple(stored.get(key) or ()) for name, key in _LISTS.items()}
    fields |= {name: codec.load(stored.get(key) or {}) for name, key in _VALUES.items()}
    dependencies = stored.get("propertyDependencies") or {}
    return Row(
        urn=stored["urn"],
        type=stored["type"],
        custom=stored["custom"],
        id=stored.get("id") or "",
        property_dependencies={key: tuple(urns or ()) for key, urns in dependencies.items()},
        custom_timeouts=stored.get("customTimeouts") or {},
        replacement_trigger=codec.load(stored.get("replacementTrigger")),
        rest={key: value for key, value in stored.items() if key not in _OTHERS},
        **fields,
    )


def rename(row: Row, renamed: Mapping[str, str]) -> Row:
    """Return the row with every reference to an old URN as the new one; its own URN stays."""
    if not renamed or not row.named() & renamed.keys():
        return row

    def new(urn: str) -> str:
        return renamed.get(urn, urn)

    provider, _, identity = row.provider.rpartition("::")
    return replace(
        row,
        parent=new(row.parent),
        provider=f"{new(provider)}::{identity}" if row.provider else "",
        dependencies=tuple(map(new, row.dependencies)),
        property_dependencies={key: tuple(map(new, urns)) for key, urns in row.property_dependencies.items()},
        deleted_with=new(row.deleted_with),
        replace_with=tuple(map(new, row.replace_with)),
    )

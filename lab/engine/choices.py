"""Choosing between nothing, an update and a replacement.

Pure: the plugin's word, the options of the program and the old row in; one difference out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from lab.engine.operations import Difference, PropertyChange
from lab.engine.paths import any_covers
from lab.engine.values import Secret, Unknown, equal, has_unknown, unwrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from lab.engine.operations import Kind
    from lab.engine.rows import Row
    from lab.engine.values import Properties, Value

INIT_ERROR: Final = "#initerror"


def replacement(*reasons: str) -> Difference:
    """Return a replacement that the plugin was not asked about."""
    return Difference(changed=True, replaces=reasons or ("id",))


def trigger_fires(old: Value, new: Value) -> bool:
    """Tell whether a replacement trigger asks for a replacement; one that appears or goes asks for nothing."""
    old, new = unwrap(old), unwrap(new)
    if old is None or new is None:
        return False
    return has_unknown(old) or has_unknown(new) or not equal(old, new)


def settle(difference: Difference, old: Row, new_inputs: Properties) -> Difference:
    """Return a plugin's difference without doubt: where it could not tell, the inputs are compared."""
    if difference.changed is not None:
        return difference
    if equal(old.inputs, new_inputs):
        return replace(difference, changed=False)
    return replace(difference, changed=True, detailed=detail(old.inputs, new_inputs))


def apply_replace_on_changes(difference: Difference, patterns: Iterable[str], old: Row) -> Difference:
    """Return the difference with each change that a pattern covers turned into a replacement."""
    patterns = tuple(patterns)
    if not patterns:
        return difference
    if INIT_ERROR in patterns and old.init_errors:
        return replace(difference, changed=True, replaces=(*difference.replaces, INIT_ERROR))
    paths = [pattern for pattern in patterns if pattern != INIT_ERROR]
    if not difference.changed:
        return difference
    detailed = difference.detailed
    replaces = list(difference.replaces)
    if detailed is not None:
        changed = {}
        for path, change in detailed.items():
            hit = any_covers(paths, path) and not change.kind.endswith("-replace")
            changed[path] = PropertyChange(_replacing(change.kind), change.input) if hit else change
        detailed = changed
    replaces.extend(key for key in difference.diffs if any_covers(paths, key))
    return replace(difference, detailed=detailed, replaces=tuple(dict.fromkeys(replaces)))


def detail(old: Properties, new: Properties) -> dict[str, PropertyChange]:
    """Return how inputs differ, by property path, for a plugin that can't say."""
    found: dict[str, PropertyChange] = {}
    _detail(old, new, "", found)
    return found


def _detail(old: Any, new: Any, path: str, found: dict[str, PropertyChange]) -> None:
    if equal(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            at = f"{path}.{key}" if path and key.isidentifier() else key if not path else f'{path}["{key}"]'
            if key not in old:
                found[at] = PropertyChange("add", input=True)
            elif key not in new:
                found[at] = PropertyChange("delete", input=True)
            else:
                _detail(old[key], new[key], at, found)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for position, (one, other) in enumerate(zip(old, new, strict=True)):
            _detail(one, other, f"{path}[{position}]", found)
    else:
        found[path] = PropertyChange("update", input=True)


def unknown_where(inputs: Properties, depends: Mapping[str, Iterable[str]], urns: set[str]) -> Properties | None:
    """Return inputs with those unknown that depend on one of the URNs; None if none does."""
    hit = {key for key, on in depends.items() if urns & set(on)}
    if not hit:
        return None
    return {key: Unknown() if key in hit else value for key, value in inputs.items()}


def mark_outputs(row: Row, outputs: Properties) -> Properties:
    """Return outputs with those secret that the program names, or whose input of that name is secret."""
    return {
        key: Secret.of(value)
        if key in row.additional_secret_outputs or isinstance(row.inputs.get(key), Secret)
        else value
        for key, value in outputs.items()
    }


def _replacing(kind: Kind) -> Kind:
    kinds: Mapping[str, Kind] = {
        "add": "add-replace",
        "delete": "delete-replace",
        "update": "update-replace",
    }
    return kinds.get(kind, kind)

"""Find what differs between two trees of property values, as paths: `rules[0].port`, `labels.env`.

Pure. The walk is the one of Pulumi's SDK (`NewDetailedDiffFromObjectDiff`), which both plugins build on: a
value against none is one difference at its own path, maps and lists are entered, all else differs as a whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lab.engine.plugins.contract import Kind
from lab.engine.values import equal

if TYPE_CHECKING:
    from lab.engine.values import Properties, Value

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def property_differences(olds: Properties, news: Properties) -> dict[str, Kind]:
    """Return path to kind of everything that differs; a None counts as absent."""
    return _of_maps("", olds, news)


def child_path(parent: str, key: str) -> str:
    """Return the path of a map's member; keys that are no plain words are quoted."""
    if not _PLAIN_KEY.match(key):
        quoted = key.replace('"', '\\"')
        return f'{parent}["{quoted}"]'
    return f"{parent}.{key}" if parent else key


def top_level(paths: dict[str, Kind]) -> tuple[str, ...]:
    """Return the names of the properties that the paths start with, sorted."""
    return tuple(sorted({re.split(r"[.\[]", path, maxsplit=1)[0] for path in paths}))


def _of_maps(path: str, olds: Properties, news: Properties) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for key in [*olds, *(key for key in news if key not in olds)]:
        found |= _of_values(child_path(path, key), olds.get(key), news.get(key))
    return found


def _of_values(path: str, old: Value, new: Value) -> dict[str, Kind]:
    if equal(old, new):
        return {}
    if old is None:
        return {path: Kind.ADD}
    if new is None:
        return {path: Kind.DELETE}
    if isinstance(old, dict) and isinstance(new, dict):
        return _of_maps(path, old, new)
    if isinstance(old, list) and isinstance(new, list):
        found: dict[str, Kind] = {}
        for place in range(max(len(old), len(new))):
            before = old[place] if place < len(old) else None
            after = new[place] if place < len(new) else None
            found |= _of_values(f"{path}[{place}]", before, after)
        return found
    return {path: Kind.UPDATE}

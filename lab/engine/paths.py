"""Property paths: `a.b[0]["odd key"]`, with `*` for any element.

Pure. They name parts of inputs in ignoreChanges and replaceOnChanges, and what changed in a plugin's diff.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from lab.engine.values import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lab.engine.values import Properties, Value

Path = tuple[str | int, ...]
"""Keys and list positions from the outside in; the key "*" stands for any."""

_PIECE: Final = re.compile(r'\.?([^.\[\]"]+)|\[(\d+)\]|\[\*\]|\["((?:[^"\\]|\\.)*)"\]')


class PathError(ValueError):
    """A property path that can't be read."""


class CannotIgnoreError(ValueError):
    """An ignored path leads through something that old and new inputs don't share."""


_MISSING: Final = object()


def parse_path(text: str) -> Path:
    """Return the parts of a property path.

    Raises:
        PathError: The text is no property path.
    """
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise PathError(f'property path: {text!r}, allowed: keys as a.b or ["a.b"], positions as [0], [*]')
        name, position, quoted = piece.groups()
        if name is not None:
            parts.append(name)
        elif position is not None:
            parts.append(int(position))
        elif quoted is not None:
            parts.append(re.sub(r"\\(.)", r"\1", quoted))
        else:
            parts.append("*")
        at = piece.end()
    return tuple(parts)


def covers(pattern: Path, path: Path) -> bool:
    """Tell whether the pattern names the path or something around it."""
    return len(pattern) <= len(path) and all(want in ("*", got) for want, got in zip(pattern, path, strict=False))


def any_covers(patterns: Iterable[str], path: str) -> bool:
    """Tell whether one of the patterns covers the path; text that is no path covers only itself."""
    try:
        parsed = parse_path(path)
    except PathError:
        return path in patterns
    return any(covers(parse_path(pattern), parsed) for pattern in patterns)


def reset_ignored(new: Properties, old: Properties, ignored: Iterable[str]) -> tuple[Properties, list[str]]:
    """Return the new inputs with ignored paths as they were in the old ones, and the paths that can't be.

    What the old inputs lack is removed; a path through lists of unequal length, or through a container that
    only one side has, stays as it is.
    """
    result: Value = new
    refused = []
    for text in ignored:
        try:
            result = _reset(result, old, parse_path(text))
        except CannotIgnoreError:
            refused.append(text)
    assert isinstance(result, dict)
    return result, refused


def _reset(new: Value, old: Value, path: Path) -> Value:
    if not path:
        return old
    if isinstance(new, Secret) or isinstance(old, Secret):
        inner = _reset(_bare(new), _bare(old), path)
        return Secret.of(inner) if isinstance(new, Secret) else inner
    head, rest = path[0], path[1:]
    if isinstance(new, list) or isinstance(old, list):
        return _reset_list(new, old, head, rest)
    if not isinstance(new, dict) or not isinstance(old, dict):
        if new is _MISSING and old is _MISSING:
            return _MISSING
        raise CannotIgnoreError
    keys = dict.fromkeys([*new, *old]) if head == "*" else {str(head): None}
    changed = dict(new)
    for key in keys:
        was, now = old.get(key, _MISSING), new.get(key, _MISSING)
        value = was if not rest else _reset(now, was, rest)
        if value is _MISSING:
            changed.pop(key, None)
        else:
            changed[key] = value
    return changed


def _reset_list(new: Value, old: Value, head: str | int, rest: Path) -> Value:
    if not isinstance(new, list) or not isinstance(old, list) or len(new) != len(old):
        raise CannotIgnoreError
    if head == "*":
        positions = range(len(new))
    elif isinstance(head, int) and head < len(new):
        positions = range(head, head + 1)
    else:
        raise CannotIgnoreError
    changed = list(new)
    for at in positions:
        changed[at] = _reset(new[at], old[at], rest)
    return changed


def _bare(value: Value) -> Value:
    return value.value if isinstance(value, Secret) else value

"""Property values, and what differs between two sets of them, as Pulumi prints them for a person.

Pure. Maps and lists stand over several lines, a text of several lines as a `<<~EOT` block. A secret is `[secret]`
unless asked otherwise, an unknown value `[unknown]`. Levels are four spaces; the two before a name carry its mark.
"""

from __future__ import annotations

import json
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, Literal

from lab.engine.stored import HIDDEN
from lab.engine.values import (
    UNKNOWN_TEXT,
    Archive,
    Asset,
    ResourceReference,
    Secret,
    Unknown,
    equal,
    unwrap,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from lab.engine.values import Properties, Value

    Mark = Literal["", "+", "-", "~"]

LEVEL: Final = "    "
CONTEXT_LINES: Final = 2
HASH_DIGITS: Final = 7
FORCES: Final = " # forces replacement"
UNKNOWN_WORD: Final = "[unknown]"


def properties_text(properties: Properties, level: int, *, revealed: bool = False) -> str:
    """Return properties by name, aligned, each on lines of its own."""
    return "".join(_entries(properties, level, "", revealed=revealed))


def differences_text(
    old: Properties,
    new: Properties,
    level: int,
    *,
    forcing: Collection[str] = (),
    sames: bool = False,
    revealed: bool = False,
) -> str:
    """Return what differs between two sets of properties.

    Args:
        old: Before.
        new: After.
        level: How deep they stand.
        forcing: Names of those whose change needs a replacement.
        sames: Show what does not differ as well.
        revealed: Show secrets.
    """
    return "".join(_Differences(revealed=revealed, sames=sames).of_maps(old, new, level, forcing))


class _Differences:
    """Lines of differences.

    Args:
        revealed: Show secrets.
        sames: Show what does not differ as well.
    """

    def __init__(self, *, revealed: bool, sames: bool) -> None:
        self._revealed = revealed
        self._sames = sames

    def of_maps(self, old: Properties, new: Properties, level: int, forcing: Collection[str] = ()) -> Iterator[str]:
        """Return the lines of what differs between two maps."""
        names = [name for name in _names({**old, **new}) if self._sames or not _same(old, new, name)]
        width = max(map(len, names), default=0)
        for name in names:
            text = "".join(self._of_one(old, new, name, f"{name:<{width}}: ", level))
            yield f"{text[:-1]}{FORCES}\n" if name in forcing and text else text

    def _of_one(self, old: Properties, new: Properties, name: str, title: str, level: int) -> Iterator[str]:
        if name not in old:
            yield self._whole("+", title, new[name], level)
        elif name not in new:
            yield self._whole("-", title, old[name], level)
        elif equal(old[name], new[name]):
            yield self._whole("", title, new[name], level)
        else:
            yield from self._of_values(old[name], new[name], title, level)

    def _of_values(self, old: Value, new: Value, title: str, level: int) -> Iterator[str]:
        if self._revealed and isinstance(old, Secret) and isinstance(new, Secret):
            old, new = unwrap(old), unwrap(new)
        if isinstance(old, dict) and isinstance(new, dict):
            yield f"{_lead(level, '~')}{title}{{\n"
            yield from self.of_maps(old, new, level + 1)
            yield f"{_lead(level)}}}\n"
        elif isinstance(old, list) and isinstance(new, list):
            yield f"{_lead(level, '~')}{title}[\n"
            yield from self._of_lists(old, new, level + 1)
            yield f"{_lead(level)}]\n"
        elif isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
            yield f"{_lead(level, '~')}{title}\n"
            yield from _of_texts(old.splitlines(), new.splitlines(), level + 1)
        elif _plain(old) and _plain(new):
            before, after = (value_text(value, level, revealed=self._revealed) for value in (old, new))
            yield f"{_lead(level, '~')}{title}{before} => {after}\n"
        else:
            yield self._whole("-", title, old, level)
            yield self._whole("+", title, new, level)

    def _of_lists(self, old: Sequence[Value], new: Sequence[Value], level: int) -> Iterator[str]:
        for at in range(max(len(old), len(new))):
            title = f"[{at}]: "
            if at >= len(old):
                yield self._whole("+", title, new[at], level)
            elif at >= len(new):
                yield self._whole("-", title, old[at], level)
            elif not equal(old[at], new[at]):
                yield from self._of_values(old[at], new[at], title, level)

    def _whole(self, mark: Mark, title: str, value: Value, level: int) -> str:
        return f"{_lead(level, mark)}{title}{value_text(value, level, mark=mark, revealed=self._revealed)}\n"


def value_text(value: Value, level: int, *, mark: Mark = "", revealed: bool = False) -> str:
    """Return one value as it stands behind its name; further lines begin at `level`."""
    if isinstance(value, Secret):
        return value_text(value.value, level, mark=mark, revealed=True) if revealed else HIDDEN
    if isinstance(value, dict):
        inside = "".join(_entries(value, level + 1, mark, revealed=revealed))
        return f"{{\n{inside}{_lead(level)}}}" if inside else "{}"
    if isinstance(value, list):
        items = (
            f"{_lead(level + 1, mark)}[{at}]: {value_text(item, level + 1, mark=mark, revealed=revealed)}\n"
            for at, item in enumerate(value)
        )
        return f"[\n{''.join(items)}{_lead(level)}]" if value else "[]"
    if isinstance(value, ResourceReference):
        fields = {"ID": value.id or None, "PackageVersion": value.package_version, "URN": value.urn}
        return value_text(fields, level, mark=mark)
    if isinstance(value, str) and "\n" in value:
        lines = "".join(f"{_lead(level + 1)}{line}".rstrip() + "\n" for line in value.splitlines())
        return f"<<~EOT\n{lines}{_lead(level)}EOT"
    return _leaf(value)


def _leaf(value: Value) -> str:
    if isinstance(value, Unknown) or value == UNKNOWN_TEXT:
        return UNKNOWN_WORD
    if isinstance(value, Asset | Archive):
        what = "asset" if isinstance(value, Asset) else "archive"
        kind = next(kind for kind in ("assets", "text", "path", "uri") if getattr(value, kind, None) is not None)
        named = f" {{ {getattr(value, kind)} }}" if kind in ("path", "uri") else ""
        return f"{what}({kind.replace('path', 'file')}:{value.hash[:HASH_DIGITS]}){named}"
    if value is None:
        return "<null>"
    return json.dumps(value, ensure_ascii=False)


def _entries(properties: Properties, level: int, mark: Mark, *, revealed: bool) -> Iterator[str]:
    names = _names(properties)
    width = max(map(len, names), default=0)
    for name in names:
        shown = value_text(properties[name], level, mark=mark, revealed=revealed)
        yield f"{_lead(level, mark)}{name:<{width}}: {shown}\n"


def _of_texts(old: Sequence[str], new: Sequence[str], level: int) -> Iterator[str]:
    """Return the lines that differ, each with a little of what stands around it."""
    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT_LINES):
        if group[0][1] > 0:
            yield f"{_lead(level)}...\n"
        for op, a, b, c, d in group:
            if op == "equal":
                yield from (f"{_lead(level)}{line}\n" for line in old[a:b])
            else:
                yield from (f"{_lead(level, '-')}{line}\n" for line in old[a:b])
                yield from (f"{_lead(level, '+')}{line}\n" for line in new[c:d])
        if group[-1][2] < len(old):
            yield f"{_lead(level)}...\n"


def _names(properties: Properties) -> list[str]:
    """Return the names of properties, sorted, without the notes of plugins and SDK."""
    return sorted(name for name in properties if not name.startswith(("__", "@isPulumi")))


def _same(old: Properties, new: Properties, name: str) -> bool:
    return name in old and name in new and equal(old[name], new[name])


def _plain(value: Any) -> bool:
    return not isinstance(value, dict | list | Asset | Archive | ResourceReference)


def _lead(level: int, mark: Mark = "") -> str:
    return f"{LEVEL * level}"[:-2] + f"{mark:<2}"

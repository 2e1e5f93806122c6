"""Where each key stands in a stack file, so that a fault can name its line.

Pure: text in, numbers out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def find_lines(text: str, config: Mapping[str, Any], *, project: str) -> dict[str, int]:
    """Return the line of each key of a stack file, by its path: `farshore:origins.press.slot`.

    Args:
        text: Of the file that the run most likely reads.
        config: Values of the project's namespace as the run has them: a key whose value is another in the file is left
            out, because the run has read another file.
        project: Pulumi's project name: the namespace.
    """
    try:
        return _find(text, config, f"{project}:")
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}


def line_of(where: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of a key, or of the nearest one above it that is there."""
    while where:
        if where in lines:
            return lines[where]
        where = where.rpartition(".")[0]
    return None


def _find(text: str, config: Mapping[str, Any], prefix: str) -> dict[str, int]:
    loader = _AsWritten(text)
    root: Any = loader.get_single_node()
    said = loader.construct_document(root) if root else None
    written = said.get("config") if isinstance(said, dict) else None
    if not isinstance(written, dict):
        return {}
    found: dict[str, int] = {}
    for key, node in _entries(_child(root, "config")):
        name = str(key.value).removeprefix(prefix)
        if name == key.value:
            continue
        if name == "secrets" or _same(written.get(key.value), config.get(name)):
            found[prefix + name] = key.start_mark.line + 1
            found |= _lines(prefix + name, node)
    return found


def _lines(path: str, node: yaml.Node) -> dict[str, int]:
    found: dict[str, int] = {}
    for key, value in _entries(node):
        below = f"{path}.{key.value}"
        found[below] = key.start_mark.line + 1
        found |= _lines(below, value)
    if isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            found[f"{path}.{at}"] = value.start_mark.line + 1
            found |= _lines(f"{path}.{at}", value)
    return found


def _entries(node: yaml.Node | None) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _entries(node) if key.value == name), None)


class _AsWritten(yaml.SafeLoader):
    """Read scalars as the text that stands there: which words mean true or nothing differs between readers of YAML."""


_AsWritten.yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # merging stays


def _same(written: object, given: object) -> bool:
    """Compare what stands in the file with what the run has."""
    if isinstance(written, dict) and isinstance(given, dict):
        theirs = {str(key): value for key, value in given.items()}
        return {str(key) for key in written} == theirs.keys() and all(
            _same(value, theirs[str(key)]) for key, value in written.items()
        )
    if isinstance(written, list) and isinstance(given, (list, tuple)):
        return len(written) == len(given) and all(_same(a, b) for a, b in zip(written, given, strict=True))
    text = str(written)
    if given is None:
        return text.lower() in {"", "~", "null"}
    if isinstance(given, (int, float)) and not isinstance(given, bool):
        return _number(text) == given
    # A date that is not quoted arrives as a date, or as Go writes a time.
    return text.lower() == str(given).lower() or str(given) == f"{text} 00:00:00 +0000 UTC"


def _number(text: str) -> float | None:
    for kind in (lambda: int(text, 0), lambda: float(text)):
        try:
            return kind()
        except (ValueError, OverflowError):
            continue
    return None

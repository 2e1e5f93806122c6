"""Aliases: the URNs under which a resource may stand in the old state.

Pure. A parent that was itself found by an alias hands its old names on to its children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.engine.urns import Urn, build_urn, parse_urn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.engine.goals import AliasSpec, Goal


def alias_urns(goal: Goal, parent_was: str) -> list[str]:
    """Return the other URNs of a resource, in the order in which they are tried.

    Args:
        goal: The resource.
        parent_was: Old URN of its parent, where that one was found by an alias; else "".
    """
    found = [_expand(goal, spec, parent_was) for spec in goal.aliases]
    if parent_was:
        for spec in (None, *goal.aliases):
            found.extend(_inherited(goal, spec, parent_was))
    return [urn for urn in dict.fromkeys(found) if urn != goal.urn]


def _expand(goal: Goal, spec: AliasSpec, parent_was: str) -> str:
    if spec.urn:
        return spec.urn
    own = parse_urn(goal.urn)
    if spec.no_parent:
        parent = ""
    elif spec.parent is not None:
        parent = spec.parent
    else:
        parent = parent_was or goal.parent
    return build_urn(
        stack=spec.stack or own.stack,
        project=spec.project or own.project,
        parent=parent,
        kind=spec.type or goal.type,
        name=spec.name or goal.name,
    )


def _inherited(goal: Goal, spec: AliasSpec | None, parent_was: str) -> Iterator[str]:
    if spec is not None and (spec.urn or spec.no_parent or spec.parent is not None):
        return
    name = (spec.name if spec else None) or goal.name
    kind = (spec.type if spec else None) or goal.type
    own, old_parent = parse_urn(goal.urn), parse_urn(parent_was)
    new_parent = parse_urn(goal.parent).name
    names = [name]
    if name.startswith(new_parent):
        names.insert(0, old_parent.name + name.removeprefix(new_parent))
    for each in names:
        yield build_urn(stack=own.stack, project=own.project, parent=parent_was, kind=kind, name=each)


def child_urn(urn: str, parent_was: str, parent_is: str) -> str:
    """Return the URN that a child has once its parent has another one."""
    own, was, now = parse_urn(urn), parse_urn(parent_was), parse_urn(parent_is)
    prefix = f"{was.types}$"
    types = f"{now.types}${own.types.removeprefix(prefix)}" if own.types.startswith(prefix) else own.types
    return str(Urn(own.stack, own.project, types, own.name))

"""Compute what a resource would be after a change, and what differs from before: Terraform's plan, in small.

Pure. `planned` gives every field a value, `UNKNOWN` where only the API can tell; `details` walks state and plan
the way the bridge does, so that paths and kinds are the original's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.engine.plugins.contract import Kind
from lab.engine.plugins.differences import child_path
from lab.engine.plugins.hcloud.order import serialized, state_order
from lab.engine.plugins.hcloud.schema import Family, Shape, zero
from lab.engine.values import UNKNOWN, Unknown, equal, has_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.plugins.hcloud.schema import Field, ResourceType
    from lab.engine.values import Properties, Value


def planned(kind: ResourceType, state: Properties | None, inputs: Properties) -> Properties:
    """Return every field of the resource as it would be.

    Args:
        kind: The resource's type.
        state: Its outputs, or None for one that is to be created.
        inputs: Checked inputs.
    """
    plan = {
        name: _planned_field(field, None if state is None else state.get(name), inputs.get(name), state)
        for name, field in kind.fields.items()
    }
    if kind.family is Family.SDK:
        unset = {name: zero(field.shape) for name, field in kind.fields.items() if plan[name] is None}
        return {**plan, **{name: value for name, value in unset.items() if (state or {}).get(name) == value}}
    if state is not None and changed_names(kind, state, plan):
        return {name: _after_change(kind.fields[name], inputs.get(name), value) for name, value in plan.items()}
    return plan


def changed_names(kind: ResourceType, state: Properties, plan: Properties) -> frozenset[str]:
    """Return the names of the fields in which plan and state differ."""
    if kind.family is Family.SDK:
        found = details(kind, state, plan, {})
        return frozenset(path.partition(".")[0].partition("[")[0] for path in found)
    return frozenset(name for name in kind.fields if not equal(state.get(name), plan.get(name)))


def details(kind: ResourceType, state: Properties, plan: Properties, inputs: Properties) -> dict[str, Kind]:
    """Return path to kind of every difference, for an SDK type.

    Args:
        kind: The resource's type.
        state: Outputs before.
        plan: What `planned` returned.
        inputs: Checked inputs: set elements are shown by their position there.
    """
    found: dict[str, Kind] = {}
    for name, field in sorted(kind.fields.items()):
        of_field = _of_value(field, name, state.get(name), plan.get(name), inputs.get(name))
        found |= {path: item.as_replace() for path, item in of_field.items()} if field.replaces else of_field
    return found


def _planned_field(field: Field, old: Value, given: Value, state: Properties | None) -> Value:
    if given is None or not field.settable:
        if field.default is not None:
            return field.default
        if not field.computed:
            return None
        return UNKNOWN if state is None else old
    if isinstance(given, Unknown):
        return UNKNOWN
    if field.shape is Shape.SET:
        return _planned_set(field, old or [], given)
    if field.stored is not None:
        return field.stored(given)
    return given


def _planned_set(field: Field, old: list[Value], given: list[Value]) -> list[Value] | Unknown:
    """Return a set's elements: those that are there already as they are, new ones filled up."""
    if any(isinstance(element, Unknown) for element in given):
        return UNKNOWN
    before = {serialized(field, element): element for element in old}
    plan: dict[str, Value] = {}
    for element in given:
        filled = _filled(field, element)
        plan[serialized(field, filled)] = filled
    if any(has_unknown(element) for element in given):
        return list(plan.values())
    if plan.keys() == before.keys():
        return old
    kept = {key: _kept(field, before[key]) for key in plan if key in before}
    elements = [kept.get(key, element) for key, element in plan.items()]
    return elements if has_unknown(elements) else state_order(field, elements)


def _kept(field: Field, element: Value) -> Value:
    """Return an element that stays while others change: Terraform's SDK then forgets its empty texts."""
    if field.members is None:
        return element
    return {name: None if value == "" else value for name, value in element.items()}


def _filled(field: Field, element: Value) -> Value:
    if field.members is None:
        member = field.stored(element) if field.stored is not None else element
        return member  # noqa: RET504 - named for what it is
    block: Properties = {}
    for name, member in field.members.items():
        value = element.get(name)
        if value is None:
            block[name] = UNKNOWN if member.computed else _copy(member.default, member)
        elif member.shape is Shape.SET and not isinstance(value, Unknown):
            block[name] = _planned_set(member, [], value)
        else:
            block[name] = value
    return block


def _copy(default: Value, field: Field) -> Value:
    return zero(field.shape) if default is None else default


def _after_change(field: Field, given: Value, value: Value) -> Value:
    """Make unknown what the API may decide anew once anything else changes."""
    open_to_api = field.computed and given is None and field.default is None and not field.keeps
    return UNKNOWN if open_to_api else value


def _absent(value: Value) -> bool:
    return value is None or value == []


def _of_value(field: Field, path: str, old: Value, new: Value, given: Value) -> dict[str, Kind]:
    if isinstance(new, Unknown):
        return {path: Kind.ADD if _absent(old) else Kind.UPDATE}
    if _absent(old) or _absent(new):
        return _of_one_side(field, path, old, new)
    if field.shape is Shape.MAP:
        return _of_maps(path, old, new)
    if field.shape is Shape.SET:
        return _of_sets(field, path, old, new, given if isinstance(given, list) else [])
    if field.shape is Shape.LIST:
        return _of_lists(path, old, new)
    return {} if equal(old, new) else {path: Kind.UPDATE}


def _of_one_side(field: Field, path: str, old: Value, new: Value) -> dict[str, Kind]:
    """Compare where one side has no value: the SDK can't tell that from a zero."""
    present = old if _absent(new) else new
    if _absent(present) or equal(present, zero(field.shape)):
        return {}
    return {path: Kind.DELETE if _absent(new) else Kind.ADD}


def _of_maps(path: str, old: Mapping[str, Value], new: Mapping[str, Value]) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for key in sorted({*old, *new}):
        if key not in old:
            found[child_path(path, key)] = Kind.ADD
        elif key not in new:
            found[child_path(path, key)] = Kind.DELETE
        elif not equal(old[key], new[key]):
            found[child_path(path, key)] = Kind.UPDATE
    return found


def _of_lists(path: str, old: list[Value], new: list[Value]) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for place in range(max(len(old), len(new))):
        if place >= len(old):
            found[f"{path}[{place}]"] = Kind.ADD
        elif place >= len(new):
            found[f"{path}[{place}]"] = Kind.DELETE
        elif not equal(old[place], new[place]):
            found[f"{path}[{place}]"] = Kind.UPDATE
    return found


def _of_sets(field: Field, path: str, old: list[Value], new: list[Value], given: list[Value]) -> dict[str, Kind]:
    """Compare sets by element; a new element is shown at its place in the inputs, if it can be found there."""
    before = {serialized(field, element) for element in old}
    after = {serialized(field, element) for element in new}
    removed = [place for place, element in enumerate(old) if serialized(field, element) not in after]
    added = [element for element in new if serialized(field, element) not in before]
    if not removed and not added:
        return {}
    places = _places_in_inputs(field, added, given) if len(given) >= len(new) else None
    if places is None:
        return {path: Kind.UPDATE}
    found: dict[str, Kind] = {}
    for place in sorted({*removed, *places}):
        where = f"{path}[{place}]"
        if place not in places:
            found[where] = Kind.DELETE
        elif place not in removed:
            found[where] = Kind.ADD
        elif field.members is None:
            found[where] = Kind.UPDATE
        else:
            found |= _of_blocks(field.members, where, old[place], places[place], given[place])
    return found


def _of_blocks(
    members: Mapping[str, Field], path: str, old: Properties, new: Properties, given: Properties
) -> dict[str, Kind]:
    found: dict[str, Kind] = {}
    for name, member in sorted(members.items()):
        where = child_path(path, name)
        found |= _of_value(member, where, old.get(name), new.get(name), given.get(name))
    return found


def _places_in_inputs(field: Field, added: list[Value], given: list[Value]) -> dict[int, Value] | None:
    """Return the place in the inputs of each added element, or None if one is not found as it was given."""
    places: dict[int, Value] = {}
    for element in added:
        for place, candidate in enumerate(given):
            if place not in places and _could_be(field, candidate, element):
                places[place] = element
                break
        else:
            return None
    return places


def _could_be(field: Field, given: Value, element: Value) -> bool:
    """Tell whether a planned element shows what was given: a member that was left out must not be filled."""
    if field.members is None:
        return equal(given, element)
    for name, member in field.members.items():
        value, shown = given.get(name), element.get(name)
        if value is None and (member.computed or (member.shape is Shape.SET and not shown)):
            continue
        if member.shape is Shape.SET and isinstance(value, list) and isinstance(shown, list):
            continue
        if not equal(value, shown):
            return False
    return True

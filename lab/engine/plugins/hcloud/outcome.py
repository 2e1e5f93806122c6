"""Say what a resource's outputs are once the API has spoken: plan and answer put together. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.engine.plugins.hcloud.schema import Family, Shape, zero
from lab.engine.values import Unknown, has_unknown

if TYPE_CHECKING:
    from lab.engine.plugins.hcloud.schema import Field, ResourceType
    from lab.engine.values import Properties, Value


def settled(kind: ResourceType, plan: Properties) -> Properties:
    """Return the plan without unknowns: what the API decides is None, or zero inside blocks."""
    return {name: _known(kind.fields[name], value) for name, value in plan.items()}


def _known(field: Field, value: Value) -> Value:
    if isinstance(value, Unknown):
        return None
    if field.members is None or not has_unknown(value):
        return value
    members = field.members
    return [
        {name: zero(members[name].shape) if isinstance(item, Unknown) else item for name, item in element.items()}
        for element in value
    ]


def merged(kind: ResourceType, plan: Properties, decided: Properties, resource_id: str) -> Properties:
    """Return outputs of the plan and of what the API decided.

    Terraform's SDK insists on the plan where that was known: for sets, whatever the API shows, and for what was
    planned absent and is shown empty.
    """
    outputs = {**settled(kind, plan), **decided, "id": resource_id}
    if kind.family is Family.FRAMEWORK:
        return finished(kind, outputs)
    unset = {name for name in kind.fields if plan.get(name) is None and outputs.get(name) in ({}, [])}
    return finished(kind, {**outputs, **dict.fromkeys(unset), **known_sets(kind, plan)})


def known_sets(kind: ResourceType, plan: Properties) -> Properties:
    """Return the planned sets that hold no unknown: Terraform's SDK takes them for applied, come what may."""
    sets = {name: plan.get(name) for name, field in kind.fields.items() if field.shape is Shape.SET}
    return {
        name: value or []
        for name, value in sets.items()
        if not has_unknown(value) and (value is not None or kind.fields[name].members)
    }


def finished(kind: ResourceType, outputs: Properties) -> Properties:
    """Return outputs as the family shows what is not set: framework types leave it out, blocks are empty."""
    if kind.family is Family.FRAMEWORK:
        return {name: value for name, value in outputs.items() if value is not None}
    blocks = [
        name for name, field in kind.fields.items() if field.shape is Shape.SET and (field.members or field.computed)
    ]
    return {**outputs, **{name: [] for name in blocks if outputs.get(name) is None}}


def imported_inputs(kind: ResourceType, outputs: Properties) -> Properties:
    """Return the inputs that would make an imported resource: what can be set and is not zero."""
    return {
        name: outputs[name]
        for name, field in kind.fields.items()
        if field.settable
        and outputs.get(name) is not None
        and (field.required or outputs[name] not in (zero(field.shape), field.default))
    }

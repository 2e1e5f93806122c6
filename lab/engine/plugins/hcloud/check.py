"""Judge the inputs of a resource and fill in defaults and names, as the original's Check does.

Pure. Names that are made up come from the engine's random seed, so a repeated check gives the same name; a name
that the resource has already stays.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, TypeAlias

from lab.engine.plugins.contract import Checked, Failure
from lab.engine.plugins.hcloud.order import serialized
from lab.engine.plugins.hcloud.schema import Family, Field, Shape, wire_name
from lab.engine.values import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.plugins.hcloud.schema import ResourceType
    from lab.engine.values import Properties, Value

Fault: TypeAlias = tuple[str, str]
"""Path of a property, "" for none in particular, and what is wrong there."""

DEFAULTS: Final = "__defaults"
NAME_LIMIT: Final = 255
SUFFIX_LENGTH: Final = 7
TYPES: Final[dict[Shape, tuple[type, ...]]] = {
    Shape.TEXT: (str, int, float),
    Shape.NUMBER: (int, float),
    Shape.SWITCH: (bool,),
    Shape.MAP: (dict,),
    Shape.LIST: (list,),
    Shape.SET: (list,),
}


def check_inputs(kind: ResourceType, name: str, *, olds: Properties, news: Properties, seed: bytes) -> Checked:
    """Return the inputs as they are to be kept, with every fault found.

    Args:
        kind: The resource's type.
        name: Its name in the program, from which a name is made up.
        olds: Inputs of before, or nothing for a new or replaced resource.
        news: Inputs as the program gave them.
        seed: Random bytes of the engine.
    """
    inputs = {key: value for key, value in kind.adjust(news).items() if not key.startswith("__") and value is not None}
    faults = [*_unknown_names(kind, inputs), *_faults("", kind.fields, inputs), *kind.faults(inputs)]
    inputs = _with_true_defaults(kind.fields, inputs, mark=kind.family is Family.SDK)
    if kind.named and "name" not in inputs:
        inputs["name"] = olds["name"] if isinstance(olds.get("name"), str) else made_up_name(name, seed)
        if kind.family is Family.SDK:
            inputs[DEFAULTS] = sorted([*inputs[DEFAULTS], "name"])
    faults.extend(_missing("", kind.fields, inputs))
    return Checked(inputs, tuple(_failure(name, where, reason) for where, reason in faults))


def made_up_name(name: str, seed: bytes) -> str:
    """Return a resource's name with seven hex digits that follow from the seed."""
    prefix = f"{name[: NAME_LIMIT - SUFFIX_LENGTH - 1]}-"
    return prefix + hashlib.sha256(seed + prefix.encode()).hexdigest()[:SUFFIX_LENGTH]


def public(inputs: Value) -> Value:
    """Return inputs without the marks of defaults, at any depth."""
    if isinstance(inputs, dict):
        return {key: public(value) for key, value in inputs.items() if not key.startswith("__")}
    if isinstance(inputs, list):
        return [public(item) for item in inputs]
    return inputs


def _failure(name: str, where: str, reason: str) -> Failure:
    """Return a failure as the bridge words it: the path stands in the reason, the property stays empty."""
    return Failure("", f"{reason}. Examine values at '{name}.{where}'." if where else reason)


def _unknown_names(kind: ResourceType, inputs: Properties) -> list[Fault]:
    allowed = sorted(key for key, field in kind.fields.items() if field.settable)
    return [
        (key, f"{key}: no such input of {kind.token}, allowed: {', '.join(allowed)}")
        for key in inputs
        if key not in allowed
    ]


def _missing(where: str, fields: Mapping[str, Field], inputs: Properties) -> list[Fault]:
    return [
        (
            where or key,
            f'Missing required argument. The argument "{wire_name(key)}" is required, but no definition was found.',
        )
        for key, field in fields.items()
        if field.required and inputs.get(key) is None
    ]


def _faults(where: str, fields: Mapping[str, Field], inputs: Properties) -> list[Fault]:
    """Return what is wrong with single values; a fault inside a block is told of the block's list."""
    found: list[Fault] = []
    for key, field in fields.items():
        value = inputs.get(key)
        if value is None or isinstance(value, Unknown):
            continue
        top = where or key
        if not isinstance(value, TYPES[field.shape]) or _is_stray_switch(value, field):
            wanted = field.shape.name.lower()
            found.append((top, f"{key}: a {type(value).__name__}, allowed: a {wanted}; change its type"))
            continue
        elements = value if isinstance(value, list) else [value]
        if field.members is not None:
            for element in elements:
                if isinstance(element, dict):
                    found.extend(_faults(top, field.members, element))
                    found.extend(_missing(top, field.members, element))
        elif field.fault is not None:
            reasons = [field.fault(element) for element in elements if not isinstance(element, Unknown)]
            found.extend((top, reason) for reason in reasons if reason)
    return found


def _is_stray_switch(value: Value, field: Field) -> bool:
    return isinstance(value, bool) and field.shape in {Shape.NUMBER, Shape.TEXT}


def _with_true_defaults(fields: Mapping[str, Field], inputs: Properties, *, mark: bool) -> Properties:
    """Return inputs with those defaults that are not zero, and with the marks of the SDK family.

    The bridge leaves zero defaults out of the inputs and lists the others under `__defaults`, block by block.
    """
    defaults = sorted(key for key, field in fields.items() if mark and field.default and key not in inputs)
    result = {**inputs, **{key: fields[key].default for key in defaults}}
    for key, field in fields.items():
        value = result.get(key)
        if field.shape is Shape.TEXT and isinstance(value, int | float):
            result[key] = str(value)  # `port=443` means "443"
        if field.members is not None and isinstance(value, list):
            result[key] = [
                _with_true_defaults(field.members, element, mark=mark) if isinstance(element, dict) else element
                for element in value
            ]
    return {**result, DEFAULTS: defaults} if mark else result


def refreshed_inputs(fields: Mapping[str, Field], inputs: Properties, outputs: Properties) -> Properties:
    """Return the inputs that would lead to the outputs as they are now, so that a later diff shows the drift.

    Only inputs that were given are looked at. What the state holds in another form (user data: a hash) stays.
    """
    found: Properties = {}
    for key, value in public(inputs).items():
        field, now = fields.get(key), outputs.get(key)
        if field is None or now is None:
            continue
        if field.stored is not None and field.shape is not Shape.SET:
            found[key] = value
        elif field.shape is Shape.MAP:
            found[key] = {name: now[name] for name in value if name in now}
        elif field.shape is Shape.SET:
            there = {serialized(field, element) for element in now}
            found[key] = [element for element in value if serialized(field, element) in there]
        elif field.shape is Shape.LIST:
            found[key] = now[: len(value)]
        else:
            found[key] = now
    return found

"""Put the elements of sets in the orders that the original shows: one for requests, one for the state.

Pure. Requests follow Terraform's SDK, which sorts by the CRC-32 of a serialised element; states follow its value
library, which sorts strings and numbers as such and blocks by their members.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from lab.engine.plugins.hcloud.schema import Shape, wire_name, zero
from lab.engine.values import Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.plugins.hcloud.schema import Field
    from lab.engine.values import Value


def request_order(field: Field, elements: list[Value]) -> list[Value]:
    """Return the elements of a set as they stand in a request's body."""
    return sorted(elements, key=lambda element: str(zlib.crc32(serialized(field, element).encode())))


def serialized(field: Field, element: Value) -> str:
    """Return one element as the text that identifies it within its set; unset and unknown members are zero."""
    if field.members is None:
        assert field.element is not None
        return _serialized_value(field.element, None, element)
    return _serialized_block(field.members, element)


def state_order(field: Field, elements: list[Value]) -> list[Value]:
    """Return the elements of a set as they stand in outputs."""
    if field.members is None:
        return sorted(elements)
    members = sorted(field.members, key=wire_name)
    return sorted(elements, key=lambda block: [_comparable(block.get(name)) for name in members])


def _serialized_block(members: Mapping[str, Field], block: Mapping[str, Value]) -> str:
    parts = []
    for name in sorted(members, key=wire_name):
        if members[name].settable:
            parts.append(f"{wire_name(name)}:")
            parts.append(_serialized_value(members[name].shape, members[name], block.get(name)))
    return "".join(parts)


def _serialized_value(shape: Shape, field: Field | None, value: Value) -> str:
    plain = zero(shape) if value is None or isinstance(value, Unknown) else value
    if shape is Shape.SWITCH:
        return f"{int(plain)};"
    if shape is Shape.SET:
        assert field is not None
        return "{" + "".join(serialized(field, item) for item in request_order(field, plain)) + "};"
    return f"{plain};"


def _comparable(value: Value) -> str:
    if value is None or isinstance(value, Unknown):
        return "~"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return "".join(f"{_comparable(item)};" for item in value)
    return f'"{value}"' if isinstance(value, str) else str(value)

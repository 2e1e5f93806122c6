"""Property values on the wire: protobuf's `Struct`, with Pulumi's marks for what is more than JSON.

Pure: plain Python values, as `lab.engine.values` lists them, to and from `Struct`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct
from google.protobuf.struct_pb2 import Value as WireValue

from lab.engine.values import (
    OUTPUT,
    REFERENCE,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_TEXT,
    Archive,
    Asset,
    ResourceReference,
    Secret,
    Unknown,
    asset_fields,
    asset_from_fields,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.values import Properties, Value


def to_struct(properties: Mapping[str, Value], *, secrets: bool, references: bool = True) -> Struct:
    """Return properties in their wire form.

    Args:
        properties: Plain Python values by name.
        secrets: Write secrets with their mark; False sends them bare, for a receiver that knows no secrets.
        references: Write resource references with their mark; False sends the id, or a component's URN.
    """
    struct = Struct()
    for key, value in properties.items():
        _fill(struct.fields[key], value, secrets, references)
    return struct


def to_wire(value: Value, *, secrets: bool, references: bool = True) -> WireValue:
    """Return one value in its wire form; the flags are those of `to_struct`."""
    wire = WireValue()
    _fill(wire, value, secrets, references)
    return wire


def from_struct(struct: Struct) -> Properties:
    """Return the plain Python form of a wire Struct."""
    return {key: from_wire(value) for key, value in struct.fields.items()}


def from_wire(wire: WireValue) -> Value:
    """Return the plain Python form of one wire value; an unset one is None."""
    kind = wire.WhichOneof("kind")
    if kind == "string_value":
        return UNKNOWN if wire.string_value == UNKNOWN_TEXT else wire.string_value
    if kind == "number_value":
        return whole(wire.number_value)
    if kind == "bool_value":
        return wire.bool_value
    if kind == "list_value":
        return [from_wire(item) for item in wire.list_value.values]
    if kind == "struct_value":
        fields = wire.struct_value.fields
        if SIGNATURE in fields:
            return _marked({key: fields[key] for key in fields})
        return from_struct(wire.struct_value)
    return None


def _fill(wire: WireValue, value: Value, secrets: bool, references: bool) -> None:  # noqa: FBT001 - recursive
    if value is None:
        wire.null_value = NullValue.NULL_VALUE
    elif isinstance(value, bool):
        wire.bool_value = value
    elif isinstance(value, int | float):
        wire.number_value = value
    elif isinstance(value, str):
        wire.string_value = value
    elif isinstance(value, Unknown):
        wire.string_value = UNKNOWN_TEXT
    elif isinstance(value, list):
        wire.list_value.CopyFrom(ListValue())
        for item in value:
            _fill(wire.list_value.values.add(), item, secrets, references)
    elif isinstance(value, dict):
        wire.struct_value.CopyFrom(Struct())
        for key, item in value.items():
            _fill(wire.struct_value.fields[key], item, secrets, references)
    elif isinstance(value, Secret):
        inner = value.value if not secrets else {SIGNATURE: SECRET, "value": value.value}
        _fill(wire, inner, secrets, references)
    elif isinstance(value, ResourceReference):
        _fill(wire, _reference(value, marked=references), secrets, references)
    elif isinstance(value, Asset | Archive):
        _fill(wire, asset_fields(value), secrets, references)
    else:
        raise TypeError(f"property value: a {type(value).__name__}, allowed: what lab.engine.values lists")


def _reference(reference: ResourceReference, *, marked: bool) -> Value:
    known = reference.id if reference.id is None or reference.id else UNKNOWN
    if not marked:
        return reference.urn if reference.id is None else known
    fields: dict[str, Value] = {SIGNATURE: REFERENCE, "urn": reference.urn}
    if reference.id is not None:
        fields["id"] = known
    if reference.package_version:
        fields["packageVersion"] = reference.package_version
    return fields


def _marked(fields: dict[str, WireValue]) -> Value:
    mark = from_wire(fields[SIGNATURE])
    plain = {key: from_wire(value) for key, value in fields.items() if key != SIGNATURE}
    if mark == SECRET:
        return Secret.of(plain.get("value"))
    if mark == REFERENCE:
        identity = plain.get("id")
        return ResourceReference(
            urn=plain["urn"],
            id="" if isinstance(identity, Unknown) else identity,
            package_version=plain.get("packageVersion") or "",
        )
    if mark == OUTPUT:
        value = plain.get("value", UNKNOWN)
        return Secret.of(value) if plain.get("secret") else value
    return asset_from_fields(mark, plain)

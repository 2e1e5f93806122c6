"""The words in which a resource type is declared: fields, their shapes, and what a change of each means.

Pure. Names are Pulumi's (`sourceIps`); the API's own (`source_ips`) follow from them by `wire_name`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.engine.plugins.hcloud.api import Api
    from lab.engine.values import Properties, Value


class Shape(Enum):
    """What a field's value looks like."""

    TEXT = auto()
    NUMBER = auto()
    SWITCH = auto()
    MAP = auto()
    LIST = auto()
    SET = auto()


class Family(Enum):
    """Which of the two Terraform libraries a type is written with; they plan and fail differently."""

    SDK = auto()
    FRAMEWORK = auto()


@dataclass(frozen=True, kw_only=True)
class Field:
    """One property.

    Args:
        shape: What the value looks like.
        element: Shape of the elements of a list or set of plain values.
        members: Fields of the elements of a list or set of blocks.
        required: Must be given.
        computed: The API fills it in where it is not given.
        settable: A program may give it; False for pure outputs.
        default: Value that holds when it is not given.
        replaces: A change needs a new resource.
        keeps: Framework types: stays known through an update of other fields.
        stored: Turns a given value into what the state holds.
        fault: Returns what is wrong with a given value, or None.
    """

    shape: Shape
    element: Shape | None = None
    members: Mapping[str, Field] | None = None
    required: bool = False
    computed: bool = False
    settable: bool = True
    default: Value = None
    replaces: bool = False
    keeps: bool = False
    stored: Callable[[Value], Value] | None = None
    fault: Callable[[Value], str | None] | None = None


Born: TypeAlias = "Callable[[str], None]"
"""Takes the id of a resource that exists from now on, so that a later failure keeps it in the state."""


class Operations(Protocol):
    """What a resource type does at the API; values are planned ones, with Pulumi's names."""

    def create(self, api: Api, wanted: Properties, given: Properties, born: Born) -> tuple[str, Properties]:
        """Make it and return its id and the outputs that the API decides.

        Args:
            api: The API.
            wanted: What was planned; None where the API decides.
            given: The inputs as the program gave them.
            born: To be called as soon as the resource exists, if the family keeps half-made ones.
        """

    def read(self, api: Api, resource_id: str, state: Properties) -> Properties | None:
        """Return the outputs that the API decides, or None if the resource is gone."""

    def update(self, api: Api, resource_id: str, change: Change, begun: Callable[[], None]) -> Properties | None:
        """Change it and return the outputs that the API decides, or None if it is gone.

        Args:
            api: The API.
            resource_id: Its id.
            change: From what to what.
            begun: To be called before the first request that changes something.
        """

    def delete(self, api: Api, resource_id: str, state: Properties) -> None:
        """Remove it."""


@dataclass(frozen=True)
class Change:
    """An update: the state before, what is planned, the inputs, and the names of the fields that differ."""

    old: Properties
    new: Properties
    given: Properties
    names: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """One resource type.

    Args:
        token: Pulumi's type token.
        family: How it plans and fails.
        fields: Its properties by name.
        operations: What it does at the API.
        faults: Returns what is wrong with the inputs as a whole: pairs of property and reason.
        named: It has a `name` that is made up when not given.
        adjust: Changes given inputs before anything else looks at them.
    """

    token: str
    family: Family
    fields: Mapping[str, Field]
    operations: Operations
    faults: Callable[[Properties], list[tuple[str, str]]] = field(default=lambda _: [])
    named: bool = True
    adjust: Callable[[Properties], Properties] = field(default=lambda inputs: inputs)


def wire_name(name: str) -> str:
    """Return the API's name of a property.

    >>> wire_name("sourceIps"), wire_name("ipv4Enabled")
    ('source_ips', 'ipv4_enabled')
    """
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def zero(shape: Shape) -> Value:
    """Return the value that the SDK family takes for "not set"."""
    return {
        Shape.TEXT: "",
        Shape.NUMBER: 0,
        Shape.SWITCH: False,
        Shape.MAP: {},
        Shape.LIST: [],
        Shape.SET: [],
    }[shape]


LABELS = Field(shape=Shape.MAP)
"""Labels of an SDK type: absent when not given."""

FRAMEWORK_LABELS = Field(shape=Shape.MAP, default={}, computed=True)
"""Labels of a framework type: empty when not given."""

NAME = Field(shape=Shape.TEXT, required=True)
PROTECTION = Field(shape=Shape.SWITCH, default=False)

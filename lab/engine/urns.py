"""URNs: the names by which an engine knows resources.

Pure. `urn:pulumi:<stack>::<project>::<parent's qualified type>$<type>::<name>`; a resource below the stack,
or below nothing, has its own type alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STACK_TYPE: Final = "pulumi:pulumi:Stack"
PROVIDER_PREFIX: Final = "pulumi:providers:"

PARTS: Final = 4


@dataclass(frozen=True)
class Urn:
    """The parts of a URN; `types` is the qualified type, parents first, joined by `$`."""

    stack: str
    project: str
    types: str
    name: str

    @property
    def type(self) -> str:
        """The resource's own type."""
        return self.types.rsplit("$", 1)[-1]

    def __str__(self) -> str:
        """Return the URN as it is written."""
        return f"urn:pulumi:{self.stack}::{self.project}::{self.types}::{self.name}"


def parse_urn(text: str) -> Urn:
    """Return the parts of a URN.

    Raises:
        ValueError: The text is no URN.
    """
    parts = text.removeprefix("urn:pulumi:").split("::", PARTS - 1)
    if not text.startswith("urn:pulumi:") or len(parts) != PARTS:
        raise ValueError(f"urn: {text!r}, allowed: urn:pulumi:<stack>::<project>::<type>::<name>")
    return Urn(*parts)


def build_urn(*, stack: str, project: str, parent: str, kind: str, name: str) -> str:
    """Return the URN of a resource of type `kind`, `parent` being its parent's URN or ""."""
    types = kind
    if parent:
        above = parse_urn(parent).types
        if above != STACK_TYPE:
            types = f"{above}${kind}"
    return str(Urn(stack, project, types, name))


def package_of(kind: str) -> str:
    """Return the package that a resource type, a provider type or a function token belongs to."""
    if kind.startswith(PROVIDER_PREFIX):
        return kind.removeprefix(PROVIDER_PREFIX)
    return kind.split(":", 1)[0]


def is_provider_type(kind: str) -> bool:
    """Tell whether resources of this type are providers."""
    return kind.startswith(PROVIDER_PREFIX)


def is_default_provider(urn: str) -> bool:
    """Tell whether the URN names a provider that the engine registered by itself."""
    parts = parse_urn(urn)
    return is_provider_type(parts.type) and (parts.name == "default" or parts.name.startswith("default_"))


def split_reference(reference: str) -> tuple[str, str]:
    """Return the URN and id of a provider reference, `<urn>::<id>`."""
    urn, _, identity = reference.rpartition("::")
    return urn, identity

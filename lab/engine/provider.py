"""What the engine asks of a provider, whoever answers: a plugin, or the engine itself.

Pure: an interface and the values of its answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.operations import Difference
    from lab.engine.rows import Row
    from lab.engine.values import Properties


class ProviderError(Exception):
    """A provider that refused, failed or died; the text is shown as it is."""


@dataclass(frozen=True)
class Failure:
    """A property that is not acceptable; an empty name means the resource as a whole."""

    property: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """Inputs as the provider wants them, or why it does not."""

    inputs: Properties
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Made:
    """A resource as the provider left it.

    Args:
        id: Its id; "" in a preview that can't know it.
        outputs: Its properties.
        init_errors: Why it is only partly done; the resource exists all the same.
    """

    id: str
    outputs: Properties
    init_errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A resource as the provider found it; an empty id means that it is gone."""

    id: str
    inputs: Properties | None = None
    outputs: Properties = field(default_factory=dict)
    init_errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The result of a function, or why there is none."""

    value: Properties
    failures: tuple[Failure, ...] = ()


class Provider(Protocol):
    """A configured provider."""

    async def check(self, urn: str, old_inputs: Properties | None, new: Properties) -> Checked:
        """Validate the inputs of a resource and fill in defaults; None means that nothing is to be kept."""

    async def diff(self, old: Row, new: Properties, ignored: tuple[str, ...]) -> Difference:
        """Compare a resource with inputs that `check` has passed."""

    async def create(self, row: Row, *, preview: bool) -> Made:
        """Create a resource from the row's inputs."""

    async def update(self, old: Row, row: Row, *, preview: bool) -> Made:
        """Change a resource to the row's inputs."""

    async def read(self, urn: str, identity: str, *, inputs: Properties | None, outputs: Properties) -> Seen:
        """Look at a resource."""

    async def delete(self, row: Row, timeouts: Mapping[str, float]) -> None:
        """Delete a resource."""

    async def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Answer:
        """Call a function."""


class Providers(Protocol):
    """Where one finds who answers for a resource."""

    async def for_row(self, row: Row) -> Provider:
        """Return the provider of a row, started if need be."""

    async def compare(self, old: str, new: str) -> Difference:
        """Return what it means that a resource moves from one provider to another."""

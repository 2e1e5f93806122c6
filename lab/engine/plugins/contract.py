"""What a plugin is, in plain values: the protocol without gRPC.

Pure: frozen values and one abstract class. `serve` puts a `Plugin` behind a socket; tests may call it
directly. Properties are in the plain form of `lab.engine.values`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.engine.values import Properties


class Kind(Enum):
    """How one property differs; the values are those of `pulumirpc.PropertyDiff.Kind`."""

    ADD = 0
    ADD_REPLACE = 1
    DELETE = 2
    DELETE_REPLACE = 3
    UPDATE = 4
    UPDATE_REPLACE = 5

    @property
    def replaces(self) -> bool:
        """Tell whether this difference asks for a replacement."""
        return self.value % 2 == 1

    def as_replace(self) -> Kind:
        """Return the same difference as one that asks for a replacement."""
        return Kind(self.value | 1)


class Severity(Enum):
    """How loud a message is; the values are those of `pulumirpc.LogSeverity`."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


class PluginError(Exception):
    """An operation failed as a whole: nothing was created, changed or removed that the state should know."""


class PartialFailureError(Exception):
    """An operation failed after the resource had come to exist: the state keeps it, with the reasons.

    Args:
        resource_id: The resource's id.
        outputs: What is known of it.
        inputs: The inputs it was made from.
        reasons: What went wrong, for a person.
    """

    def __init__(self, resource_id: str, outputs: Properties, inputs: Properties, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.id = resource_id
        self.outputs = outputs
        self.inputs = inputs
        self.reasons = reasons


@dataclass(frozen=True)
class Failure:
    """One refused input: the property's path ("" for none in particular) and the reason."""

    property: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """Inputs as the plugin wants them kept, or the reasons why it refuses them."""

    inputs: Properties
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What a change of inputs means.

    Args:
        changes: Anything differs at all.
        properties: Names of the top-level properties that differ.
        replaces: Names or paths that ask for a replacement.
        stables: Names of outputs that the change leaves alone.
        detailed: Path to kind, or None where the resource gives no detail.
        delete_before_replace: The old one must go before the new one comes.
    """

    changes: bool
    properties: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    stables: tuple[str, ...] = ()
    detailed: Mapping[str, Kind] | None = None
    delete_before_replace: bool = False


@dataclass(frozen=True)
class State:
    """A resource as it exists; an empty id says that it is gone."""

    id: str
    outputs: Properties = field(default_factory=dict)
    inputs: Properties = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Accepts:
    """What a configured plugin takes and gives."""

    secrets: bool
    resources: bool
    preview: bool
    autonaming: bool


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which resource a call is about, and how to speak about it.

    Args:
        urn: The resource's URN.
        type: Its type token.
        name: Its name in the program.
        log: Takes a message for the person at the engine, who finds it in the result.
        progress: Takes a line that is shown while it happens, and then forgotten.
        timeout_s: Time that the program grants, or None.
    """

    urn: str
    type: str
    name: str
    log: Callable[[Severity, str], None]
    progress: Callable[[str], None]
    timeout_s: float | None = None


class Plugin(ABC):
    """One provider package. Calls come from many threads at once."""

    @abstractmethod
    def check_config(self, target: Target, news: Properties) -> Checked:
        """Return the provider's configuration as it shall be kept."""

    @abstractmethod
    def configure(self, variables: Mapping[str, str], args: Properties) -> Accepts:
        """Take the configuration; called once, before any resource."""

    @abstractmethod
    def check(self, target: Target, *, olds: Properties, news: Properties, seed: bytes) -> Checked:
        """Return the inputs with defaults, or why they are refused."""

    @abstractmethod
    def diff(
        self,
        target: Target,
        resource_id: str,
        *,
        old_inputs: Properties,
        olds: Properties,
        news: Properties,
        ignore_changes: tuple[str, ...],
    ) -> Difference:
        """Tell what new inputs would change."""

    @abstractmethod
    def create(self, target: Target, news: Properties, *, preview: bool) -> State:
        """Make the resource; in a preview tell what is known without making it."""

    @abstractmethod
    def read(self, target: Target, resource_id: str, *, inputs: Properties, outputs: Properties) -> State:
        """Return the resource as it is now; an empty id if it is gone."""

    @abstractmethod
    def update(
        self,
        target: Target,
        resource_id: str,
        *,
        old_inputs: Properties,
        olds: Properties,
        news: Properties,
        ignore_changes: tuple[str, ...],
        preview: bool,
    ) -> Properties:
        """Change the resource in place and return its outputs."""

    @abstractmethod
    def delete(self, target: Target, resource_id: str, *, inputs: Properties, outputs: Properties) -> None:
        """Remove the resource."""

    def invoke(self, token: str, args: Properties, *, preview: bool) -> Properties:
        """Answer a function call; a plugin without functions refuses."""
        del args, preview
        raise PluginError(f"invoke: function {token!r}, allowed: none here; use Pulumi's own plugin")

    def cancel(self) -> None:  # noqa: B027 - most plugins have nothing to end
        """Give up what is running."""

"""Goals: what a program wants of one resource, as the engine understood its registration.

Pure: from protocol messages to frozen values. What a resource takes over from its parent is settled here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lab.engine.rows import Row
from lab.engine.structs import from_struct, from_wire
from lab.engine.urns import STACK_TYPE, build_urn, package_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.values import Properties, Value
    from lab.engine.wire import resource_pb2


class RefusedError(Exception):
    """A registration that can't be carried out; the run stops.

    Args:
        message: What a person reads.
        urn: The resource.
    """

    def __init__(self, message: str, urn: str) -> None:
        super().__init__(message)
        self.urn = urn


@dataclass(frozen=True)
class AliasSpec:
    """Another name of a resource: a whole URN, or the parts that differ; None is the resource's own."""

    urn: str = ""
    name: str | None = None
    type: str | None = None
    stack: str | None = None
    project: str | None = None
    parent: str | None = None
    no_parent: bool = False


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a program wants of one resource; field names follow `Row`.

    Args:
        provider: `<urn>::<id>`, or "" where none was chosen yet.
        providers: Providers by package, for the children of a component.
        protect: None is unset, so the parent's counts; the same for `retain_on_delete`.
        delete_before_replace: None leaves it to the plugin.
        default: The engine registers it by itself: a default provider.
    """

    urn: str
    type: str
    name: str
    custom: bool
    parent: str = ""
    inputs: Properties = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    provider: str = ""
    providers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    protect: bool | None = None
    retain_on_delete: bool | None = None
    delete_before_replace: bool | None = None
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[AliasSpec, ...] = ()
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    replacement_trigger: Value = None
    import_id: str = ""
    custom_timeouts: Mapping[str, float] = field(default_factory=dict)
    default: bool = False

    @property
    def package(self) -> str:
        """The package of the resource's type."""
        return package_of(self.type)

    def row(self) -> Row:
        """Return the row that the goal asks for; its id and outputs are not known yet."""
        kept = self.custom and self.type != STACK_TYPE
        return Row(
            urn=self.urn,
            type=self.type,
            custom=self.custom,
            inputs=self.inputs,
            parent=self.parent,
            provider=self.provider if self.custom else "",
            dependencies=self.dependencies,
            property_dependencies=self.property_dependencies,
            protect=bool(self.protect),
            retain_on_delete=bool(self.retain_on_delete),
            deleted_with=self.deleted_with if kept else "",
            replace_with=self.replace_with,
            replacement_trigger=self.replacement_trigger,
            additional_secret_outputs=self.additional_secret_outputs if kept else (),
            ignore_changes=self.ignore_changes if kept else (),
            replace_on_changes=self.replace_on_changes if kept else (),
            custom_timeouts=self.custom_timeouts,
            import_id=self.import_id,
        )


def goal_of(request: resource_pb2.RegisterResourceRequest, *, stack: str, project: str) -> Goal:
    """Return what a registration asks for, before its parent's options are taken over."""
    inputs = from_struct(request.object)
    dependencies = tuple(dict.fromkeys(request.dependencies))
    given = {key: tuple(item.urns) for key, item in request.propertyDependencies.items()}
    if not given:
        given = dict.fromkeys(inputs, dependencies)
    trigger = request.replacement_trigger if request.HasField("replacement_trigger") else None
    return Goal(
        urn=build_urn(stack=stack, project=project, parent=request.parent, kind=request.type, name=request.name),
        type=request.type,
        name=request.name,
        custom=request.custom,
        parent=request.parent,
        inputs=inputs,
        dependencies=dependencies,
        property_dependencies={key: given.get(key, ()) for key in {**inputs, **given}},
        provider=request.provider,
        providers=dict(request.providers),
        version=request.version,
        protect=request.protect if request.HasField("protect") else None,
        retain_on_delete=request.retainOnDelete if request.HasField("retainOnDelete") else None,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        aliases=(
            *(AliasSpec(urn=urn) for urn in request.aliasURNs),
            *(_alias(alias) for alias in request.aliases),
        ),
        deleted_with=request.deletedWith,
        replace_with=tuple(request.replace_with),
        replacement_trigger=None if trigger is None else from_wire(trigger),
        import_id=request.importId,
        custom_timeouts=_timeouts(request.customTimeouts),
    )


def inherit(goal: Goal, parent: Goal | None) -> Goal:
    """Return the goal with what it takes over from its parent where it says nothing itself."""
    if parent is None:
        return goal
    changes: dict[str, Any] = {}
    if goal.protect is None and parent.protect is not None:
        changes["protect"] = parent.protect
    if goal.retain_on_delete is None and parent.retain_on_delete is not None:
        changes["retain_on_delete"] = parent.retain_on_delete
    if not goal.deleted_with and parent.deleted_with:
        changes["deleted_with"] = parent.deleted_with
    if not goal.provider and parent.provider and (not goal.custom or goal.package == parent.package):
        changes["provider"] = parent.provider
    if not goal.custom or parent.providers:
        changes["providers"] = {**parent.providers, **goal.providers}
    return replace(goal, **changes)


def _alias(alias: Any) -> AliasSpec:
    if alias.WhichOneof("alias") == "urn":
        return AliasSpec(urn=alias.urn)
    spec = alias.spec
    return AliasSpec(
        name=spec.name or None,
        type=spec.type or None,
        stack=spec.stack or None,
        project=spec.project or None,
        parent=spec.parentUrn or None,
        no_parent=spec.noParent,
    )


_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def _timeouts(timeouts: Any) -> dict[str, float]:
    given = {"create": timeouts.create, "update": timeouts.update, "delete": timeouts.delete}
    return {key: duration_s(text) for key, text in given.items() if text}


def duration_s(text: str) -> float:
    """Return the seconds of a Go duration, `1h30m` or `90s`.

    Raises:
        ValueError: It is none.
    """
    import re

    pieces = re.findall(r"(\d+(?:\.\d+)?)(ms|[hms])", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise ValueError(f"timeout: {text!r}, allowed: a duration as 1h30m or 90s")
    return sum(float(number) * _SECONDS[unit] for number, unit in pieces)

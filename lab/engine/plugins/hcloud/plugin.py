"""The hcloud package: check, plan and apply for every resource type of `resources.TYPES`.

What fails after a resource came to exist is told as the original tells it: SDK types stay in the state with their
reasons, framework types do not, and an update that fails at its first request records the new values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.engine.plugins.contract import (
    Accepts,
    Checked,
    Difference,
    PartialFailureError,
    Plugin,
    PluginError,
    State,
)
from lab.engine.plugins.hcloud import resources
from lab.engine.plugins.hcloud.api import Api, ApiError
from lab.engine.plugins.hcloud.check import DEFAULTS, check_inputs, public, refreshed_inputs
from lab.engine.plugins.hcloud.outcome import finished, imported_inputs, known_sets, merged, settled
from lab.engine.plugins.hcloud.plan import changed_names, details, planned
from lab.engine.plugins.hcloud.schema import Change, Family
from lab.engine.plugins.hcloud.settings import check_settings, configured_api
from lab.engine.values import UNKNOWN, unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.plugins.contract import Target
    from lab.engine.plugins.hcloud.schema import ResourceType
    from lab.engine.values import Properties


class HcloudPlugin(Plugin):
    """Every modelled type of the package, for one account."""

    def __init__(self) -> None:
        self._api: Api | None = None

    def check_config(self, target: Target, news: Properties) -> Checked:
        """Refuse a token of a wrong length and an unknown poll function; ask nobody."""
        return Checked(news, tuple(check_settings(target.name, news)))

    def configure(self, variables: Mapping[str, str], args: Properties) -> Accepts:
        """Take token, endpoint and poll options; ask nobody."""
        self._api = configured_api(args, variables)
        return Accepts(secrets=False, resources=False, preview=True, autonaming=True)

    def check(self, target: Target, *, olds: Properties, news: Properties, seed: bytes) -> Checked:
        """Fill in defaults and the name, and tell every fault that the inputs alone show."""
        kind = _type(target)
        return check_inputs(kind, target.name, olds=unwrap(olds), news=unwrap(news), seed=seed)

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
        """Compare the state with the plan."""
        del resource_id
        kind, state, inputs = _type(target), unwrap(olds), unwrap(news)
        given = _with_ignored(public(inputs), public(unwrap(old_inputs)), ignore_changes)
        plan = planned(kind, state, given)
        names = tuple(sorted(changed_names(kind, state, plan)))
        if kind.family is Family.FRAMEWORK:
            replaces = tuple(name for name in names if kind.fields[name].replaces)
            return Difference(changes=bool(names), properties=names, replaces=replaces)
        detailed = details(kind, state, plan, given)
        replaces = tuple(name for name in names if kind.fields[name].replaces)
        stables = [name for name, field in kind.fields.items() if field.replaces and name not in replaces]
        named_by_program = kind.named and "name" not in inputs.get(DEFAULTS, ["name"])
        return Difference(
            changes=bool(detailed),
            properties=names,
            replaces=replaces,
            stables=tuple(sorted(stables)),
            detailed=detailed,
            delete_before_replace=bool(replaces) and named_by_program,
        )

    def create(self, target: Target, news: Properties, *, preview: bool) -> State:
        """Make the resource; a preview asks nobody."""
        kind, given = _type(target), public(unwrap(news))
        plan = planned(kind, None, given)
        if preview:
            return State("", {**plan, "id": UNKNOWN})
        exists: list[str] = []
        try:
            resource_id, decided = kind.operations.create(
                self._account(kind), settled(kind, plan), given, exists.append
            )
        except ApiError as failure:
            if not exists:
                raise PluginError(_text(kind, failure)) from None
            outputs = merged(kind, plan, {}, exists[0])
            reason = f"creating {target.urn}: {_text(kind, failure)}"
            raise PartialFailureError(exists[0], outputs, news, (reason,)) from None
        return State(resource_id, merged(kind, plan, decided, resource_id), news)

    def read(
        self,
        target: Target,
        resource_id: str,
        *,
        inputs: Properties,
        outputs: Properties,
    ) -> State:
        """Look at the resource and bring inputs and outputs up to what it is."""
        kind, state = _type(target), unwrap(outputs)
        try:
            decided = kind.operations.read(self._account(kind), resource_id, state)
        except ApiError as failure:
            prefix = f"refreshing {target.urn}: " if kind.family is Family.SDK else ""
            raise PluginError(prefix + _text(kind, failure)) from None
        if decided is None:
            return State("")
        now = finished(kind, {**dict.fromkeys(kind.fields), **state, **decided, "id": resource_id})
        given = refreshed_inputs(kind.fields, unwrap(inputs), now) if state else imported_inputs(kind, now)
        return State(resource_id, now, given)

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
        """Change the resource in place; a preview asks nobody."""
        kind, state = _type(target), unwrap(olds)
        given = _with_ignored(public(unwrap(news)), public(unwrap(old_inputs)), ignore_changes)
        plan = planned(kind, state, given)
        names = changed_names(kind, state, plan)
        if any(kind.fields[name].replaces for name in names):
            raise PluginError(
                f"internal: expected diff to not require deletion or replacement during Update of {target.urn}"
            )
        if preview:
            return {**state, **plan}
        begun: list[bool] = []
        change = Change(state, settled(kind, plan), given, names)
        try:
            decided = kind.operations.update(self._account(kind), resource_id, change, lambda: begun.append(True))
        except ApiError as failure:
            if kind.family is Family.FRAMEWORK:
                raise PluginError(_text(kind, failure)) from None
            kept = {**state, **known_sets(kind, plan)} if begun else merged(kind, plan, {}, resource_id)
            reason = f"updating {target.urn}: {_text(kind, failure)}"
            raise PartialFailureError(resource_id, kept, news, (reason,)) from None
        if decided is None:
            raise PluginError(
                f"Resource provider reported that the resource did not exist while updating {target.urn}.\n\n"
                "This is usually a result of the resource having been deleted outside of Pulumi, and can often "
                "be fixed by running `pulumi refresh` before updating."
            )
        return merged(kind, plan, decided, resource_id)

    def delete(self, target: Target, resource_id: str, *, inputs: Properties, outputs: Properties) -> None:
        """Remove the resource."""
        del inputs
        kind = _type(target)
        try:
            kind.operations.delete(self._account(kind), resource_id, unwrap(outputs))
        except ApiError as failure:
            prefix = f"deleting {target.urn}: " if kind.family is Family.SDK else ""
            raise PluginError(prefix + _text(kind, failure)) from None

    def _account(self, kind: ResourceType) -> Api:
        if self._api is None:
            raise PluginError("hcloud: not configured; give the provider a token")
        return self._api.of(kind.family)


def _type(target: Target) -> ResourceType:
    kind = resources.TYPES.get(target.type)
    if kind is None:
        known = ", ".join(sorted(token.rpartition(":")[2] for token in resources.TYPES))
        raise PluginError(f"type: {target.type!r}, allowed: {known}; use Pulumi's own plugin for others")
    return kind


def _text(kind: ResourceType, failure: ApiError) -> str:
    """Return an error as the family words it, so that what a person searches for is the same."""
    if kind.family is Family.SDK:
        return f"1 error occurred:\n\t* {failure}\n\n"
    opening = "API request failed: An unexpected error was encountered during an API request."
    if not failure.code:
        return f"{opening}\n\n{failure}\n"
    return f"{opening}\n\n{failure}\n\nError code: {failure.code}\nStatus code: {failure.status}\n"


def _with_ignored(given: Properties, old_inputs: Properties, ignore_changes: tuple[str, ...]) -> Properties:
    """Return inputs with the old value of what is ignored; the engine does so too, by path."""
    kept = {name: old_inputs[name] for name in ignore_changes if name in old_inputs}
    dropped = {name for name in ignore_changes if name not in old_inputs}
    return {**{key: value for key, value in given.items() if key not in dropped}, **kept}

"""The command package: check, compare and run, by resource type.

A resource is its inputs plus `stdout` and `stderr`. Reading it again means keeping it as it is: nothing tells
whether a script's effect is still there.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from lab.engine.plugins.command.local import Running, run_here
from lab.engine.plugins.command.schema import INPUTS, check_inputs
from lab.engine.plugins.contract import Accepts, Checked, Difference, Failure, Plugin, PluginError, State
from lab.engine.plugins.differences import property_differences, top_level
from lab.engine.values import UNKNOWN, equal, has_unknown, unwrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.plugins.contract import Target
    from lab.engine.values import Properties

COPY: Final = "command:remote:CopyToRemote"
RESULTS: Final = ("stdout", "stderr")
GO_PROVIDER: Final = {"__pulumi-go-provider-version": "1.2.0"}
"""What the real plugin adds to its configuration; kept so that both engines see one and the same provider."""


class CommandPlugin(Plugin):
    """`command:local:Command`, `command:remote:Command` and `command:remote:CopyToRemote`."""

    def __init__(self) -> None:
        self._running = Running()

    def check_config(self, target: Target, news: Properties) -> Checked:
        """Keep the configuration: the package has none of its own."""
        del target
        return Checked({**news, **GO_PROVIDER})

    def configure(self, variables: Mapping[str, str], args: Properties) -> Accepts:
        """Accept everything."""
        del variables, args
        return Accepts(secrets=True, resources=True, preview=True, autonaming=False)

    def check(self, target: Target, *, olds: Properties, news: Properties, seed: bytes) -> Checked:
        """Fill in defaults, keep the connection secret, name what is missing or of a wrong type."""
        del olds, seed
        if target.type not in INPUTS:
            reason = f"type: {target.type!r}, allowed: {', '.join(INPUTS)}; use Pulumi's own plugin for others"
            return Checked(news, (Failure("", reason),))
        return check_inputs(target.type, news)

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
        """Compare inputs; `triggers` as a whole replaces, one changed element is an update to this plugin."""
        del target, resource_id
        wanted = _with_ignored(_public(news), olds, ignore_changes)
        found = property_differences(_public(old_inputs), wanted)
        detailed = {path: kind.as_replace() if path == "triggers" else kind for path, kind in found.items()}
        replacing = {path: kind for path, kind in detailed.items() if kind.replaces}
        return Difference(
            changes=bool(detailed),
            properties=top_level(detailed),
            replaces=top_level(replacing),
            detailed=detailed,
        )

    def create(self, target: Target, news: Properties, *, preview: bool) -> State:
        """Run `create`, or copy; a preview has an id but no results."""
        copies = target.type == COPY
        stem = "" if copies else target.name
        resource_id = "" if copies and preview else stem + secrets.token_hex(4)
        if preview:
            return State(resource_id, news if copies else {**news, **dict.fromkeys(RESULTS, UNKNOWN)}, news)
        return State(resource_id, {**news, **self._run(target, news.get("create"), news, {})}, news)

    def read(
        self,
        target: Target,
        resource_id: str,
        *,
        inputs: Properties,
        outputs: Properties,
    ) -> State:
        """Return the resource as it was: there is nothing to look at."""
        del target
        return State(resource_id, outputs, inputs)

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
        """Run `update`, or `create` where there is none; copy again only if source or path changed."""
        del resource_id, old_inputs
        wanted = _with_ignored(news, olds, ignore_changes)
        if target.type == COPY:
            if not preview and _must_copy(olds, wanted):
                self._run(target, None, wanted, {})
            return wanted
        kept = {name: olds.get(name, "") for name in RESULTS}
        if preview:
            unknown = has_unknown(wanted) or _changed(target.type, olds, wanted)
            return {**wanted, **(dict.fromkeys(RESULTS, UNKNOWN) if unknown else kept)}
        script = wanted.get("update", wanted.get("create"))
        return {**wanted, **kept, **self._run(target, script, wanted, olds)}

    def delete(self, target: Target, resource_id: str, *, inputs: Properties, outputs: Properties) -> None:
        """Run `delete` as it was when last created or updated; a copy stays where it is."""
        del resource_id, inputs
        script = outputs.get("delete")
        if target.type != COPY and script is not None:
            self._run(target, script, outputs, outputs)

    def cancel(self) -> None:
        """End the local scripts that run."""
        self._running.kill_all()

    def _run(self, target: Target, script: object, inputs: Properties, previous: Properties) -> Properties:
        plain = unwrap(inputs)
        if target.type == COPY:
            from lab.engine.plugins.command.copy import copy_to_remote

            copy_to_remote(target, plain)
            return {}
        command = unwrap(script)
        if command is None:
            return dict.fromkeys(RESULTS, "")
        if target.type == "command:local:Command":
            return run_here(target, self._running, command, plain, unwrap(previous))
        if target.type == "command:remote:Command":
            from lab.engine.plugins.command.remote import run_there

            return run_there(target, command, plain, unwrap(previous))
        raise PluginError(f"type: {target.type!r}, allowed: {', '.join(INPUTS)}")


def _public(inputs: Properties) -> Properties:
    return {key: value for key, value in inputs.items() if key != "version" and not key.startswith("__")}


def _with_ignored(news: Properties, olds: Properties, ignore_changes: tuple[str, ...]) -> Properties:
    return {**news, **{name: olds[name] for name in ignore_changes if name in olds}}


def _must_copy(olds: Properties, news: Properties) -> bool:
    """Tell whether new inputs ask for another copy: another content or path, not another connection."""
    return any(not equal(unwrap(olds.get(name)), unwrap(news.get(name))) for name in ("source", "remotePath"))


def _changed(kind: str, olds: Properties, wanted: Properties) -> bool:
    """Tell whether an input that the state knows has changed; an added one counts for nothing, as in Pulumi's."""
    names = [name for name in INPUTS[kind] if name in olds]
    return any(not equal(olds[name], wanted.get(name)) for name in names)

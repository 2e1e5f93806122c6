"""The package `pulumi`: resources that the engine itself provides.

`Stash` keeps the first value that it was given, whatever its input becomes, until it is replaced. A
`StackReference` is read, never created.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from lab.engine.operations import Difference
from lab.engine.provider import Answer, Checked, Failure, Made, ProviderError, Seen
from lab.engine.urns import parse_urn
from lab.engine.values import equal, has_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lab.engine.rows import Row
    from lab.engine.values import Properties

STASH: Final = "pulumi:index:Stash"
STACK_REFERENCE: Final = "pulumi:pulumi:StackReference"


class BuiltinProvider:
    """Answer for the engine's own resources.

    Args:
        stack_outputs: Returns the outputs of a stack by its name.
        find_row: Returns the row of a URN, None if there is none.
    """

    def __init__(self, *, stack_outputs: Callable[[str], Properties], find_row: Callable[[str], Row | None]) -> None:
        self._stack_outputs = stack_outputs
        self._find_row = find_row

    async def check(self, urn: str, old_inputs: Properties | None, new: Properties) -> Checked:
        """Allow a Stash its one input, and a StackReference its name."""
        del old_inputs
        kind = parse_urn(urn).type
        wanted = {STASH: "input", STACK_REFERENCE: "name"}.get(kind)
        if wanted is None:
            return Checked(new, (Failure("", f"unknown resource type {kind}"),))
        failures = [Failure(key, f"unknown property {key!r}") for key in new if key != wanted]
        if wanted not in new:
            failures.append(Failure(wanted, f"missing required property {wanted!r}"))
        return Checked(new, tuple(failures))

    async def diff(self, old: Row, new: Properties, ignored: tuple[str, ...]) -> Difference:
        """Compare inputs; a change is always an update."""
        del ignored
        return Difference(changed=not equal(old.inputs, new))

    async def create(self, row: Row, *, preview: bool) -> Made:
        """Take the input as the output for good."""
        if row.type != STASH:
            raise ProviderError(f"{row.urn}: a {row.type} can't be created, only read")
        kept = row.inputs["input"]
        return Made("" if preview else str(uuid.uuid4()), {"input": kept, "output": kept})

    async def update(self, old: Row, row: Row, *, preview: bool) -> Made:
        """Take the new input, and keep the output."""
        del preview
        return Made(old.id, {"input": row.inputs["input"], "output": old.outputs.get("output")})

    async def read(self, urn: str, identity: str, *, inputs: Properties | None, outputs: Properties) -> Seen:
        """Read a stack's outputs; a Stash is as it is."""
        if parse_urn(urn).type != STACK_REFERENCE:
            return Seen(identity, inputs, outputs)
        given = inputs or outputs
        name = given.get("name", identity)
        return Seen(identity, {"name": name}, self._referred(str(name)))

    async def delete(self, row: Row, timeouts: Mapping[str, float]) -> None:
        """Forget a value."""

    async def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Answer:
        """Answer the engine's own functions."""
        del preview
        if token == "pulumi:pulumi:readStackOutputs":  # noqa: S105 - a function's name
            return Answer(self._referred(str(arguments["name"])))
        if token == "pulumi:pulumi:getResource":  # noqa: S105 - a function's name
            row = self._find_row(str(arguments["urn"]))
            if row is None:
                raise ProviderError(f"unknown resource {arguments['urn']!r}")
            return Answer({"urn": row.urn, "id": row.id, "provider": row.provider, "state": row.outputs})
        raise ProviderError(f"function {token!r}, allowed: readStackOutputs, getResource")

    def _referred(self, name: str) -> Properties:
        """Return what a StackReference knows; the SDK marks as secret the outputs that are named so."""
        outputs = self._stack_outputs(name)
        secret = sorted(key for key, value in outputs.items() if has_secret(value))
        return {"name": name, "outputs": outputs, "secretOutputNames": secret}

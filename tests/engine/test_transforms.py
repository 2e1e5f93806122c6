"""A program's transforms change what it registers, its own first, then those above, then the stack's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.engine.runs import Shop

pytestmark = pytest.mark.lab

PROGRAM = """
from pulumi import ResourceTransformResult as R

def says(word):
    def transform(args):
        if args.type_ != "command:local:Command":
            return None
        environment = {**(args.props.get("environment") or {})}
        environment["SAID"] = environment.get("SAID", "") + word
        return R({**args.props, "environment": environment}, args.opts)
    return transform

def guards(args):
    if args.type_ != "command:local:Command":
        return None
    return R(args.props, O.merge(args.opts, O(protect=True, ignore_changes=["update"])))

pulumi.runtime.register_resource_transform(says("-stack"))
group = pulumi.ComponentResource("shop:index:Group", "g", None, O(transforms=[says("-group")]))
Command("own", create="true", opts=O(parent=group, transforms=[says("own")]))
first = Command("first", create="true")
Command("guarded", create="true", update="echo", opts=O(transforms=[guards]))
Command("after", create="true", opts=O(transforms=[
    lambda args: R({**args.props, "stdin": first.stdout}, O.merge(args.opts, O(depends_on=[first])))
]))
"""


def test_transforms_run_from_the_inside_out_and_change_inputs_and_options(either: Shop) -> None:
    """What they leave is what is made and saved; a second run finds nothing to change."""
    either.program(PROGRAM)
    ran = either.up()
    assert ran.code == 0, ran.out
    rows = either.rows()
    assert rows["own"]["inputs"]["environment"] == {"SAID": "own-group-stack"}
    assert rows["first"]["inputs"]["environment"] == {"SAID": "-stack"}
    assert (rows["guarded"]["protect"], rows["guarded"]["ignoreChanges"]) == (True, ["update"])
    assert "protect" not in rows["first"]
    assert rows["after"]["dependencies"] == [rows["first"]["urn"]]
    assert either.up("--expect-no-changes").code == 0


def test_a_transform_that_fails_ends_the_run_in_the_programs_words(either: Shop) -> None:
    """Nothing is made of the resource."""
    either.program(
        "def bad(args):\n    raise ValueError('not this')\nCommand('a', create='true', opts=O(transforms=[bad]))\n"
    )
    ran = either.up()
    assert ran.code == 1
    assert "invoke transform: " in ran.out
    assert "not this" in ran.out
    assert "a" not in either.rows()

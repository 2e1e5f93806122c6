"""Decisions: what a registration leads to, given the old state and what the provider says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from lab.engine.aliases import alias_urns
from lab.engine.choices import apply_replace_on_changes, detail, trigger_fires
from lab.engine.generator import Generator
from lab.engine.goals import AliasSpec, Goal, RefusedError, duration_s, inherit
from lab.engine.operations import Difference, PropertyChange, Step
from lab.engine.options import Options, matches
from lab.engine.provider import Checked, Failure
from lab.engine.values import UNKNOWN, Secret, equal, has_unknown
from tests.engine.test_levels import row, urn

if TYPE_CHECKING:
    from lab.engine.rows import Row
    from lab.engine.values import Properties


@dataclass
class Scripted:
    """A provider that compares inputs; a change of `key`, or an unknown one, is a replacement."""

    failures: tuple[Failure, ...] = ()
    checked: list[tuple[Properties | None, Properties]] = field(default_factory=list)
    delete_first: bool = False

    async def check(self, urn: str, old_inputs: Properties | None, new: Properties) -> Checked:
        """Remember what was asked, and give a new resource a name."""
        del urn
        self.checked.append((old_inputs, new))
        name = (old_inputs or {}).get("name", f"auto-{len(self.checked)}")
        return Checked({"name": name, **new}, self.failures)

    async def diff(self, old: Row, new: Properties, ignored: tuple[str, ...]) -> Difference:
        """Compare."""
        del ignored
        if equal(old.inputs, new):
            return Difference(changed=False)
        key_changed = has_unknown(new.get("key")) or not equal(old.inputs.get("key"), new.get("key"))
        return Difference(
            changed=True, replaces=("key",) if key_changed else (), delete_before_replace=self.delete_first
        )


@dataclass
class World:
    """Everything that a generator asks."""

    provider: Scripted = field(default_factory=Scripted)
    moved: Difference = field(default_factory=lambda: Difference(changed=False))
    said: list[str] = field(default_factory=list)

    async def for_row(self, row: Row) -> Any:
        """Return the one provider."""
        del row
        return self.provider

    async def compare(self, old: str, new: str) -> Difference:
        """Return what was scripted."""
        del old, new
        return self.moved

    def info(self, message: str, urn: str) -> None:
        """Remember what was said."""
        self.said.append(f"info {urn.rsplit('::', 1)[1]}: {message}")

    def error(self, message: str, urn: str) -> None:
        """Remember what was said."""
        self.said.append(f"error {urn.rsplit('::', 1)[1]}: {message}")


def old(name: str, *depends: str, **inputs: Any) -> Row:
    """Return a row of the old state."""
    return replace(row(name, *depends), inputs={"name": f"old-{name}", **inputs}, outputs={"out": name})


def goal(name: str, *depends: str, **options: Any) -> Goal:
    """Return what a program wants of a resource."""
    inputs = options.pop("inputs", {})
    return Goal(
        urn=urn(name),
        type="a:b:C",
        name=name,
        custom=True,
        inputs=inputs,
        dependencies=tuple(map(urn, depends)),
        property_dependencies=options.pop("reads", dict.fromkeys(inputs, ())),
        **options,
    )


def decide(state: list[Row], *goals: Goal, world: World | None = None, **options: Any) -> list[list[tuple[str, str]]]:
    """Return operations and names for each registration."""
    return [
        [(step.op, step.urn.rsplit("::", 1)[1]) for step in steps]
        for steps in steps_of(state, *goals, world=world, **options)
    ]


def steps_of(state: list[Row], *goals: Goal, world: World | None = None, **options: Any) -> list[list[Step]]:
    """Return the steps of each registration."""
    world = world or World()
    generator = Generator(tuple(state), Options(**options), world, world)

    async def run() -> list[list[Step]]:
        return [await generator.register(one) for one in goals]

    return asyncio.run(run())


def test_new_same_changed_and_replaced_are_told_apart() -> None:
    """Four resources, four fates."""
    state = [old("same", key=1, x=1), old("changed", key=1, x=1), old("replaced", key=1, x=1)]
    assert decide(
        state,
        goal("new", inputs={"key": 1}),
        goal("same", inputs={"key": 1, "x": 1}),
        goal("changed", inputs={"key": 1, "x": 2}),
        goal("replaced", inputs={"key": 2, "x": 1}),
    ) == [
        [("create", "new")],
        [("same", "same")],
        [("update", "changed")],
        [("create-replacement", "replaced"), ("replace", "replaced")],
    ]


def test_a_replacement_is_checked_afresh_with_the_programs_own_inputs() -> None:
    """Ignored changes do not hold across it, and an automatic name is a new one."""
    world = World()
    [[create, _]] = steps_of(
        [old("a", key=1, pinned="old")],
        goal("a", inputs={"key": 2, "pinned": "new"}, ignore_changes=("pinned",)),
        world=world,
    )
    assert world.provider.checked == [
        ({"name": "old-a", "key": 1, "pinned": "old"}, {"key": 2, "pinned": "old"}),
        (None, {"key": 2, "pinned": "new"}),
    ]
    assert create.new is not None
    assert create.new.inputs == {"name": "auto-2", "key": 2, "pinned": "new"}


def test_delete_first_takes_those_down_whom_it_would_replace() -> None:
    """Users before used; a mere dependent stays, and is asked later like any other."""
    state = [
        old("a", key=1),
        replace(old("b", "a", key="of a"), property_dependencies={"key": (urn("a"),)}),
        replace(old("c", "b", key="of b"), property_dependencies={"key": (urn("b"),)}),
        replace(old("reader", "a", key=1, x="of a"), property_dependencies={"x": (urn("a"),)}),
        old("d", "a", key=1),
    ]
    assert decide(
        state,
        goal("a", inputs={"key": 2}, delete_before_replace=True),
        goal("b", "a", inputs={"key": "of new a"}, reads={"key": (urn("a"),)}),
        goal("d", "a", inputs={"key": 1}),
    ) == [
        [
            ("delete-replaced", "c"),
            ("delete-replaced", "b"),
            ("delete-replaced", "a"),
            ("replace", "a"),
            ("create-replacement", "a"),
        ],
        [("replace", "b"), ("create-replacement", "b")],
        [("same", "d")],
    ]


def test_the_plugin_may_ask_for_delete_first_and_the_program_may_refuse() -> None:
    """The option wins over the plugin's word."""
    world = World(Scripted(delete_first=True))
    state = [old("a", key=1)]
    assert decide(state, goal("a", inputs={"key": 2}), world=world)[0][0] == ("delete-replaced", "a")
    refused = goal("a", inputs={"key": 2}, delete_before_replace=False)
    assert decide(state, refused, world=world)[0][0] == ("create-replacement", "a")


def test_a_protected_dependent_stops_a_cascade() -> None:
    """It is not deleted to make room."""
    state = [
        old("a", key=1),
        replace(old("b", "a", key="of a"), property_dependencies={"key": (urn("a"),)}, protect=True),
    ]
    with pytest.raises(RefusedError, match=r"::b\" as part of replacing \".*::a\" as it is currently marked"):
        decide(state, goal("a", inputs={"key": 2}, delete_before_replace=True))


def test_a_protected_resource_is_not_replaced_and_a_preview_goes_on() -> None:
    """An update stops at once; a preview tells of every such fault."""
    state = [replace(old("a", key=1), protect=True)]
    wanted = goal("a", inputs={"key": 2}, protect=True)
    with pytest.raises(RefusedError, match="unable to replace resource"):
        decide(state, wanted)
    world = World()
    assert decide(state, wanted, world=world, preview=True)[0][0] == ("create-replacement", "a")
    [said] = world.said
    assert said.startswith("error a: unable to replace resource")


def test_unprotecting_and_replacing_in_one_go_is_allowed() -> None:
    """Protection must be on both sides."""
    state = [replace(old("a", key=1), protect=True)]
    assert decide(state, goal("a", inputs={"key": 2}))[0][0] == ("create-replacement", "a")


def test_a_row_whose_replacement_is_due_is_replaced_whatever_the_plugin_says() -> None:
    """It is deleted already, so nothing is deleted now."""
    state = [replace(old("a", key=1), pending_replacement=True)]
    assert decide(state, goal("a", inputs={"key": 1})) == [[("replace", "a"), ("create-replacement", "a")]]


def test_a_half_made_resource_is_updated_though_nothing_changed() -> None:
    """Until somebody finishes it."""
    state = [replace(old("a", key=1), init_errors=("half",))]
    assert decide(state, goal("a", inputs={"key": 1})) == [[("update", "a")]]


def test_replacing_one_replaces_its_partners() -> None:
    """`replace_with` follows what happened in this run."""
    state = [old("a", key=1), old("b", key=1), old("c", key=1)]
    found = decide(
        state,
        goal("a", inputs={"key": 2}),
        goal("b", inputs={"key": 1}, replace_with=(urn("a"),)),
        goal("c", inputs={"key": 1}, replace_with=(urn("nobody"),)),
    )
    assert [steps[0] for steps in found] == [("create-replacement", "a"), ("create-replacement", "b"), ("same", "c")]


@pytest.mark.parametrize(
    ("before", "after", "fires"),
    [
        ("1", "2", True),
        ("1", "1", False),
        (None, "1", False),
        ("1", None, False),
        (Secret("1"), "1", False),
        ("1", UNKNOWN, True),
        (1, True, True),
    ],
)
def test_a_trigger_fires_only_from_value_to_value(before: Any, after: Any, fires: bool) -> None:  # noqa: FBT001 - a table's column
    """One that appears or goes is only remembered."""
    assert trigger_fires(before, after) is fires


def test_an_unknown_input_in_an_update_is_refused() -> None:
    """It would be stored as if it were a value."""
    with pytest.raises(RefusedError, match="an input is unknown in an update"):
        decide([], goal("a", inputs={"key": UNKNOWN}))
    assert decide([], goal("a", inputs={"key": UNKNOWN}), preview=True) == [[("create", "a")]]


def test_a_refusal_names_every_property() -> None:
    """All faults at once, an unnamed one as it is."""
    world = World(Scripted(failures=(Failure("x", "too long"), Failure("", "and wrong"))))
    with pytest.raises(RefusedError, match=r"^property x: too long\nand wrong$"):
        decide([], goal("a"), world=world)


def test_a_resource_is_found_under_its_alias_once() -> None:
    """The second claimant of one old resource is an error."""
    state = [old("before", key=1)]
    first = goal("now", inputs={"key": 1}, aliases=(AliasSpec(name="before"),))
    assert decide(state, first) == [[("same", "now")]]
    with pytest.raises(RefusedError, match=r"::now are both aliased to .*::before"):
        decide(state, first, goal("too", inputs={"key": 1}, aliases=(AliasSpec(name="before"),)))


def test_children_inherit_the_names_of_an_aliased_parent() -> None:
    """A child called after its parent was called after the old parent."""
    parent, parent_was = "urn:pulumi:dev::shop::a:b:G::new", "urn:pulumi:dev::shop::a:b:F::old"
    child = Goal(
        urn="urn:pulumi:dev::shop::a:b:G$a:b:C::new-first", type="a:b:C", name="new-first", custom=True, parent=parent
    )
    assert alias_urns(child, parent_was) == [
        "urn:pulumi:dev::shop::a:b:F$a:b:C::old-first",
        "urn:pulumi:dev::shop::a:b:F$a:b:C::new-first",
    ]
    assert alias_urns(child, "") == []


def test_an_alias_without_parent_is_at_the_top() -> None:
    """A whole URN is taken as it is."""
    child = Goal(
        urn="urn:pulumi:dev::shop::a:b:G$a:b:C::x",
        type="a:b:C",
        name="x",
        custom=True,
        parent="urn:pulumi:dev::shop::a:b:G::g",
        aliases=(AliasSpec(no_parent=True), AliasSpec(type="a:b:D", name="y"), AliasSpec(urn="urn:any")),
    )
    assert alias_urns(child, "") == [
        "urn:pulumi:dev::shop::a:b:C::x",
        "urn:pulumi:dev::shop::a:b:G$a:b:D::y",
        "urn:any",
    ]


def test_moving_to_another_provider_replaces_only_if_its_configuration_says_so() -> None:
    """A newer plugin, or another explicit provider of the same kind, is none of the resource's business."""
    state = [replace(old("a", key=1), provider="urn:p::1")]
    wanted = goal("a", inputs={"key": 1}, provider="urn:q::2")
    assert decide(state, wanted) == [[("same", "a")]]
    world = World(moved=Difference(changed=True, replaces=("token",)))
    assert decide(state, wanted, world=world)[0][0] == ("create-replacement", "a")


def test_untargeted_resources_stay_and_new_ones_are_skipped() -> None:
    """What needs a skipped one is refused."""
    state = [old("a", key=1), old("b", key=1)]
    changed = (goal("a", inputs={"key": 2}), goal("b", inputs={"key": 1, "x": 2}), goal("new"))
    assert decide(state, *changed, targets=(urn("b"),)) == [[("same", "a")], [("update", "b")], []]
    needy = goal("b", "new", inputs={"key": 1})
    with pytest.raises(RefusedError, match=r"::b depends on .*::new, which is to be created but not targeted"):
        decide(state, goal("new"), needy, targets=(urn("b"),))


def test_replacing_by_name_touches_no_other() -> None:
    """And does not keep the others from being dealt with."""
    state = [old("a", key=1), old("b", key=1)]
    found = decide(state, goal("a", inputs={"key": 1}), goal("b", inputs={"key": 1, "x": 1}), replaces=(urn("a"),))
    assert [steps[0] for steps in found] == [("create-replacement", "a"), ("update", "b")]


@pytest.mark.parametrize(
    ("pattern", "hit"), [(urn("a"), True), ("**a", True), ("urn:*", False), ("urn:**::a", True), ("*::a", False)]
)
def test_a_pattern_names_resources(pattern: str, hit: bool) -> None:  # noqa: FBT001 - a table's column
    """One star stops at a colon, two at nothing."""
    assert matches([pattern], urn("a")) is hit


def test_replace_on_changes_turns_what_it_covers_into_a_replacement() -> None:
    """Also where the plugin says update; other changes stay updates."""
    said = Difference(
        changed=True,
        diffs=("triggers",),
        detailed={"triggers[0]": PropertyChange("update"), "other": PropertyChange("add")},
    )
    settled = apply_replace_on_changes(said, ["triggers[*]"], old("a"))
    assert settled.replacing
    assert settled.detailed == {
        "triggers[0]": PropertyChange("update-replace"),
        "other": PropertyChange("add"),
    }
    assert not apply_replace_on_changes(said, ["nothing"], old("a")).replacing


def test_differences_are_named_by_path() -> None:
    """Down to the element that differs; unequal lists as a whole."""
    before = {"a": {"b": [1, 2]}, "gone": 1, "l": [1]}
    after = {"a": {"b": [1, 3]}, "come": 1, "l": [1, 2]}
    assert {path: change.kind for path, change in detail(before, after).items()} == {
        "a.b[1]": "update",
        "gone": "delete",
        "come": "add",
        "l": "update",
    }


def test_a_child_takes_over_what_it_does_not_say_itself() -> None:
    """Protection, retention and the host; a provider only of its own package."""
    parent = Goal(
        urn=urn("g"),
        type="a:b:G",
        name="g",
        custom=False,
        protect=True,
        retain_on_delete=True,
        deleted_with=urn("host"),
        providers={"a": "urn:p::1"},
    )
    child = inherit(goal("c"), parent)
    assert (child.protect, child.retain_on_delete, child.deleted_with) == (True, True, urn("host"))
    assert child.providers == {"a": "urn:p::1"}
    assert inherit(goal("c", protect=False), parent).protect is False


def test_durations_are_gos() -> None:
    """And what is none is refused."""
    assert duration_s("1h30m") == 5400
    assert duration_s("90s") == 90
    with pytest.raises(ValueError, match="timeout: '5 minutes', allowed"):
        duration_s("5 minutes")


def test_deletions_follow_the_flags_of_the_old_state() -> None:
    """Retained, external and hosted rows go without a call; so do components."""
    world = World()
    state = [
        old("host"),
        replace(old("guest"), deleted_with=urn("host")),
        replace(old("kept"), retain_on_delete=True),
        replace(old("read"), external=True),
        row("g", custom=False),
        replace(old("due"), pending_replacement=True),
        replace(old("late"), delete=True),
        replace(old("lodger"), deleted_with=urn("stays")),
    ]
    generator = Generator(tuple(state), Options(), world, world)
    assert [(step.op, step.urn.rsplit("::", 1)[1], step.call) for step in generator.condemned(state)] == [
        ("delete", "host", True),
        ("delete", "guest", False),
        ("delete", "kept", False),
        ("delete", "read", False),
        ("delete", "g", False),
        ("remove-pending-replace", "due", True),
        ("delete-replaced", "late", True),
        ("delete", "lodger", True),
    ]

"""A person sees what is done to which resource, below its parent, and no secret."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lab.engine.board import changed, short_type
from lab.engine.config import Entry
from lab.engine.display import Plain, Show, difference_text, outputs_text
from lab.engine.eventlog import EventLog
from lab.engine.events import Events, Mask, Summary
from lab.engine.operations import Difference, PropertyChange, Step
from lab.engine.options import Options
from lab.engine.rows import Row
from lab.engine.terminal import Live
from lab.engine.values import UNKNOWN, Secret

if TYPE_CHECKING:
    from pathlib import Path

STACK = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
GROUP = "urn:pulumi:dev::shop::v:i:Group::g"
CHILD = "urn:pulumi:dev::shop::v:i:Group$a:b:C::child"
DEFAULT = "urn:pulumi:dev::shop::pulumi:providers:a::default_1_0_0"


def step(op: Any, urn: str, parent: str = "", **more: Any) -> Step:
    """Return a step on a new row."""
    kind = urn.split("::")[2].rsplit("$", 1)[-1]
    row = Row(urn=urn, type=kind, custom=kind == "a:b:C", parent=parent, inputs=more.pop("inputs", {}))
    return Step(op=op, urn=urn, new=row, **more)


def told(events: Events) -> None:
    """Tell of a run of three resources, one of which fails."""
    steps = [step("same", STACK), step("create", GROUP, STACK), step("create", CHILD, GROUP), step("create", DEFAULT)]
    for one in steps:
        events.begin(one)
    events.fail(steps[2])
    events.tell("error", "it broke with hush inside", CHILD)
    for one in (steps[1], steps[0], steps[3]):
        events.count(one)
        events.end(one, one.new)
    events.finish(Summary(dict(events.changes), 1.25, succeeded=False, preview=False))


def masked() -> Mask:
    """Return a mask that knows one secret."""
    mask = Mask()
    mask.learn(Secret({"deep": ["hush", "x"]}))
    return mask


def test_plain_lines_tell_every_beginning_and_end() -> None:
    """Then messages by resource, counts and duration; the engine's own providers are nobody's business."""
    out = io.StringIO()
    told(Events((Plain(out, "dev", Options()),), masked()))
    text = out.getvalue()
    assert text.startswith("Updating (dev):\n +  v:i:Group g creating (0s)\n")
    assert " +  a:b:C child creating failed\n" in text
    assert "  a:b:C (child):\n    error: it broke with [secret] inside\n" in text
    assert text.endswith("Resources:\n    + 1 created\n    1 unchanged\n\nDuration: 1.2s\n")
    assert "providers" not in text
    assert "    pulumi:pulumi:Stack shop-dev unchanged\n" in text


def tree(*steps: Step, options: Options | None = None, show: Show | None = None) -> list[str]:
    """Return the lines of the last picture that a terminal shows of some steps, all of them done."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None, legacy_windows=False)
    live = Live("dev", options or Options(), show, console=console)
    for one in steps:
        live.begin(one)
        live.end(one, one.new)
    live.finish(Summary({}, 1, succeeded=True, preview=False))
    shown = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", out.getvalue()).replace("\r", "\n")
    lines = [line.rstrip() for line in shown.split("Resources:")[0].splitlines()]
    return lines[len(lines) - lines[::-1].index(next(line for line in lines if "Type" in line)) :]


def test_at_a_terminal_children_stand_below_their_parents() -> None:
    """With their branch, their operation and their fate."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None, legacy_windows=False)
    told(Events((Live("dev", Options(), console=console),), masked()))
    shown = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", out.getvalue())
    lines = [line.rstrip() for line in shown.split("Diagnostics:")[0].splitlines() if ":" in line]
    stack, group, child = (next(line for line in lines if name in line) for name in ("shop-dev", "Group", "a:b:C  "))
    assert stack.startswith("   pulumi:pulumi:Stack")
    assert re.match(r"\+  └─ v:i:Group +g +created \(", group)
    assert re.match(r"\+     └─ a:b:C +child +creating failed +1 error", child)
    assert "hush" not in out.getvalue()


def test_guides_go_on_past_what_hangs_below_a_brother() -> None:
    """A line runs down to the next sibling on every level, and no further."""
    other = GROUP.replace("::g", "::h")
    steps = [
        step("create", STACK),
        step("create", GROUP, STACK),
        step("create", CHILD, GROUP),
        step("create", CHILD + "2", GROUP),
        step("create", other, STACK),
        step("create", other.replace("::h", "$a:b:C::last"), other),
    ]
    lines = [line.split("  created")[0].rstrip() for line in tree(*steps) if line]
    assert [re.sub(r" {2,}(?=\S+$)", " ", line) for line in lines] == [
        "+  pulumi:pulumi:Stack shop-dev",
        "+  ├─ v:i:Group g",
        "+  │  ├─ a:b:C child",
        "+  │  └─ a:b:C child2",
        "+  └─ v:i:Group h",
        "+     └─ a:b:C last",
    ]


def test_what_stays_is_not_listed_unless_asked_for_or_above_what_changes() -> None:
    """Nor does a run without a terminal list it; the stack is named always."""
    steps = [
        step("same", STACK),
        step("same", GROUP, STACK),
        step("same", CHILD, GROUP),
        step("same", CHILD + "2", STACK),
    ]
    assert [line.split()[-2:] for line in tree(*steps) if line] == [["shop-dev", "unchanged"]]
    assert len([line for line in tree(*steps, show=Show(sames=True)) if line]) == 4
    steps[2] = step("update", CHILD, GROUP)
    assert [line.split("  updated")[0].split()[-1] for line in tree(*steps) if "update" in line] == ["child"]
    assert len([line for line in tree(*steps) if line]) == 3
    for sames, count in ((False, 1), (True, 2)):
        out = io.StringIO()
        plain = Plain(out, "dev", Options(), Show(sames=sames))
        for one in steps[:2]:
            plain.begin(one)
            plain.end(one, one.new)
        names = {line.split()[1] for line in out.getvalue().splitlines()[1:]}
        assert len(names) == count


def test_a_preview_says_what_would_be_done_beside_its_sign() -> None:
    """And which inputs are why; a replacement's own steps have their own words."""
    difference = Difference(changed=True, replaces=("image",), diffs=("image",))
    old = Row(urn=CHILD, type="a:b:C", custom=True, id="7", inputs={"image": "a"})
    lines = tree(
        step("create", GROUP),
        step("replace", CHILD, GROUP, old=old, inputs={"image": "b"}, difference=difference),
        options=Options(preview=True),
    )
    assert [line.split() for line in lines if line] == [
        ["+", "v:i:Group", "g", "create"],
        ["+-", "└─", "a:b:C", "child", "replace", "[diff:", "~image]"],
    ]


def test_a_replacement_is_one_thing_once_its_steps_are_done() -> None:
    """Whichever goes first; while one is missing, a person sees how far it came."""
    old = Row(urn=CHILD, type="a:b:C", custom=True, id="7")
    steps = [step(op, CHILD, old=old) for op in ("create-replacement", "replace", "delete-replaced")]
    for order in (steps, [steps[2], steps[1], steps[0]]):
        assert [line.split()[:3] for line in tree(*order) if line] == [["+-", "a:b:C", "child"]]
        assert "replaced" in " ".join(tree(*order)).split()
    assert "deleted original" in " ".join(tree(steps[2]))


def test_what_differs_is_found_where_a_plugin_does_not_say() -> None:
    """By comparing inputs; a replacement without any difference names none."""
    old = Row(urn=CHILD, type="a:b:C", custom=True, inputs={"a": 1, "b": Secret("x"), "c": 0})
    one = step("update", CHILD, old=old, inputs={"a": 2, "b": Secret("x"), "d": 0})
    assert changed(one) == "[diff: ~a,-c,+d]"
    assert changed(step("replace", CHILD, old=old, inputs=dict(old.inputs))) == ""


def test_types_are_shortened_where_the_module_repeats_the_name() -> None:
    """And only there."""
    assert short_type("hcloud:index/primaryIp:PrimaryIp") == "hcloud:index:PrimaryIp"
    for kind in ("hcloud:index/other:PrimaryIp", "command:local:Command", "pulumi:providers:hcloud", "a:b/c:"):
        assert short_type(kind) == kind


def test_what_differs_is_named_by_property() -> None:
    """Added, removed and changed ones by their sign; what is inside one counts as a change of it."""
    detailed = {
        "new": PropertyChange("add"),
        "gone": PropertyChange("delete-replace"),
        "deep.key": PropertyChange("add"),
    }
    one = step("update", CHILD, difference=Difference(changed=True, detailed=detailed))
    assert changed(one) == "[diff: ~deep,-gone,+new]"
    assert changed(step("create", CHILD)) == ""


def test_a_difference_shows_old_and_new_and_hides_secrets() -> None:
    """Unknown values are named as such, and so is what forces a replacement."""
    old = Row(urn=CHILD, type="a:b:C", custom=True, id="7", inputs={"same": 1, "a": "was", "s": Secret("hush")})
    new = {"same": 1, "a": UNKNOWN, "s": Secret("other"), "more": True}
    difference = Difference(changed=True, detailed={"a": PropertyChange("update-replace")})
    text = difference_text(step("replace", CHILD, old=old, inputs=new, difference=difference))
    assert text == (
        f"    +-a:b:C: (replace)\n        [id=7]\n        [urn={CHILD}]\n"
        '      ~ a   : "was" => [unknown] # forces replacement\n'
        "      + more: true\n"
        "      ~ s   : [secret] => [secret]\n"
    )
    assert difference_text(step("same", CHILD, old=old)) == ""
    assert '~ s   : "hush" => "other"' in difference_text(step("update", CHILD, old=old, inputs=new), revealed=True)


def test_a_created_resource_is_shown_with_all_its_inputs() -> None:
    """Maps and lists over several lines, texts as blocks."""
    inputs = {"rules": [{"port": "80"}, {}], "text": "one\n\ntwo\n", "none": None, "__defaults": []}
    assert difference_text(step("create", CHILD, inputs=inputs)) == (
        f"    + a:b:C: (create)\n        [urn={CHILD}]\n"
        "        none : <null>\n"
        "        rules: [\n"
        "            [0]: {\n"
        '                port: "80"\n'
        "            }\n"
        "            [1]: {}\n"
        "        ]\n"
        "        text : <<~EOT\n"
        "            one\n\n"
        "            two\n"
        "        EOT\n"
    )


def test_differences_go_down_to_the_element_and_the_line() -> None:
    """What is the same on the way is left out, but for a little around a changed line."""
    lines = [f"line {at}" for at in range(9)]
    old = {"deep": {"list": ["a", "b"], "kept": 1}, "text": "\n".join(lines), "type": [1]}
    new = {
        "deep": {"list": ["a", "c", "d"], "kept": 1},
        "text": "\n".join(lines).replace("4", "four"),
        "type": {"k": 1},
    }
    row = Row(urn=CHILD, type="a:b:C", custom=True, inputs=old)
    text = difference_text(step("update", CHILD, old=row, inputs=new))
    assert text.split("]\n", 1)[1] == (
        "      ~ deep: {\n"
        "          ~ list: [\n"
        '              ~ [1]: "b" => "c"\n'
        '              + [2]: "d"\n'
        "            ]\n"
        "        }\n"
        "      ~ text: \n"
        "            ...\n            line 2\n            line 3\n"
        "          - line 4\n          + line four\n"
        "            line 5\n            line 6\n            ...\n"
        "      - type: [\n          - [0]: 1\n        ]\n"
        "      + type: {\n          + k: 1\n        }\n"
    )


def summary(outputs: Any, before: Any = None, *, preview: bool = False) -> Summary:
    """Return the end of a run with these outputs."""
    return Summary({}, 1, succeeded=True, preview=preview, outputs=outputs, before=before)


def test_outputs_hide_secrets_unless_asked() -> None:
    """Aligned, by name."""
    outputs = {"longer": Secret({"k": 1}), "a": "x"}
    hidden = outputs_text(summary(outputs), revealed=False)
    assert hidden == 'Outputs:\n    a     : "x"\n    longer: [secret]\n\n'
    assert "longer: {\n        k: 1\n    }\n" in outputs_text(summary(outputs), revealed=True)
    assert outputs_text(summary({}), revealed=True) == ""
    assert outputs_text(summary(None), revealed=True) == ""


def test_outputs_are_marked_where_they_differ_from_those_before() -> None:
    """A preview shows these alone, an update the others as well."""
    before, after = {"a": 1, "b": "x", "gone": True}, {"a": 1, "b": "y", "new": []}
    changes = '  ~ b   : "x" => "y"\n  - gone: true\n  + new : []\n'
    assert outputs_text(summary(after, before, preview=True), revealed=False) == f"Outputs:\n{changes}\n"
    assert outputs_text(summary(after, before), revealed=False) == f"Outputs:\n    a   : 1\n{changes}\n"
    assert outputs_text(summary(before, before, preview=True), revealed=False) == ""


def test_a_mask_hides_every_line_of_a_secret_and_no_short_word() -> None:
    """Longest first, so that no part of one secret gives away another."""
    mask = Mask()
    mask.learn(Secret("first line\nsecond"))
    mask.learn([Secret("sec"), Secret("a")])
    assert mask.hide("a second: first line") == "a [secret]: [secret]"


def test_the_event_log_is_one_object_a_line_without_secrets(tmp_path: Path) -> None:
    """In sequence, the engine's own providers left out."""
    file = tmp_path / "events.json"
    log = EventLog(file, {"shop:token": Entry("hush", secret=True), "shop:open": Entry("x")})
    told(Events((log,), masked()))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["sequence"] for line in lines] == list(range(len(lines)))
    assert [next(key for key in line if key.endswith("Event")) for line in lines] == [
        "preludeEvent",
        "resourcePreEvent",
        "resourcePreEvent",
        "resourcePreEvent",
        "resOpFailedEvent",
        "diagnosticEvent",
        "resOutputsEvent",
        "resOutputsEvent",
        "summaryEvent",
        "cancelEvent",
    ]
    assert lines[0]["preludeEvent"]["config"] == {"shop:open": "x", "shop:token": "[secret]"}
    assert "hush" not in file.read_text()
    assert lines[-2]["summaryEvent"]["resourceChanges"] == {"create": 1, "same": 1}

"""A person sees what is done to which resource, below its parent, and no secret."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lab.engine.config import Entry
from lab.engine.display import Plain, changed, difference_text, outputs_text
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


def test_at_a_terminal_children_stand_below_their_parents() -> None:
    """With their branch, their operation and their fate."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, color_system=None, legacy_windows=False)
    told(Events((Live("dev", Options(), console=console),), masked()))
    shown = re.sub(r"\x1b\[[0-9?;]*[A-Za-z]", "", out.getvalue())
    tree = [line.rstrip() for line in shown.split("Resources:")[0].splitlines() if ":" in line]
    stack, group, child = (next(line for line in tree if name in line) for name in ("shop-dev", "Group", "a:b:C  "))
    assert stack.startswith("   pulumi:pulumi:Stack")
    assert re.match(r"\+  └─ v:i:Group +g +created \(", group)
    assert re.match(r"\+     └─ a:b:C +child +creating failed", child)
    assert "hush" not in out.getvalue()


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
    """Unknown values are named as such."""
    old = Row(urn=CHILD, type="a:b:C", custom=True, inputs={"same": 1, "a": "was", "s": Secret("hush")})
    new = {"same": 1, "a": UNKNOWN, "s": Secret("other")}
    text = difference_text(step("update", CHILD, old=old, inputs=new))
    assert text == ('      - a: "was"\n      + a: "[unknown]"\n      - s: "[secret]"\n      + s: "[secret]"\n')


def test_outputs_hide_secrets_unless_asked() -> None:
    """Aligned, by name."""
    outputs = {"longer": Secret({"k": 1}), "a": "x"}
    assert outputs_text(outputs, revealed=False) == '\nOutputs:\n    a      : "x"\n    longer : "[secret]"\n'
    assert '{"k": 1}' in outputs_text(outputs, revealed=True)
    assert outputs_text({}, revealed=True) == ""


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

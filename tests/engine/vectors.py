"""The recorded scenarios of the real engine, and the programs that record and compare.

Scenarios lie in `tests/vectors/engine`; `record.py` and `compare.py` there are used as they are. A scenario can be
told in other words, every resource renamed, so that nothing in an engine can know it by heart.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VECTORS = ROOT / "tests" / "vectors" / "engine"
SCENARIOS = sorted(path.parent.name for path in VECTORS.glob("*/expected.json"))
NAMED = ("command:local:Command", "vector:index:Group", "pulumi:index:Stash")
ENGINE = [sys.executable, "-P", "-m", "lab.engine"]


def load(name: str) -> Any:
    """Return `record.py` or `compare.py` as a module."""
    spec = importlib.util.spec_from_file_location(f"engine_vectors_{name}", VECTORS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recorder() -> Any:
    """Return the recorder, driving this engine."""
    module = load("record")
    module.PULUMI = ENGINE
    return module


def expected(scenario: Path) -> list[dict[str, Any]]:
    """Return what the real engine did."""
    steps: list[dict[str, Any]] = json.loads((scenario / "expected.json").read_text())
    return steps


def renamed(scenario: Path, target: Path) -> Path:
    """Write the scenario with other resource names into `target`, and return its folder.

    New names sort the other way round, so nothing can hang on the order of names. A name that is also the name of
    an operation stays.
    """
    text = (scenario / "expected.json").read_text()
    steps = json.loads(text)
    seen = {op.rsplit(" ", 1)[1] for step in steps for op in step["ops"]}
    verbs = {op.split(" ", 1)[0] for step in steps for op in step["ops"]} | {"failed"}
    words = {
        word
        for name in seen
        if name.rsplit("::", 1)[0].rsplit("$", 1)[-1] in NAMED
        for word in re.findall(r"\w+", name.rsplit("::", 1)[1])
    } - verbs
    words -= {"first", "second"}  # Group gives these to its children
    others = dict(zip(sorted(words), [f"n{9 - at}{'x' * at}" for at in range(len(words))], strict=True))

    def change(old: str) -> str:
        return re.sub(r"\b\w+\b", lambda found: others.get(found[0], found[0]), old)

    folder = target / scenario.name
    folder.mkdir(parents=True)
    for file in scenario.iterdir():
        if file.suffix in (".py", ".json"):
            (folder / file.name).write_text(change(file.read_text()))
    changed = json.loads((folder / "expected.json").read_text())
    for step in changed:
        sort_lists(step)
    (folder / "expected.json").write_text(json.dumps(changed))
    (target / "vector.py").write_text((VECTORS / "vector.py").read_text())
    return folder


def sort_lists(step: dict[str, Any]) -> None:
    """Sort the lists that a recording has sorted, as they must be again under other names."""
    if "secretOutputs" in step:
        step["secretOutputs"].sort()
    for row in step.get("state") or ():
        for key in ("dependencies", "additionalSecretOutputs"):
            if key in row:
                row[key].sort()
        for urns in (row.get("propertyDependencies") or {}).values():
            urns.sort()

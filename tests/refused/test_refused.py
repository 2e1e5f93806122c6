"""Every bad stack file is refused with exactly the message that a person has read and approved.

A new rule, validator or key without a case fails here.
"""

from __future__ import annotations

import ast
import re
import sys
from inspect import get_annotations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import BaseModel

import plan
from plan.sections import SECTIONS, VALUES
from plan.spoken import SPOKEN, _alternatives, _below, _is_model, fields_of
from plan.stack import Secrets
from plan.values import Within
from tests.refused.reading import CASES, HERE, message_of, refusal, values_of
from tools.reference import models

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

PLAN: Final = Path(plan.__file__).parent
ENOUGH: Final = 150
FAULT: Final = re.compile(r"^  (?:(Pulumi\.dev\.yaml):(\d+): )?(farshore:.+?): (.+), allowed: (.+?); (.+)$")
# What tells of a fault, and where such calls stand.
TELLING: Final = {"Fault", "_fault", "unknown_name", "ValueError"}
MODULES: Final = (
    "networks.py",
    "values.py",
    "load.py",
    "spoken.py",
    "jurisdiction.py",
    *(f"rules/{p.name}" for p in (PLAN / "rules").glob("*.py")),
)
PYDANTIC: Final = re.compile(
    r"[Ii]nput|valid (string|integer|list|dict|tuple|boolean)|pydantic|Extra|field required", re.IGNORECASE
)


def messages() -> dict[str, str]:
    """Return the approved messages."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.txt"))}


@pytest.mark.parametrize("case", CASES)
def test_the_message_is_the_approved_one(case: str) -> None:
    """All faults of a file together, each with its line; `make golden` writes messages anew, a human reads the diff."""
    assert message_of(case) == messages()[case]


def test_there_is_a_file_for_each_message_and_a_message_for_each_file() -> None:
    """None is left over, and there are enough of them."""
    assert sorted(messages()) == list(CASES)
    assert len({one.partition("\n")[2] for one in messages().values()}) >= ENOUGH


@pytest.mark.parametrize("case", CASES)
def test_a_message_reads_as_ours(case: str) -> None:
    """Where, found, allowed and remedy; one line each, none of a library's phrases, and a line that is there."""
    head, *faults = messages()[case].splitlines()
    if not faults:
        assert re.fullmatch(r"farshore:\S+: .+, allowed: .+; .+", head)
        return
    assert head == f"the stack file has {len(faults)} fault{'s' if len(faults) > 1 else ''}"
    assert len(set(faults)) == len(faults)
    rows = (HERE / f"{case}.yaml").read_text(encoding="utf-8").splitlines()
    for fault in faults:
        if case.startswith("yaml-"):
            assert re.fullmatch(r"  (line \d+|the file): .+, allowed: .+; .+", fault)
            continue
        parts = FAULT.match(fault)
        assert parts, fault
        assert all(part.strip() == part for part in parts.groups()[2:]), fault
        assert not PYDANTIC.search(fault), fault
        assert not fault.endswith("."), fault
        top = parts[3].removeprefix("farshore:").partition(".")[0]
        if parts[2]:
            assert 1 <= int(parts[2]) <= len(rows), fault
        else:
            assert f"  farshore:{top}:" not in rows, fault


def test_no_message_shows_what_may_be_a_key() -> None:
    """Keys and tokens stand in the files, also where they do not belong; no message has one."""
    for case, said in messages().items():
        text = (HERE / f"{case}.yaml").read_text(encoding="utf-8")
        for secret in re.findall(r"hunter2|s3cret\w*|e{64}|v{64}|b3Blbn\w+|[A-Za-z0-9+/]{43}=", text):
            assert secret not in said, case


def sites() -> Iterator[tuple[Path, ast.Call]]:
    """Yield every call that tells of a fault."""
    for module in MODULES:
        path = PLAN / module
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                if name in TELLING:
                    yield path, node


def test_every_place_that_tells_of_a_fault_has_a_case() -> None:
    """Reading all cases passes each `Fault(…)` and each `raise ValueError(…)`; one that is not reached is listed."""
    assert unreached(CASES) == []


def test_a_place_without_a_case_is_listed() -> None:
    """The twin: with one case alone, the rest is named with its file and line."""
    missing = unreached(["norway"])
    assert len(missing) > 50
    assert all(re.match(r"plan/[\w/]+\.py:\d+: ", one) for one in missing)


def unreached(cases: Sequence[str]) -> list[str]:
    """Return the places that tell of a fault and that no case reaches."""
    sound = [case for case in cases if not case.startswith("yaml-")]
    configs = [values_of((HERE / f"{case}.yaml").read_text(encoding="utf-8")) for case in sound]
    watched = {str(PLAN / module) for module in MODULES}
    seen: set[tuple[str, int]] = set()

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call" and frame.f_code.co_filename not in watched:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        for config in configs:
            refusal(config, None)
    finally:
        sys.settrace(before)
    return [
        f"{path.relative_to(PLAN.parent)}:{node.lineno}: {ast.unparse(node)}"
        for path, node in sites()
        if not any((str(path), line) in seen for line in range(node.lineno, (node.end_lineno or node.lineno) + 1))
    ]


def test_every_bound_has_a_case() -> None:
    """Each number that has two bounds is out of them in some file, with the remedy that belongs to it."""
    said = "\n".join(messages().values())
    bounds = {one for model in models() for field in model.model_fields.values() for one in within(field)}
    assert len(bounds) > 5
    missing = [str(one) for one in bounds if f"allowed: {one.first} to {one.last}; {one.remedy}" not in said]
    assert missing == []


def within(field: Any) -> Iterator[Within]:
    """Yield the bounds in an annotation."""
    for part in (*getattr(field, "metadata", ()), *getattr(field, "__metadata__", ())):
        if isinstance(part, Within):
            yield part
    below = [getattr(field, "annotation", None), getattr(field, "__origin__", None), *getattr(field, "__args__", ())]
    for part in below:
        if part is not None and part is not field and not (isinstance(part, type) and issubclass(part, BaseModel)):
            yield from within(part)


@pytest.mark.parametrize("kind", SPOKEN)
def test_every_wrong_type_has_a_case(kind: str) -> None:
    """Each of pydantic's errors that we have words for occurs in some file."""
    allowed, _ = SPOKEN[kind]
    assert any(f"allowed: {allowed}" in said for said in messages().values())


def test_every_key_has_a_case() -> None:
    """Each key of each model is the place of some fault; one that never is, is listed."""
    covered = {found for said in messages().values() for line in said.splitlines() for found in keys_told(line)}
    wanted = {declared(model, key) for model in models() for key in fields_of(model) if model is not Secrets}
    assert len(wanted) > 40
    assert sorted(wanted - covered) == []


def declared(model: type[BaseModel], key: str) -> tuple[str, str]:
    """Return the model that declares a key which another may have of it, and the key."""
    name = next(name for name, field in model.model_fields.items() if key in {name, field.alias})
    return next(one.__name__ for one in model.__mro__ if name in get_annotations(one)), key


def keys_told(line: str) -> Iterator[tuple[str, str]]:
    """Yield the model and the key that a fault is about."""
    parts = FAULT.match(line)
    if parts is None:
        return
    top, *path = parts[3].removeprefix("farshore:").split(".")
    if top == "domains" and len(path) > 1:
        path = [".".join(path[:-1]), path[-1]]
    kinds = [*_alternatives(SECTIONS[top][0] if top in SECTIONS else VALUES.get(top))]
    for part in path[1:] if top in SECTIONS else path:
        yield from (declared(kind, part) for kind in kinds if _is_model(kind) and part in fields_of(kind))
        kinds = [below for kind in kinds for below in _below(kind, part)]

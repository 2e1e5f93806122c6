"""Bad stack files and what is said of each: `<case>.yaml`, as a person would write it, and `<case>.txt`.

What stands after `secure:` is what Pulumi hands over once it is decrypted. `python -m tests.refused.reading` writes the
messages anew; a human reads the diff.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Final

from cloud_init import draft_user_data
from plan import StackError, load, located, make_plan
from tools.plan import read_config

HERE: Final = Path(__file__).parent
DAY: Final = date(2026, 11, 21)
CASES: Final = tuple(sorted(path.stem for path in HERE.glob("*.yaml")))


def message_of(case: str) -> str:
    """Return what is said of a case; empty where it is taken."""
    text = (HERE / f"{case}.yaml").read_text(encoding="utf-8")
    try:
        return refusal(values_of(text), text)
    except StackError as error:  # it is no YAML
        return f"{error}\n"


def values_of(text: str) -> dict[str, Any]:
    """Return the values of a stack file, as Pulumi hands them over."""
    return {key: opened(value) for key, value in read_config(text).items()}


def refusal(config: dict[str, Any], text: str | None) -> str:
    """Return what is said of a stack file; its lines are known where its text is."""
    files = {path.name: path.read_text(encoding="utf-8") for path in (HERE / "files").iterdir()}
    try:
        stack, _ = load(config, project="farshore", stack="dev", day=DAY, files=files, text=text)
        draft_user_data(make_plan(stack).hosts)
    except StackError as error:
        return f"{located(error, text, config, project='farshore', stack='dev')}\n"
    return ""


def opened(value: Any) -> Any:
    """Return a value with its secrets decrypted."""
    if isinstance(value, dict):
        return value["secure"] if value.keys() == {"secure"} else {key: opened(one) for key, one in value.items()}
    return [opened(one) for one in value] if isinstance(value, list) else value


def write() -> None:
    """Write all messages anew, and remove those of cases that are gone."""
    for path in HERE.glob("*.txt"):
        path.unlink()
    for case in CASES:
        (HERE / f"{case}.txt").write_text(message_of(case), encoding="utf-8")


if __name__ == "__main__":
    write()

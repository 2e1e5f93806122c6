"""The way in: what Pulumi knows of the stack file, read once and handed to `plan` as plain values."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from plan import StackError, load, located
from plan.standing import read_standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from plan import Secrets, Stack
    from plan.standing import Standing


LOOKS: Final = 10
LOOKS_APART_S: Final = 0.2


def read_stack() -> tuple[Stack, Secrets]:
    """Return the stack file of this run.

    Every key of the project's namespace is read, so that one which nobody knows is refused. The secrets arrive in
    clear and leave as `SecretStr`; nothing else keeps them.

    Raises:
        StackError: With every fault of the file.
    """
    config = _config()
    return load(
        config,
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        day=datetime.now(UTC).date(),
        files=named_files(config, Path.cwd()),
        text=_stack_file(),
    )


def find_standing() -> Standing:
    """Return what the last run of this stack left in its outputs; nothing where there was none.

    The engine is asked for its own stack's outputs, as a `StackReference` would, but nothing is added to the state.
    """
    organization, stack = pulumi.get_organization(), pulumi.get_stack()
    # A backend without organizations calls all of them so, and may know stacks by their bare names alone.
    name = stack if organization == "organization" else f"{organization}/{pulumi.get_project()}/{stack}"
    return read_standing(_outputs(name).get("standing"))


def _outputs(name: str) -> dict[str, Any]:
    """Return a stack's outputs.

    The engine writes its checkpoint meanwhile. Pulumi's backend of files keeps a description beside each file, which is
    empty for a moment while it is written: who reads it then is told `failed to load checkpoint: EOF` (seen with
    3.272). The next look finds it whole.
    """
    for left in reversed(range(LOOKS)):
        try:
            answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": name}).value or {}
        except Exception as error:  # the SDK raises nothing more special
            if not left or "failed to load checkpoint" not in str(error):
                raise
            time.sleep(LOOKS_APART_S)
        else:
            return dict(answer.get("outputs", {}))
    raise AssertionError("the last look returns or raises")


@contextmanager
def refusing() -> Iterator[None]:
    """Turn what is wrong with the stack file into Pulumi's clean error, without a traceback."""
    try:
        yield
    except StackError as error:
        told = located(error, _stack_file(), _config(), project=pulumi.get_project(), stack=pulumi.get_stack())
        raise pulumi.RunError(str(told)) from error


def _config() -> dict[str, Any]:
    """Return the values of the project's own namespace, without it."""
    prefix = f"{pulumi.get_project()}:"
    said = {**get_config_env(), **CONFIG.get()}
    return {key.removeprefix(prefix): _value(text) for key, text in said.items() if key.startswith(prefix)}


def _stack_file() -> str | None:
    return _text(Path.cwd(), f"Pulumi.{pulumi.get_stack()}.yaml")


def _value(text: Any) -> Any:
    """Return a value as the stack file has it: Pulumi hands mappings and lists over as JSON, the rest as text."""
    try:
        return json.loads(text) if str(text)[:1] in {"{", "["} else text
    except ValueError:
        return text


def named_files(config: Mapping[str, Any], folder: Path) -> dict[str, str | None]:
    """Return the texts of the files that origins name as their `setup`, None for one that can't be read.

    Args:
        config: Values of the project's own namespace.
        folder: The project's; what lies outside is not read.
    """
    origins = config.get("origins")
    entries = origins.values() if isinstance(origins, dict) else ()
    names = {str(entry["setup"]) for entry in entries if isinstance(entry, dict) and entry.get("setup") is not None}
    return {name: _text(folder, name) for name in names}


def _text(folder: Path, name: str) -> str | None:
    """Return a file's text, None unless it lies in the project's folder and can be read."""
    try:
        path = (folder / name).resolve(strict=True)
        return path.read_text(encoding="utf-8") if path.is_relative_to(folder.resolve()) else None
    except (OSError, UnicodeDecodeError, ValueError):
        return None

"""Edit a stack file as a person would: comments and order stay, and nothing is written that the program refuses."""

from __future__ import annotations

import os
import tempfile
from io import StringIO
from typing import TYPE_CHECKING, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from tools.plan import PROJECT, read_config, read_plan
from tools.workspace import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from plan import Plan

WIDTH: Final = 120


class EditError(Exception):
    """A stack file can't be edited; the text says why."""


def read_stack_file(path: Path) -> str:
    """Return a stack file's text.

    Raises:
        EditError: It can't be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EditError(f"{path}: {error.__class__.__name__}, allowed: a stack file; name another") from error


def edit(path: Path, *, stack: str, change: Callable[[CommentedMap], None]) -> Plan:
    """Change a stack file's `config` in place, at once and only if the result is sound; return its plan.

    Args:
        path: The stack file.
        stack: Pulumi's stack name.
        change: Changes the mapping that it is given.

    Raises:
        EditError: The file can't be read or written, or is no stack file.
        StackError: The result has faults; the file is as it was.
    """
    before = read_stack_file(path)
    yaml = _yaml()
    try:
        whole: Any = yaml.load(before)
    except YAMLError as error:
        raise EditError(f"{path}: no YAML, allowed: a stack file; mend it") from error
    if not isinstance(whole, CommentedMap) or not isinstance(whole.get("config"), CommentedMap):
        raise EditError(f"{path}: no config, allowed: a stack file; name another")
    change(whole["config"])
    written = StringIO()
    yaml.dump(whole, written)
    after = written.getvalue()
    plan = read_plan(read_config(after), after, stack=stack, folder=ROOT)
    replace_file(path, after)
    return plan


def section(config: CommentedMap, key: str) -> CommentedMap:
    """Return a section of the project's namespace, made empty where there is none."""
    name = f"{PROJECT}:{key}"
    if not isinstance(config.get(name), CommentedMap):
        config[name] = CommentedMap()
    found: CommentedMap = config[name]
    return found


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    return yaml


def replace_file(path: Path, text: str) -> None:
    """Replace a file at once, with the mode that it has."""
    mode = path.stat().st_mode & 0o777
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, mode)  # noqa: PTH101 - a name of tempfile's
        os.replace(name, path)  # noqa: PTH105 - the same
    except BaseException:
        os.unlink(name)  # noqa: PTH108 - the same
        raise

"""A Pulumi project: `Pulumi.yaml`, and a stack's `Pulumi.<stack>.yaml`.

Reads and writes those files. What their values mean to a program is `lab.engine.config`.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from lab.engine.backend import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOL_TAG: Final = "tag:yaml.org,2002:bool"


class ProjectError(Exception):
    """A project file that is missing or can't be understood."""


@dataclass(frozen=True)
class Project:
    """What `Pulumi.yaml` says.

    Args:
        file: The file itself; its folder is the program's working folder.
        name: The project's name.
        main: Folder of the program, relative to the file, or "".
        virtualenv: The program's virtual environment, or None for the engine's own interpreter.
        config: Declared configuration, as written.
    """

    file: Path
    name: str
    main: str = ""
    virtualenv: Path | None = None
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder that the program runs in."""
        return (self.file.parent / self.main).resolve() if self.main else self.file.parent

    @property
    def python(self) -> Path:
        """The interpreter that runs the program."""
        if self.virtualenv is None:
            return Path(sys.executable)
        return self.virtualenv / "bin" / "python"


def find_project(start: Path) -> Project:
    """Return the project of a folder or of the nearest one above it.

    Raises:
        ProjectError: There is none, or its runtime is not Python.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        for name in ("Pulumi.yaml", "Pulumi.yml"):
            if (folder / name).is_file():
                return load_project(folder / name)
    raise ProjectError(
        f"no Pulumi.yaml project file found (searching upwards from {start}); change to a project's folder"
    )


def load_project(file: Path) -> Project:
    """Return what a project file says.

    Raises:
        ProjectError: It can't be understood.
    """
    text = load_yaml(file)
    name = text.get("name")
    if not isinstance(name, str) or not name:
        raise ProjectError(f"{file}: name missing, allowed: the project's name")
    runtime = text.get("runtime")
    kind = runtime.get("name") if isinstance(runtime, dict) else runtime
    if kind != "python":
        raise ProjectError(f"{file}: runtime {kind!r}, allowed: python; use Pulumi itself for others")
    options = (runtime.get("options") or {}) if isinstance(runtime, dict) else {}
    wanted = options.get("virtualenv")
    virtualenv = None
    if wanted:
        virtualenv = Path(os.path.normpath(file.parent / Path(wanted).expanduser()))
        if not (virtualenv / "bin" / "python").exists():
            raise ProjectError(f"{file}: virtualenv {wanted!r} has no bin/python; run the project's setup")
    return Project(file, name, text.get("main") or "", virtualenv, text.get("config") or {})


def stack_file(project: Project, stack: str, given: str | None = None) -> Path:
    """Return the configuration file of a stack: the one given, else the one beside the project file."""
    if given:
        return Path(given).resolve()
    return project.file.with_name(f"Pulumi.{stack}{project.file.suffix}")


def load_yaml(file: Path) -> dict[str, Any]:
    """Return a YAML file's map, empty if there is no file.

    Raises:
        ProjectError: It can't be parsed, or is no map.
    """
    try:
        loaded = yaml.load(file.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        return {}
    except yaml.YAMLError as fault:
        raise ProjectError(f"{file}: {fault}") from fault
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ProjectError(f"{file}: a {type(loaded).__name__}, allowed: a map")
    return loaded


def save_yaml(file: Path, content: dict[str, Any]) -> None:
    """Write a YAML file, keys in the order they have; comments of the file that it replaces stay, as with Pulumi."""
    writer = YAML()
    writer.preserve_quotes = True
    writer.width = 10_000
    kept = writer.load(file.read_text(encoding="utf-8")) if file.exists() else None
    if not isinstance(kept, CommentedMap):
        kept = CommentedMap()
    _follow(kept, content)
    text = StringIO()
    writer.dump(kept, text)
    write_private(file, text.getvalue())


def _follow(kept: CommentedMap, content: Mapping[str, Any]) -> None:
    """Make a map say what another says, leaving what is the same as it was written."""
    for key in [key for key in kept if key not in content]:
        del kept[key]
    for key, value in content.items():
        before = kept.get(key)
        if isinstance(before, CommentedMap) and isinstance(value, dict):
            _follow(before, value)
        elif key not in kept or before != value:
            kept[key] = value


class Loader(yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader):  # type: ignore[misc] # chosen at run time
    """YAML as Pulumi reads it: version 1.2's booleans, so `yes` and `on` stay text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOL_TAG]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(BOOL_TAG, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))

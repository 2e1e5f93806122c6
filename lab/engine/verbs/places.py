"""Which stack a command means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.engine.backend import Backend, selected_stack
from lab.engine.cli import NO_STACK, CommandError
from lab.engine.place import Place
from lab.engine.project import find_project, stack_file

if TYPE_CHECKING:
    import argparse

    from lab.engine.project import Project


def short_name(name: str) -> str:
    """Return a stack's own name, given with or without organization and project."""
    return name.rsplit("/", 1)[-1]


def place_of(asked: argparse.Namespace, project: Project | None = None) -> Place:
    """Return the stack that a command means: the one named, else the selected one.

    Raises:
        CommandError: None is named or selected.
    """
    project = project or find_project(Path.cwd())
    name = asked.stack or selected_stack(project.file, project.name)
    if not name:
        raise CommandError(
            "no stack selected; please use `pulumi stack select` or `pulumi stack init` to choose one", NO_STACK
        )
    name = short_name(name)
    return Place(Backend.of_environment(), project, name, stack_file(project, name, asked.config_file))

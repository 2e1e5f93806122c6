"""A Pulumi program as a child process of the engine."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.engine.backend import ORGANIZATION
from lab.engine.children import start_child
from lab.engine.plugin import outer_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.children import Child
    from lab.engine.config import Entry
    from lab.engine.project import Project

LAUNCHER: Final = Path(__file__).resolve().parent / "launcher.py"


@dataclass(frozen=True)
class Launch:
    """What a program is told once it runs."""

    address: str
    project: Project
    stack: str
    parallel: int
    preview: bool
    config: Mapping[str, Entry]

    def text(self) -> str:
        """Return the settings as the launcher reads them."""
        settings = {
            "monitor": self.address,
            "engine": self.address,
            "project": self.project.name,
            "stack": self.stack,
            "organization": ORGANIZATION,
            "root": str(self.project.file.parent),
            "parallel": self.parallel,
            "preview": self.preview,
            "config": {key: entry.text for key, entry in self.config.items()},
            "secrets": sorted(key for key, entry in self.config.items() if entry.secret),
        }
        return json.dumps(settings) + "\n"


async def start_program(project: Project) -> Child:
    """Start the interpreter of a project's program; it loads the SDK, and waits to be told its settings."""
    environment = outer_environment()
    if project.virtualenv is not None:
        environment["VIRTUAL_ENV"] = str(project.virtualenv)
        environment["PATH"] = f"{project.virtualenv / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    return await start_child(
        (str(project.python), "-u", "-P", str(LAUNCHER), str(project.folder)),
        name="program",
        folder=project.folder,
        environment=environment,
        feed=True,
    )

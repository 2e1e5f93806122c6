"""The switch: files by rename, then what runs, in the order of its steps. The same way forth and back."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from cloud_init.host.commands import Command, Deadline, Said, run
from cloud_init.host.durable import make_folder, place_file, remove_file, sync_folder
from cloud_init.host.live import setting_path
from cloud_init.host.places import KEY_FOLDER, WIREGUARD

if TYPE_CHECKING:
    from cloud_init.host.document import Told
    from cloud_init.host.steps import Steps

_LINE_OF_ERROR = re.compile(r":(\d+):")


def write_files(steps: Steps, told: Told) -> None:
    """Put the files in their places; each is the old one or the new one at any moment, and never half of it."""
    for path in steps.writes:
        mode, content = told.files[path]
        folder = os.path.dirname(path)
        make_folder(folder, 0o700 if f"{folder}/" in {KEY_FOLDER, WIREGUARD} else 0o755)
        place_file(path, content, mode)
    for folder in {os.path.dirname(path) for path in steps.writes}:
        sync_folder(folder)


def remove_files(steps: Steps) -> None:
    """Take away what nothing needs any more."""
    for path in steps.removes:
        remove_file(path)


def set_kernel(settings: tuple[tuple[str, str], ...]) -> list[str]:
    """Set the kernel's settings, and return what it refused."""
    faults = []
    for name, value in settings:
        try:
            with open(setting_path(name), "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            faults.append(f"kernel setting {name}: {error.strerror}")
    return faults


def run_commands(commands: tuple[Command, ...], deadline: Deadline, *, go_on: bool) -> list[str]:
    """Run commands in their order, and return what failed.

    Args:
        commands: In their order.
        deadline: For all.
        go_on: After one that failed: on the way back as much as can be is done.
    """
    faults = []
    for command in commands:
        said = run(command, deadline)
        if said.code != 0:
            faults.append(_failure(command, said))
            if not go_on:
                break
    return faults


def _failure(command: Command, said: Said) -> str:
    """Return what failed; a program that was given a secret may have quoted it, and is not."""
    words = said.err.strip().split("\n")[0][:200]
    if command.given and said.code > 0:
        line = _LINE_OF_ERROR.search(said.err)
        words = f"refused line {line[1]} of its input" if line else "refused its input"
    return f"{command.why}: {command.words[0]}: {words or f'exit code {said.code}'}"

"""Save a whole deployment of the lab in a folder, and stand it up again in seconds, under any name.

    lab/      as `lab.snapshot` says: cloud, machines as they run, tokens
    pulumi/   state, configuration and passphrase

It holds every secret of the deployment: it is its owner's alone, as the lab's own folder is.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from lab.client import Lab, LabError

if TYPE_CHECKING:
    from pathlib import Path

    from tools.workspace import Workspace

_LAB = "lab"
_PULUMI = "pulumi"


def save_deployment(lab: Lab, work: Workspace, target: Path) -> None:
    """Save a lab with its deployment in a new folder; the lab goes on.

    Raises:
        LabError: The folder is there already, or the lab can't be saved; nothing is left of the attempt.
    """
    if target.exists():
        raise LabError(f"snapshot {target}: exists, allowed: a new folder; name another")
    making = target.with_name(f".{target.name}.new")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700, parents=True)
    try:
        lab.save(making / _LAB)
        shutil.copytree(work.folder, making / _PULUMI, symlinks=True)
        making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def check_source(source: Path) -> None:
    """Refuse a folder that is no snapshot.

    Raises:
        LabError: It has not what one has.
    """
    if not (source / _PULUMI).is_dir() or not (source / _LAB).is_dir():
        raise LabError(f"snapshot {source}: not found, allowed: one that `farshore lab snapshot` has made; name it")


def restore_deployment(name: str, folder: Path, source: Path, *, port: int = 0) -> Lab:
    """Stand a saved deployment up in a folder of its own, and return its lab.

    Args:
        name: Of the new lab.
        folder: Of the new lab; it is not there yet.
        source: The snapshot.
        port: Of the API; 0 for any.

    Raises:
        LabError: There is no such snapshot, or its lab can't be stood up.
    """
    check_source(source)
    folder.mkdir(mode=0o700, parents=True)
    shutil.copytree(source / _PULUMI, folder / _PULUMI, symlinks=True)
    return Lab.start(name, folder, snapshot=source / _LAB, port=port)

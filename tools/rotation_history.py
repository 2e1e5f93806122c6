"""Where copies of former states lie, in which replaced keys are still to be found, encrypted."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tools.plan import PROJECT
from tools.repair_stack import bare
from tools.workspace import EngineError

if TYPE_CHECKING:
    from tools.workspace import Workspace


@dataclass(frozen=True)
class Copies:
    """Copies of former states.

    Args:
        where: For people.
        files: As far as they are files of this machine.
        purge: The command that removes them; empty where there is none.
    """

    where: str
    files: tuple[Path, ...]
    purge: str


def find_copies(work: Workspace) -> Copies:
    """Return the copies of a stack's former states; the present one is not among them."""
    url = backend_of(work)
    if not url.startswith("file://"):
        return Copies(f"the history that {url or 'the backend'} keeps; see docs/rotation.md", (), "")
    root = Path(url.removeprefix("file://").replace("~", str(Path.home()), 1)).absolute() / ".pulumi"
    project, stack = PROJECT, bare(work.stack)
    places = [root / kind / project / stack for kind in ("history", "backups")]
    states = root / "stacks" / project
    files = [path for place in places if place.is_dir() for path in sorted(place.iterdir())]
    files += sorted(states.glob(f"{stack}.json*.bak"))
    named = " ".join(shlex.quote(str(place)) for place in (*places, states / f"{stack}.json.bak"))
    return Copies(str(root) if files else "", tuple(files), f"rm -rf -- {named}" if files else "")


def backend_of(work: Workspace) -> str:
    """Return the address of the backend that the engine uses; empty where it does not say."""
    told = work.environment.get("PULUMI_BACKEND_URL", "")
    if told:
        return told
    try:
        said = json.loads(work.run(["whoami", "--json"]))
    except (EngineError, ValueError):
        return ""
    return str(said.get("url", "")) if isinstance(said, dict) else ""

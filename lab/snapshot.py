"""A whole lab in a folder: its cloud, the memory and disks of its machines, its tokens. Stood up again, all goes on.

    snapshot.json   the cloud, the papers, the published names; of each server what it is made with, and its flows
    <server id>/    disk, and memory if the machine was on

It holds tokens and keys: folder and files are their owner's alone. All machines are saved at one moment, or WireGuard
would refuse the older of two clocks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

from lab.cloud.control import guarded_route
from lab.machines.driver import MachineError
from lab.registry import RefusalError
from lab.world import write_private

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.routing import Route

    from lab.cloud.cloud import Cloud
    from lab.world import World

_FORMAT: Final = 1
_PAPERS: Final = ("tokens", "control_token")


class SnapshotError(Exception):
    """The lab can't be saved now; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A saved lab.

    Args:
        folder: Where it lies; nothing in it ever changes.
        content: Of its `snapshot.json`.
    """

    folder: Path
    content: dict[str, Any]

    @property
    def papers(self) -> dict[str, Any]:
        """What clients of the lab knew that must not change."""
        return dict(self.content["papers"])

    @property
    def image(self) -> Any:
        """Variant of the image that its machines boot from."""
        return self.content["image"]

    async def stand_up(self, world: World, cloud: Cloud) -> None:
        """Fill a cloud and a world, both empty, with what was saved."""
        cloud.load(self.content["cloud"])
        world.publish(str(self.content["names"]))
        await world.load(self.folder, self.content["servers"], cloud.wishes())


def read_snapshot(folder: Path) -> Snapshot:
    """Return the snapshot in a folder.

    Raises:
        RefusalError: There is none that can be read.
    """
    try:
        content = json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
        if content["format"] == _FORMAT:
            return Snapshot(folder=folder, content=content)
        found = f"format {content['format']!r}"
    except (OSError, ValueError, KeyError, TypeError):
        found = "none that can be read"
    raise RefusalError(f"snapshot {folder}: {found}, allowed: one of format {_FORMAT}; make it anew")


async def take_snapshot(folder: Path, world: World, cloud: Cloud, *, image: str, papers: dict[str, Any]) -> None:
    """Save a running lab, which goes on.

    Args:
        folder: Of the snapshot: empty, and its owner's alone.
        world: Of the lab.
        cloud: Of the lab.
        image: Variant of the image that its machines boot from.
        papers: Of the lab.

    Raises:
        SnapshotError: It can't be saved now.
    """
    try:
        async with world.still():
            content = {
                "format": _FORMAT,
                "image": image,
                "papers": {key: papers[key] for key in _PAPERS},
                "names": world.names,
                "cloud": cloud.dump(),
                "servers": await world.save(folder),
            }
            write_private(folder / "snapshot.json", json.dumps(content))
    except (MachineError, RuntimeError, OSError) as error:
        raise SnapshotError(str(error)) from error


def snapshot_routes(save: Callable[[Path], Awaitable[None]], token: str) -> list[Route]:
    """Return the lab's own door to a snapshot: `POST /lab/snapshot` with the folder to save it in.

    Args:
        save: Saves the lab.
        token: What opens the door.
    """

    async def answer(request: Request) -> Response:
        try:
            await save(Path(str((await request.json())["folder"])))
        except SnapshotError as error:
            return JSONResponse({"error": str(error)}, status_code=409)
        return JSONResponse({})

    return [guarded_route("/lab/snapshot", "POST", answer, token)]

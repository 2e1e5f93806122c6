"""What the world says of disks: that a volume is where it was asked to be, that an image is made.

Pure. Only actions that were started while `Settings.disks_reported` was set wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lab.cloud.project import Project
    from lab.cloud.records import Action

CANT_BE_MADE = ("action_failed", "the image could not be created")


def end_volume_actions(project: Project, found: Mapping[int, tuple[int | None, int]]) -> None:
    """Let the actions of volumes end that are as they shall be by now, or no more.

    Args:
        project: Whose volumes.
        found: Id to the server that it is plugged into, or None, and its size in GB.
    """
    for action, number in _waiting(project, "volume"):
        volume = project.tables.volumes.get(number)
        if volume is None or found.get(number) == (volume.server, volume.size):
            action.awaits_disk = False


def end_image_action(project: Project, image_id: int, size_gb: float | None) -> None:
    """Let the action end that made an image; without a size it failed, and the image is no more.

    What is said of an image that is there already is passed over: servers may have been made from it.
    """
    image = project.tables.images.get(image_id)
    if image is None or image.status != "creating":
        return
    for action, number in _waiting(project, "image"):
        if number == image_id:
            action.awaits_disk = False
            action.fault = CANT_BE_MADE if size_gb is None else None
    if size_gb is None:
        del project.tables.images[image_id]
    else:
        image.status, image.image_size = "available", size_gb


def _waiting(project: Project, kind: str) -> Iterator[tuple[Action, int]]:
    for action in project.tables.actions.values():
        if action.awaits_disk:
            yield from ((action, number) for found, number in action.resources if found == kind)

"""The disks of a lab that outlive servers: volumes, and images of servers' disks.

All of it are files below the lab's own folder, which only root can look into, and which goes with the lab.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Final

from lab.launch import Setting, launch
from lab.machines.driver import Disk, MachineError
from lab.wish import Stores

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from lab.internet.site import Ground
    from lab.wish import VolumeWish

BYTES_A_GB: Final = 1 << 30
FREED_WITHIN_S: Final = 10.0
# The filesystem's own tools; neither asks, neither writes what can wait.
_MAKERS: Final = {"ext4": ("mkfs.ext4", "-q", "-F", "-E", "nodiscard"), "xfs": ("mkfs.xfs", "-q", "-f", "-K")}


class Vault:
    """The volumes and images of a lab.

    Args:
        ground: The lab's.

    Attributes:
        stores: What shall be there: the newest wishes, whichever call set them.
    """

    def __init__(self, ground: Ground) -> None:
        self.stores = Stores()
        self._ground = ground
        self._volumes = ground.folder / "volumes"
        self._images = ground.folder / "images"
        self._holders: dict[int, int] = {}
        self._freed = asyncio.Condition()
        self._alone = asyncio.Lock()

    def image(self, image_id: int) -> Path:
        """Return the folder of an image."""
        return self._images / str(image_id)

    def found(self) -> dict[int, tuple[int | None, int]]:
        """Return, for each volume, the id of the server that it is plugged into, or None, and its size in GB."""
        return {
            int(file.stem): (self._holders.get(int(file.stem)), file.stat().st_size // BYTES_A_GB)
            for file in self._volumes.glob("*.raw")
        }

    async def converge(self) -> list[Exception]:
        """Make the volumes that are wished and not there, let those grow that shall, and return what failed."""
        failures: list[Exception] = []
        async with self._alone:
            for wish in self.stores.volumes:
                try:
                    await self._make(wish)
                except (MachineError, OSError) as error:
                    failures.append(error)
        return failures

    async def forget(self) -> None:
        """Remove the volumes that are wished no more and that nobody has."""
        async with self._alone:
            wanted = {wish.volume_id for wish in self.stores.volumes}
            for file in list(self._volumes.glob("*.raw")):
                if int(file.stem) not in wanted | set(self._holders):
                    file.unlink()

    async def take(self, wish: VolumeWish, server_id: int) -> Disk:
        """Return a volume for a server to plug in, as soon as no other server has it.

        Raises:
            MachineError: Another one has it for too long, or it could not be made.
        """
        async with self._freed:
            try:
                free = self._freed.wait_for(lambda: self._holders.get(wish.volume_id, server_id) == server_id)
                await asyncio.wait_for(free, FREED_WITHIN_S)
            except TimeoutError:
                holder = self._holders.get(wish.volume_id)
                raise MachineError(f"volume {wish.volume_id}: still in server {holder}; detach it there") from None
            if not self._file(wish.volume_id).exists():
                raise MachineError(f"volume {wish.volume_id}: it could not be made; see above")
            self._holders[wish.volume_id] = server_id
        return self._disk(wish.volume_id)

    async def release(self, volume_id: int, server_id: int) -> None:
        """Take note that a server has pulled a volume out."""
        async with self._freed:
            if self._holders.get(volume_id) == server_id:
                del self._holders[volume_id]
            self._freed.notify_all()

    async def add_image(self, image_id: int, copy: Callable[[Path], Awaitable[None]]) -> float:
        """Make an image, whole or not at all, and return its size in GB.

        Args:
            image_id: Its id.
            copy: Copies a disk into a folder.
        """
        folder = self.image(image_id)
        fresh = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        try:
            await copy(fresh)
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)
            raise
        fresh.rename(folder)
        return await asyncio.to_thread(_gigabytes, folder)

    async def forget_images(self) -> None:
        """Remove the images that are wished no more."""
        wanted = {str(wish.image_id) for wish in self.stores.images}
        for folder in list(self._images.iterdir()) if self._images.is_dir() else []:
            if folder.name not in wanted and not folder.name.startswith("."):
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _make(self, wish: VolumeWish) -> None:
        self._volumes.mkdir(mode=0o700, exist_ok=True)
        file, size = self._file(wish.volume_id), wish.size_gb * BYTES_A_GB
        if file.exists():
            if file.stat().st_size < size:
                os.truncate(file, size)
            return
        fresh = file.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.truncate(fresh, size)  # of holes: it takes what is written
        if wish.format is not None:
            maker = _MAKERS[wish.format]  # both are there: no lab starts without (`lab.refusals`)
            output = self._ground.folder / "volumes.log"
            making = await launch([*maker, str(fresh)], Setting(cgroup=self._ground.cgroup), output=output)
            if await making.wait():
                raise MachineError(f"volume {wish.volume_id}: {maker[0]} failed; see {output}")
        fresh.rename(file)

    def _disk(self, volume_id: int) -> Disk:
        file = self._file(volume_id)
        return Disk(volume_id=volume_id, file=file, size_bytes=file.stat().st_size)

    def _file(self, volume_id: int) -> Path:
        return self._volumes / f"{volume_id}.raw"


def _gigabytes(folder: Path) -> float:
    """Return what a folder takes on the disk, rounded up to a hundredth."""
    blocks = sum(path.lstat().st_blocks for path in folder.rglob("*"))
    return -(-blocks * 512 * 100 // BYTES_A_GB) / 100

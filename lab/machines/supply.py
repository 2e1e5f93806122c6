"""Have the image ready that a machine boots from: each release when it is first asked for, and once.

An image that is ready stays in use, so that no newer recipe's build removes it, until the lab ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.machines import recipe
from lab.machines.image import Image, ImageError, ensure_image, in_use
from lab.machines.qemu_image import VirtualImage, ensure_virtual_image

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What machines of one release boot from.

    Args:
        image: Of the release.
        virtual: The same for virtual machines; None where machines run under systemd-nspawn.
    """

    image: Image
    virtual: VirtualImage | None


class Supply:
    """The images of one lab's machines.

    Args:
        variant: Which layers machines get.
        virtual: Whether machines are virtual ones.
        say: Told of each phase of a build.
    """

    def __init__(self, variant: recipe.Variant, *, virtual: bool, say: Callable[[str], None]) -> None:
        self.virtual = virtual
        self._variant = variant
        self._say = say
        self._ready: dict[str, Ready] = {}
        self._used = contextlib.ExitStack()
        self._alone = asyncio.Lock()

    def have(self, name: str) -> Ready:
        """Return what an image is made of, built if no cache has it; blocks for as long as that takes.

        Args:
            name: Of the image, as the API has it.

        Raises:
            ImageError: There is no such image, or it can't be built.
        """
        if name not in self._ready:
            image = ensure_image(self._variant, release=find_release(name), say=self._say)
            self._used.enter_context(in_use(image))
            virtual = None
            if self.virtual:
                virtual = ensure_virtual_image(image, release=image.release.codename, say=self._say)
                self._used.enter_context(in_use(virtual))
            self._ready[name] = Ready(image=image, virtual=virtual)
        return self._ready[name]

    async def get(self, name: str) -> Ready:
        """Return the same without blocking; a lab that ends does not wait for a build, which then ends as well.

        Raises:
            ImageError: There is no such image, or it can't be built.
        """
        if name in self._ready:
            return self._ready[name]
        async with self._alone:
            return await _in_background(lambda: self.have(name))

    def close(self) -> None:
        """Let go of all images."""
        self._used.close()


def find_release(name: str) -> recipe.Release:
    """Return the release that an image of the API has.

    Raises:
        ImageError: The lab has no such image.
    """
    if name not in recipe.RELEASES:
        raise ImageError(f"image {name!r}, allowed: {', '.join(recipe.RELEASES)}; the lab has no other")
    return recipe.RELEASES[name]


async def _in_background(work: Callable[[], Ready]) -> Ready:
    """Return the result of work done in a thread that ends with this process, whatever it is at."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Ready] = loop.create_future()

    def settle(settle_with: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if done.done() else settle_with())

    def run() -> None:
        try:
            ready = work()
        except BaseException as error:  # noqa: BLE001 - whoever waits gets it
            caught = error
            settle(lambda: done.set_exception(caught))
        else:
            settle(lambda: done.set_result(ready))

    threading.Thread(target=run, name="image", daemon=True).start()
    return await done

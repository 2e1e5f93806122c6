"""A lab's images: each release when it is first asked for, and once."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from lab.machines import recipe, supply
from lab.machines.image import Image, ImageError
from lab.machines.supply import Supply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Builds:
    """Stands where images are built, and notes what for; `goes_on` holds a build back."""

    def __init__(self, folder: Path) -> None:
        self.of: list[str] = []
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.goes_on.set()
        self._folder = folder

    def __call__(self, variant: recipe.Variant, *, release: recipe.Release, say: Callable[[str], None]) -> Image:
        """Return a folder that holds nothing."""
        self.of.append(release.image)
        say("image: base system")
        self.begun.set()
        self.goes_on.wait(30)
        folder = self._folder / release.image
        folder.mkdir()
        return Image(folder=folder, release=release, variant=variant)


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builds:
    """Return what notes the builds."""
    made = Builds(tmp_path)
    monkeypatch.setattr(supply, "ensure_image", made)
    return made


def a_supply() -> Supply:
    """Return the supply of a lab under systemd-nspawn."""
    return Supply("fast", virtual=False, say=lambda _: None)


def test_a_release_that_nobody_asked_for_is_not_built(builds: Builds) -> None:
    """Nothing at the start, then the one that is asked for, and never twice."""
    ours = a_supply()
    assert builds.of == []
    assert ours.have("debian-13").image.release is recipe.DEBIAN_13
    assert ours.have("debian-13") is asyncio.run(ours.get("debian-13"))
    assert builds.of == ["debian-13"]
    ours.close()


def test_servers_that_ask_together_get_one_image(builds: Builds) -> None:
    """The second waits for the first one's build; a server of another release gets its own."""
    ours = a_supply()

    async def ask() -> list[supply.Ready]:
        return await asyncio.gather(*(ours.get(name) for name in ("debian-12", "debian-12", "debian-13")))

    first, second, other = asyncio.run(ask())
    assert first is second
    assert other.image.release is recipe.DEBIAN_13
    assert builds.of == ["debian-12", "debian-13"]
    ours.close()


def test_an_image_that_is_ready_does_not_wait_for_the_build_of_another(builds: Builds) -> None:
    """A lab with Debian 12 goes on with it while Debian 13 is built, and ends without waiting for that."""
    ours = a_supply()
    ours.have("debian-12")
    builds.begun.clear()
    builds.goes_on.clear()

    async def ask() -> bool:
        building = asyncio.create_task(ours.get("debian-13"))
        assert await asyncio.to_thread(builds.begun.wait, 10)
        assert (await ours.get("debian-12")).image.release is recipe.DEBIAN_12
        return building.done()

    assert asyncio.run(asyncio.wait_for(ask(), 20)) is False
    builds.goes_on.set()
    ours.close()


def test_an_image_that_the_lab_has_not_is_refused(builds: Builds) -> None:
    """The message names those that it has; nothing is built."""
    ours = a_supply()
    with pytest.raises(
        ImageError, match=r"^image 'ubuntu-22.04', allowed: debian-12, debian-13, ubuntu-24.04; the lab"
    ):
        asyncio.run(ours.get("ubuntu-22.04"))
    assert builds.of == []


def test_a_build_that_fails_is_tried_again_by_the_next_who_asks(
    builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked gets the reason; nothing of the failure is kept."""
    ours = a_supply()

    def fail(*_: object, **__: object) -> Image:
        raise ImageError("image: mmdebstrap failed; run it again")

    with monkeypatch.context() as broken:
        broken.setattr(supply, "ensure_image", fail)
        with pytest.raises(ImageError, match="mmdebstrap failed"):
            asyncio.run(ours.get("debian-12"))
    assert asyncio.run(ours.get("debian-12")).image.release is recipe.DEBIAN_12
    assert builds.of == ["debian-12"]
    ours.close()

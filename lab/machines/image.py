"""Give a lab its machines' image: from the cache, or built once and kept.

The cache is a folder named after the release and a hash of everything that goes into its image. A build happens in
a folder of its own and is renamed when whole, so a cache is complete or absent.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from lab.machines import recipe, ubuntu
from lab.machines.nspawn_layer import wireguard_go
from lab.machines.sources import AptSource, SourceError, read_sources, read_transport_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEEDED_MIB: Final = 1200  # measured: 700 MiB at the widest moment of a build
_ROOM = Path(__file__).parent
_INGREDIENTS = ("recipe.py", "build.py", "steps.py", "repository.py", "nspawn_layer.py", "ubuntu.py")


# In a process namespace whose first process dies with this one: no step of a build outlives the lab.
_ENDED_WITH_US = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child")


class ImageError(Exception):
    """There is no image, and the text says why and what to do."""


class UnreachableError(ImageError):
    """What the image is made from can't be reached from this machine."""


class Built(Protocol):
    """Whatever a cache folder holds."""

    @property
    def folder(self) -> Path:
        """The cache folder; nothing in it ever changes."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """A built image.

    Args:
        folder: Its cache folder; nothing in it ever changes.
        release: What it has.
        variant: Which layers a machine gets.
    """

    folder: Path
    release: recipe.Release
    variant: recipe.Variant

    @property
    def layers(self) -> tuple[Path, ...]:
        """The read-only layers of the root of a machine under systemd-nspawn, the topmost first."""
        return (self.folder / "nspawn", *self.system_layers)

    @property
    def system_layers(self) -> tuple[Path, ...]:
        """The same without what differs under systemd-nspawn."""
        names = ("fast", "rootfs") if self.variant == "fast" else ("rootfs",)
        return tuple(self.folder / name for name in names)

    @property
    def repository(self) -> Path:
        """What the lab's package mirror serves."""
        return self.folder / "repository"


def cache_folder() -> Path:
    """Return where images are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "farshore/images"


def fingerprint(sources: tuple[AptSource, ...], *, release: str, room: Path = _ROOM) -> str:
    """Return the hash of everything that goes into the image.

    The mirror's address is none of it: the same suites from another mirror are the same packages.
    """
    whole = hashlib.sha256()
    for name in _INGREDIENTS:
        whole.update(hashlib.sha256((room / name).read_bytes()).digest())
    whole.update(hashlib.sha256(wireguard_go().read_bytes()).digest())
    whole.update(json.dumps([release, sorted(source.suite for source in sources)]).encode())
    return whole.hexdigest()[:16]


def ensure_image(
    variant: recipe.Variant,
    *,
    release: recipe.Release = recipe.DEBIAN_12,
    cache: Path | None = None,
    say: Callable[[str], None] = print,
) -> Image:
    """Return the image, building it if the cache has none.

    Args:
        variant: Which layers the caller's machines get; all are built together, from one base system.
        release: What of.
        cache: Where images are kept, if not at the user's usual place.
        say: Told of each phase.

    Raises:
        ImageError: With one message that says what to do; nothing is left behind.
    """
    folder, asked = _look_up(release, cache or cache_folder())
    if not folder.is_dir():
        _check_archive(release, asked)
    ensure_folder(folder, program="lab.machines.build", asked=asked, say=say)
    return Image(folder=folder, release=release, variant=variant)


def check_obtainable(release: recipe.Release, *, cache: Path | None = None) -> None:
    """Check that there is a release's image, or that what it is made from answers; that is really asked.

    Raises:
        UnreachableError: Neither; the text says what to do.
        ImageError: This machine's apt knows no source, or a program is missing.
    """
    folder, asked = _look_up(release, cache or cache_folder())
    if not folder.is_dir():
        _check_archive(release, asked)


def _look_up(release: recipe.Release, images: Path) -> tuple[Path, dict[str, Any]]:
    """Return a release's cache folder, and what the program is told that builds it."""
    try:
        sources = read_sources(release.codename, release.distribution)
        name = fingerprint(sources, release=release.codename)
        keyring = read_sources(ubuntu.KEYRING_RELEASE) if release.distribution == "ubuntu" else ()
    except (SourceError, FileNotFoundError) as error:
        raise ImageError(str(error)) from error
    asked = {
        "image": release.image,
        "sources": [source.line for source in sources],
        "keyring_sources": [source.line for source in keyring if source.suite == ubuntu.KEYRING_RELEASE],
        "apt_options": read_transport_options(),
    }
    return images / f"{release.image}-{name}", asked


def _check_archive(release: recipe.Release, asked: dict[str, Any]) -> None:
    """Ask Ubuntu's archive whether it is there; Debian's is where this machine's own packages come from."""
    if release.distribution == "ubuntu" and not ubuntu.answers(asked["sources"], asked["apt_options"]):
        others = ", ".join(one.image for one in recipe.RELEASES.values() if one.distribution == "debian")
        raise UnreachableError(
            f"image {release.image!r}: no archive of Ubuntu answers beside Debian's at this machine's package mirror, "
            f"allowed here: {others}; name a mirror of both below /etc/apt"
        )


def ensure_folder(folder: Path, *, program: str, asked: dict[str, Any], say: Callable[[str], None]) -> None:
    """Build a cache folder if it is not there, and remove those that it takes the place of and no running lab uses.

    Args:
        folder: The folder, named `<image>-<hash of all that goes into it>`.
        program: Module that builds it, as `steps` says.
        asked: What it is told, beside the folder to build `into`.
        say: Told of each phase.

    Raises:
        ImageError: With one message that says what to do; nothing is left behind.
    """
    images = folder.parent
    if not folder.is_dir():
        images.mkdir(parents=True, exist_ok=True, mode=0o755)
        with _alone(images, say):
            if not folder.is_dir():
                _build(folder, program=program, asked=asked, say=say)
            _remove_others(images, folder.name)


@contextlib.contextmanager
def in_use(built: Built) -> Iterator[None]:
    """Keep a cache folder from being removed by a newer recipe's build."""
    with (built.folder / "in-use").open("a", encoding="ascii") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        yield


def _build(folder: Path, *, program: str, asked: dict[str, Any], say: Callable[[str], None]) -> None:
    images = folder.parent
    _check_space(images)
    into = images / f".building-{folder.name}"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o755)
    started_s = time.monotonic()
    try:
        _run_build(program, json.dumps({**asked, "into": str(into)}), images, say)
        (into / "in-use").touch()
        into.rename(folder)
    finally:
        shutil.rmtree(into, ignore_errors=True)
    say(f"image: built in {time.monotonic() - started_s:.0f} s")


def _run_build(program: str, asked: str, images: Path, say: Callable[[str], None]) -> None:
    command = [*_ENDED_WITH_US, "--mount", "--propagation", "private", sys.executable, "-m", program]
    with subprocess.Popen(
        command,
        cwd=_ROOM.parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as building:
        assert building.stdin is not None
        assert building.stdout is not None
        assert building.stderr is not None
        try:
            building.stdin.write(asked)
            building.stdin.close()
            for phase in building.stdout:
                say(f"image: {phase.strip()}")
            reason = building.stderr.read().strip()
        except BaseException:
            building.kill()
            raise
    if building.returncode:
        raise ImageError(explain(reason, images))


def explain(reason: str, images: Path) -> str:
    """Return the message for what a build said when it failed."""
    if "No space left" in reason:
        return _no_space(images)
    return f"image: {reason.splitlines()[-1] if reason else 'the build was ended'}; run it again"


def _check_space(images: Path) -> None:
    if shutil.disk_usage(images).free < NEEDED_MIB << 20:
        raise ImageError(_no_space(images))


def _no_space(images: Path) -> str:
    free_mib = shutil.disk_usage(images).free >> 20
    return f"image: no space left, {free_mib} MiB free under {images}, allowed: {NEEDED_MIB}; free some there"


@contextlib.contextmanager
def _alone(images: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache's lock; a second build waits for the first and then finds its result."""
    with (images / ".lock").open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("image: another build is running, waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_others(images: Path, name: str) -> None:
    """Remove the same image of other recipes, unless a running lab boots from it, and what an ended build left.

    Other releases' images stay. A name without a release is of a version that knew only one.
    """
    for other in images.iterdir():
        if other.name.startswith(".building-"):
            shutil.rmtree(other)
        marker = other / "in-use"
        replaced = other.name != name and other.name.rpartition("-")[0] in {name.rpartition("-")[0], ""}
        if not replaced or not marker.is_file():
            continue
        with marker.open("a", encoding="ascii") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(other)

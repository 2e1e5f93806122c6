"""The releases that the tests have machines of; which of them can be had is found by asking."""

from __future__ import annotations

import pytest

from lab.machines.image import UnreachableError, check_obtainable, ensure_image
from lab.machines.recipe import RELEASES, Release

DEBIAN = tuple(name for name, release in RELEASES.items() if release.distribution == "debian")
# Ubuntu's image takes a minute or two to build, so its machines are asked for by name: make test-long.
ALL = [name if name in DEBIAN else pytest.param(name, marks=pytest.mark.long) for name in RELEASES]


def require(release: Release) -> None:
    """Go on where a release's image is there or can be built; else say that the test did not run, and why.

    What is reached but can't be built fails the test.
    """
    try:
        check_obtainable(release)
    except UnreachableError as error:
        pytest.skip(f"{release.image} was not run: {error}")


def have(name: str) -> Release:
    """Return a release whose image is there, built if need be; no machine's birth waits for that.

    Skips the test as `require` says.
    """
    release = RELEASES[name]
    require(release)
    ensure_image("fast", release=release, say=lambda _: None)
    return release

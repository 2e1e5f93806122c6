"""Interfaces that go while somebody removes them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from lab.internet import links

if TYPE_CHECKING:
    from collections.abc import Callable


class Vanishing:
    """A kernel that lists an interface, and says of its removal what it is told to."""

    def __init__(self, code: int) -> None:
        self._code = code

    def link_lookup(self, *, ifname: str) -> list[int]:
        """List it."""
        return [len(ifname)]

    def link(self, command: str, *, index: int) -> None:
        """Fail."""
        raise NetlinkError(self._code, f"{command} {index}")


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return what gives the namespace such a kernel."""

    def give(code: int) -> None:
        def configure(_: str, change: Callable[[Any], object]) -> object:
            return change(Vanishing(code))

        monkeypatch.setattr(links, "configure", configure)

    return give


def test_what_is_gone_is_removed(kernel: Callable[[int], None]) -> None:
    """The power is cut, and the kernel takes the cable down between the look and the removal."""
    kernel(errno.ENODEV)
    links.remove_interface("somewhere", "cable0")


def test_what_can_not_be_removed_is_said(kernel: Callable[[int], None]) -> None:
    """Any other reason is the caller's to know."""
    kernel(errno.EPERM)
    with pytest.raises(NetlinkError):
        links.remove_interface("somewhere", "cable0")

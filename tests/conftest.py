"""Seal what is pure: only a test marked `lab` may start a process or open a connection.

The default run has two workers. Tests that share a lab stay together on one of them, the longest of these first.
"""

from __future__ import annotations

import socket
import subprocess
from typing import Any, NoReturn

import pytest


class Unsealed(BaseException):
    """A pure test reached for the world; no `except Exception` in the code under test can hide it."""


def _refuse(*arguments: Any, **_: Any) -> NoReturn:
    raise Unsealed(f"a test without the mark `lab` started a process or a connection: {arguments[1:]!r}")


# Folder -> where its tests run: folders of one name share a worker, and so the labs of its session.
TOGETHER = {"first_light": "deployed", "machines": "machines", "internet": "machines", "firewall": "firewall"}


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of one lab together, and begin with the longest group."""
    for item in items:
        group = TOGETHER.get(item.path.parent.name)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))
    order = [*dict.fromkeys(TOGETHER), ""]
    items.sort(key=lambda item: order.index(name if (name := item.path.parent.name) in TOGETHER else ""))


@pytest.fixture(autouse=True)
def _sealed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("lab") is None:
        monkeypatch.setattr(subprocess.Popen, "__init__", _refuse)
        monkeypatch.setattr(socket.socket, "connect", _refuse)

"""Seal what is pure: only a test marked `lab` may start a process or open a connection."""

from __future__ import annotations

import socket
import subprocess
from typing import Any, NoReturn

import pytest


class Unsealed(BaseException):
    """A pure test reached for the world; no `except Exception` in the code under test can hide it."""


def _refuse(*arguments: Any, **_: Any) -> NoReturn:
    raise Unsealed(f"a test without the mark `lab` started a process or a connection: {arguments[1:]!r}")


@pytest.fixture(autouse=True)
def _sealed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("lab") is None:
        monkeypatch.setattr(subprocess.Popen, "__init__", _refuse)
        monkeypatch.setattr(socket.socket, "connect", _refuse)

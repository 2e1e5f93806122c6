"""A cloud of two projects, its clock, and a client for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.cloud.cloud import Cloud
from tests.cloud.driver import TOKEN_A, TOKEN_B, Client, Clock
from tests.cloud.serving import Lab, served_lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands."""
    return Clock()


@pytest.fixture
def cloud(clock: Clock) -> Cloud:
    """Return a cloud with the projects `a` and `b`."""
    return Cloud({"a": [TOKEN_A], "b": [TOKEN_B]}, clock=clock, password=lambda: "made-up")


@pytest.fixture
def a(cloud: Cloud) -> Client:
    """Return the client of project `a`."""
    return Client(cloud, TOKEN_A)


@pytest.fixture
def b(cloud: Cloud) -> Client:
    """Return the client of project `b`."""
    return Client(cloud, TOKEN_B)


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Serve a lab's cloud for one test; what it does not model fails the test that asked for it."""
    with served_lab() as served:
        yield served
        assert served.cloud.unmodelled == []

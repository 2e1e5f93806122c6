"""A deployment of this folder's own: its tests change it, one after the other, and say what they leave."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.delivery.standing import stand
from tests.first_light.deployed import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.delivery.standing import Live


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One shield, one origin, and a stack file that may be changed."""
    path = tmp_path_factory.mktemp("delivery") / "Pulumi.live.yaml"
    path.write_text((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    yield from stand("dl", path)


@pytest.fixture
def glass(live: Live, tmp_path: Path) -> Iterator[Path]:
    """The operator's break-glass key, which the hosts know; afterwards they do not."""
    key = tmp_path / "glass"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
    live.changed(break_glass={"public_key": public, "sources": ["192.0.2.20/32"]})
    yield key
    live.changed(break_glass=None)

"""A shield with more peers than its user data holds: born knowing nobody, and told all of them some seconds later."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.delivery.standing import stand
from tests.first_light.deployed import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = [pytest.mark.lab, pytest.mark.long]
MANY = range(10, 250)


def noise(number: int) -> str:
    """Return a key that nobody has and that does not compress."""
    return base64.b64encode(hashlib.sha256(str(number).encode()).digest()).decode()


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Live]:
    """The lab's pair, with 240 operators at its shield."""
    path = tmp_path / "Pulumi.crowded.yaml"
    document = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))
    document["config"]["farshore:operators"] = {
        f"o{number}": {"slot": number, "public_key": noise(number), "description": noise(-number) * 3}
        for number in MANY
    }
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    yield from stand("dc", path)


def test_it_is_born_alone_and_told_the_rest(crowded: Live) -> None:
    """One `up`: what it was born with knows no peer, what runs knows all, and the page is there."""
    born = crowded.says("falkenstein", "cat", "/var/lib/farshore/host/birth.json")
    assert "/etc/wireguard/fs0.conf" in born
    assert "press.psk" not in born
    peers = crowded.peers("falkenstein")
    assert {noise(number) for number in MANY} < set(peers)
    assert len(peers) == len(MANY) + 1
    crowded.page()
    assert crowded.says("falkenstein", "farshore-host", "prove")
    crowded.work.run(["preview", "--expect-no-changes", *crowded.work.where])

"""Volumes are plugged into servers and pulled out in an order that never lets two servers have one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lab.machines.driver import MachineError
from lab.wish import Stores, VolumeWish
from tests.machines.test_server import WISH, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab
DATA = VolumeWish(volume_id=7, size_gb=10, format=None, server_id=WISH.server_id, automount=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a bench whose server stands and has a volume, which was there before the first boot."""
    made = Bench(tmp_path)
    make(made, DATA)
    assert converge(made, DATA) == ["create", "attach 7 of 10 GB", "cut", "boot"]
    yield made
    made.close()


def make(bench: Bench, *wishes: VolumeWish) -> list[Exception]:
    """Have the volumes made, and the others forgotten; return what failed."""
    bench.vault.stores = Stores(volumes=wishes)
    failures = bench.runner.run(bench.vault.converge())
    bench.run(bench.vault.forget())
    return failures


def converge(bench: Bench, *wishes: VolumeWish) -> list[str]:
    """Bring the server in line and return what the machine was told meanwhile."""
    bench.told.clear()
    bench.run(bench.server.converge(WISH, wishes))
    return list(bench.told)


def test_a_volume_is_plugged_in_once_and_pulled_out_once(bench: Bench) -> None:
    """Told again, the machine hears nothing."""
    assert converge(bench, DATA) == []
    assert bench.vault.found() == {7: (WISH.server_id, 10)}
    assert converge(bench) == ["detach 7"]
    assert converge(bench) == []
    assert bench.vault.found() == {7: (None, 10)}


def test_a_larger_volume_is_told_and_a_smaller_one_is_not(bench: Bench) -> None:
    """A file only grows."""
    larger = replace(DATA, size_gb=20)
    make(bench, larger)
    assert converge(bench, larger) == ["attach 7 of 20 GB"]
    make(bench, DATA)
    assert converge(bench, DATA) == []
    assert bench.vault.found()[7][1] == 20


def test_a_server_waits_for_a_volume_until_another_has_let_go(bench: Bench) -> None:
    """And gets it then; one that nobody lets go of is not had twice."""
    order: list[str] = []

    async def move() -> None:
        async def take() -> None:
            await bench.vault.take(DATA, 10)
            order.append("taken by 10")

        taking = asyncio.create_task(take())
        await asyncio.sleep(0)
        assert not taking.done()
        await bench.server.converge(WISH)
        order.append("pulled out of 9")
        await taking

    bench.run(move())
    assert sorted(order) == ["pulled out of 9", "taken by 10"]
    assert bench.vault.found() == {7: (10, 10)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab.vault.FREED_WITHIN_S", 0.05)
        with pytest.raises(MachineError, match="volume 7: still in server 10"):
            converge(bench, DATA)


def test_a_rebuilt_machine_gets_its_volumes_again(bench: Bench) -> None:
    """And a removed server's are free."""
    bench.told.clear()
    bench.run(bench.server.converge(replace(WISH, rebuild=1), [DATA]))
    assert bench.told == ["destroy", "create", "attach 7 of 10 GB", "cut", "boot"]
    bench.run(bench.server.remove())
    assert bench.vault.found() == {7: (None, 10)}


def test_a_volume_is_forgotten_only_when_nobody_has_it(bench: Bench, tmp_path: Path) -> None:
    """Its file is its owner's alone, and goes when it is wished no more."""
    file = tmp_path / "volumes/7.raw"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    make(bench)
    assert file.exists()
    converge(bench)
    make(bench)
    assert not file.exists()


def test_a_volume_that_can_not_be_formatted_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other volumes are made all the same, and nothing is left of the one that could not be."""
    monkeypatch.setattr("lab.vault._MAKERS", {"ext4": ("true",), "xfs": ("false",)})
    bad, good = replace(DATA, volume_id=8, format="xfs"), replace(DATA, volume_id=9, server_id=None)
    (failure,) = make(bench, DATA, bad, good)
    assert str(failure).startswith("volume 8: false failed; see ")
    assert sorted(bench.vault.found()) == [7, 9]


def test_a_disk_made_from_an_image_is_told_where_it_is(bench: Bench) -> None:
    """The image's folder, not a copy of the system's."""
    bench.told.clear()
    bench.run(bench.server.converge(replace(WISH, rebuild=1, own_image=77), [DATA]))
    assert bench.told[1] == "create from 77"


def test_an_image_is_made_whole_or_not_at_all(bench: Bench) -> None:
    """One that fails half-way leaves nothing, and the next try begins anew."""

    async def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise MachineError("asked to fail")

    async def works(folder: Path) -> None:
        (folder / "whole").write_bytes(bytes(20 << 20))

    with pytest.raises(MachineError, match="asked to fail"):
        bench.runner.run(bench.vault.add_image(5, fails))
    assert not list(bench.vault.image(5).parent.iterdir())
    assert bench.runner.run(bench.vault.add_image(5, works)) == 0.02
    assert [path.name for path in bench.vault.image(5).iterdir()] == ["whole"]
    bench.run(bench.vault.forget_images())
    assert not bench.vault.image(5).exists()

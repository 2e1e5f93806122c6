"""A server is brought in line with its wish, whatever was there before: what the machine is told, and when."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network
from typing import TYPE_CHECKING

import pytest

from lab import cgroups
from lab.internet.backbone import Backbone
from lab.internet.namespace import configure
from lab.internet.site import Ground
from lab.ledger import Ledger
from lab.server import Server
from lab.vault import Vault
from lab.wish import Rule, Wish
from tests.labs import lab_name

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path
    from typing import Any

    from lab.internet.site import Site
    from lab.machines.driver import Disk, Leader

pytestmark = pytest.mark.lab

WISH = Wish(
    server_id=9,
    name="shield",
    image="debian-12",
    location="fsn1",
    country="DE",
    mac="96:00:00:00:00:09",
    ipv4=IPv4Address("203.0.113.10"),
    ipv6=IPv6Network("2001:db8:10::/64"),
    user_data="",
    public_keys=(),
    running=True,
    boot=1,
    rebuild=0,
    firewall=None,
)
SSH = Rule(direction="in", protocol="tcp", ports=(22, 22), addresses=())


class Noting:
    """A machine that notes what it is told; `fails` names what it can't do, once."""

    def __init__(self, told: list[str], fails: list[str], folder: Path) -> None:
        self.told, self.fails = told, fails
        self.console, self.namespace, self.leader = folder, "none", None
        self.door = None

    console: Path
    namespace: str
    leader: Leader | None

    async def _note(self, what: str) -> None:
        self.told.append(what)
        if what in self.fails:
            self.fails.remove(what)
            raise RuntimeError(f"{what}: asked to fail")

    async def create_disk(self, source: Path | None = None) -> None:
        """Note it."""
        await self._note(f"create from {source.name}" if source else "create")

    async def copy_disk(self, target: Path) -> None:
        """Note it."""
        await self._note(f"copy to {target.name}")

    async def attach(self, disk: Disk) -> None:
        """Note it."""
        await self._note(f"attach {disk.volume_id} of {disk.size_bytes >> 30} GB")

    async def detach(self, disk: Disk) -> None:
        """Note it."""
        await self._note(f"detach {disk.volume_id}")

    async def boot(self) -> None:
        """Note it."""
        await self._note("boot")

    async def power_off(self) -> None:
        """Note it."""
        await self._note("off")

    async def cut_power(self) -> None:
        """Note it."""
        await self._note("cut")

    async def destroy(self) -> None:
        """Note it."""
        await self._note("destroy")


class Bench:
    """A server on an internet of its own, with a machine that takes notes."""

    def __init__(self, folder: Path) -> None:
        prefix = f"fs-{lab_name('v')}"
        self.told: list[str] = []
        self.fails: list[str] = []
        self._folder = folder
        cgroup = cgroups.cgroup_root() / prefix
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.ledger.note("cgroup", str(cgroup))
        cgroups.make(cgroup)
        (folder / "names").mkdir()
        self.ground = Ground(prefix=prefix, folder=folder, names=folder / "names", cgroup=cgroup, ledger=self.ledger)
        self.backbone = Backbone(self.ground, mirror_name="mirror.lab.example")
        self.vault = Vault(self.ground)
        self.server = Server(self.ground, self._make, WISH, vault=self.vault)
        self.runner = asyncio.Runner()
        self.run(self.backbone.start())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it."""
        self.runner.run(work)

    def converge(self, wish: Wish) -> list[str]:
        """Bring the server in line and return what the machine was told meanwhile."""
        self.told.clear()
        self.run(self.server.converge(wish))
        return list(self.told)

    def routes(self) -> set[str]:
        """Return what the internet routes to the server's site."""
        found = configure(
            self.ground.inet,
            lambda netlink: [
                f"{route.get_attr('RTA_DST')}/{route['dst_len']}"
                for route in netlink.get_routes(oif=netlink.link_lookup(ifname="s9")[0], table=254)
                if route.get_attr("RTA_GATEWAY")
            ],
        )
        return set(found)

    def close(self) -> None:
        """Remove everything."""
        self.run(self.server.remove())
        self.run(self.backbone.stop())
        self.runner.close()
        self.ledger.undo()

    async def _make(self, _: Site) -> Noting:
        return Noting(self.told, self.fails, self._folder)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a bench whose server stands."""
    made = Bench(tmp_path)
    assert made.converge(WISH) == ["create", "cut", "boot"]
    yield made
    made.close()


def test_a_wish_that_is_true_changes_nothing(bench: Bench) -> None:
    """Told again, and told of a changed firewall or user data: the machine hears nothing."""
    assert bench.converge(WISH) == []
    assert bench.converge(replace(WISH, firewall=(SSH,), user_data="#cloud-config\n{}")) == []


def test_a_higher_count_of_boots_is_one_boot(bench: Bench) -> None:
    """However many were asked for meanwhile."""
    assert bench.converge(replace(WISH, boot=4)) == ["cut", "boot"]
    assert bench.converge(replace(WISH, boot=4)) == []


def test_off_is_off_and_on_again_is_a_boot(bench: Bench) -> None:
    """A server switched off keeps its disk and boots when it is switched on."""
    assert bench.converge(replace(WISH, running=False)) == ["off"]
    assert bench.converge(replace(WISH, boot=2)) == ["cut", "boot"]


def test_a_rebuild_is_a_new_disk(bench: Bench) -> None:
    """The old one is destroyed before the new one is made."""
    assert bench.converge(replace(WISH, rebuild=1)) == ["destroy", "create", "cut", "boot"]


def test_another_address_is_another_cable(bench: Bench) -> None:
    """The machine is cut off, the internet routes the new address and no longer the old one, the disk stays."""
    assert bench.routes() == {"203.0.113.10/32", "2001:db8:10::/64"}
    assert bench.converge(replace(WISH, ipv4=IPv4Address("203.0.113.77"), boot=2)) == ["cut", "cut", "boot"]
    assert bench.routes() == {"203.0.113.77/32", "2001:db8:10::/64"}


@pytest.mark.parametrize(
    ("step", "again"), [("create", ["create", "cut", "boot"]), ("boot", ["cut", "boot"])], ids=["disk", "boot"]
)
def test_a_failure_is_made_good_by_the_next_call(bench: Bench, step: str, again: list[str]) -> None:
    """What failed is tried again, what had been done is not done twice."""
    bench.fails.append(step)
    with pytest.raises(RuntimeError, match=f"{step}: asked to fail"):
        bench.converge(replace(WISH, rebuild=1))
    assert bench.converge(replace(WISH, rebuild=1)) == again

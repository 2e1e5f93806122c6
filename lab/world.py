"""Make the wishes true: a site and a machine for each server that shall exist, nothing for those that are gone.

Level-triggered: told the whole list each time, it compares with what is there, so a message lost or a failure
half-way is made good by the next call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from lab.faults.keeper import Faults
from lab.internet.addresses import OPERATOR
from lab.internet.backbone import Backbone
from lab.internet.namespace import listen_inside
from lab.ledger import start_time
from lab.machines import recipe
from lab.machines.driver import MachineError
from lab.machines.nspawn import NspawnMachine
from lab.server import Server
from lab.vault import Vault
from lab.wish import Stores

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from lab.internet.site import Ground, Site
    from lab.machines.driver import Driver, Lasting
    from lab.machines.supply import Supply
    from lab.wish import ImageWish, Wish


T = TypeVar("T")
PUBLISHED: Final = "published"  # file of the names that clients of the lab have published
NO_STORES: Final = Stores()
_log = logging.getLogger("lab")


class DiskNews(Protocol):
    """Who wants to know how disks are."""

    def report_volumes(self, found: Mapping[int, tuple[int | None, int]]) -> None:
        """Hear, for each volume, which server it is plugged into and how many GB it has."""

    def report_image(self, image_id: int, size_gb: float | None) -> None:
        """Hear how large an image is that was made; None if it can't be made."""


class World:
    """The world behind one cloud.

    Args:
        ground: The lab's.
        supply: What machines boot from.
        report: File that says where everything is, for clients of the lab.
        stopped: Told the id of a server whose machine has switched itself off.
        was_reset: Told the id of a server whose power was cut and given back.
        news: Told how volumes and images are.
    """

    def __init__(
        self,
        ground: Ground,
        supply: Supply,
        *,
        report: Path,
        stopped: Callable[[int], None],
        was_reset: Callable[[int], None],
        news: DiskNews,
    ) -> None:
        self._ground = ground
        self._vault = Vault(ground)
        self._news = news
        self._imaging = asyncio.Lock()
        self._supply = supply
        self._report = report
        self._stopped = stopped
        self._was_reset = was_reset
        self._servers: dict[int, Server] = {}
        self._closing = False
        self.faults = Faults(ground, self)
        self._backbone = Backbone(ground, mirror_name=recipe.MIRROR_NAME)

    @property
    def servers(self) -> Mapping[int, Server]:
        """The servers that there are, by id."""
        return self._servers

    async def start(self) -> None:
        """Make the internet, with nobody's server on it."""
        await self._backbone.start()
        self._write_report()

    def listen_at_operators(self, port: int) -> socket.socket:
        """Return a socket that listens on the loopback interface of the operator's place, and nowhere else.

        Whoever deploys stands there, and finds the cloud's API where this machine has it.
        """
        return listen_inside(self._backbone.places[OPERATOR.name], "127.0.0.1", port)

    async def stop(self) -> None:
        """End every server and the internet."""
        await self.faults.stop()
        await self.converge(())
        self._closing = True
        await self._backbone.stop()
        self._report.unlink(missing_ok=True)

    async def converge(self, wishes: Iterable[Wish], stores: Stores = NO_STORES) -> None:
        """Bring all servers and disks in line with the wishes, the servers side by side.

        Raises:
            ExceptionGroup: Some could not be; all others are. Calling again tries again.
        """
        wanted = {wish.server_id: wish for wish in wishes}
        for server_id, wish in wanted.items():
            self._servers.setdefault(server_id, self._make_server(wish))
        # Up to here nothing else runs: a call that waits below knows no server and no disk of a later call.
        servers = list(self._servers.items())
        self._vault.stores = stores
        failures = await self._vault.converge()
        work = [
            server.converge(wanted[server_id], [one for one in stores.volumes if one.server_id == server_id])
            if server_id in wanted
            else self._remove(server_id)
            for server_id, server in servers
        ]
        results = await asyncio.gather(*work, return_exceptions=True)
        results += await asyncio.gather(self.faults.settle(), return_exceptions=True)
        await self._vault.forget()
        self._news.report_volumes(self._vault.found())
        await self._converge_images()
        self._write_report()
        failures += [result for result in results if isinstance(result, Exception)]
        if failures:
            raise ExceptionGroup("servers that could not be brought in line", failures)

    async def _converge_images(self) -> None:
        """Make the images that are not there; one that can't be made is not tried again: its moment is over."""
        async with self._imaging:
            for wish in self._vault.stores.images:
                if not self._vault.image(wish.image_id).exists():
                    self._news.report_image(wish.image_id, await self._image_of(wish))
            await self._vault.forget_images()

    async def _image_of(self, wish: ImageWish) -> float | None:
        server = self._servers.get(wish.server_id)
        if server is None:
            return None
        try:
            return await self._vault.add_image(wish.image_id, server.copy_disk)
        except (MachineError, OSError, TimeoutError) as error:
            _log.error("image %d: %s", wish.image_id, error)
            return None

    async def reset(self, server_id: int) -> None:
        """Cut a server's power and give it back; a boot that had failed in silence is made good by the next wish."""
        await self._servers[server_id].reset()
        self._was_reset(server_id)

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Have every machine stand still for a while; then all go on, with the clock set.

        Raises:
            RuntimeError: Its machines can't.
        """
        if not self._supply.virtual:
            raise RuntimeError("machines: nspawn, allowed: vm; only a virtual machine can be saved as it runs")
        if self._vault.stores.volumes or self._vault.stores.images:
            raise RuntimeError("disks: volumes or images, allowed: none; remove them, no lab is saved with them")
        async with contextlib.AsyncExitStack() as stack:
            machines = [await stack.enter_async_context(server.held()) for server in self._servers.values()]
            await asyncio.gather(*(machine.pause() for machine in machines))
            try:
                yield
            finally:
                await _go_on(machines)

    @property
    def names(self) -> str:
        """The published names, as the resolver reads them."""
        published = self._ground.names / PUBLISHED
        return published.read_text(encoding="ascii") if published.exists() else ""

    def publish(self, names: str) -> None:
        """Replace the published names."""
        (self._ground.names / PUBLISHED).write_text(names, encoding="ascii")

    async def save(self, folder: Path) -> dict[str, Any]:
        """Write all servers, which stand still, into an empty folder, and return the rest as JSON."""
        saved = [server.save(folder / str(server_id)) for server_id, server in self._servers.items()]
        return dict(zip(map(str, self._servers), await _all(saved), strict=True))

    async def load(self, folder: Path, saved: dict[str, Any], wishes: Iterable[Wish]) -> None:
        """Make all servers as they were saved, then let all go on at once."""
        for wish in wishes:
            if str(wish.server_id) in saved:
                self._servers[wish.server_id] = self._make_server(wish)
        loading = [
            server.load(folder / str(server_id), saved[str(server_id)]) for server_id, server in self._servers.items()
        ]
        await _go_on(await _all(loading))
        self._write_report()

    async def _remove(self, server_id: int) -> None:
        await self._servers[server_id].remove()
        self._servers.pop(server_id, None)

    def _make_server(self, wish: Wish) -> Server:
        return Server(self._ground, self._make_machine, wish, vault=self._vault, settle=self.faults.settle)

    async def _make_machine(self, site: Site) -> Driver:
        """Return a machine that boots from the image that the server was made from."""
        server_id = site.wish.server_id
        ready = await self._supply.get(site.wish.image)
        self._backbone.serve_packages(ready.image.repository)

        def stopped() -> None:
            self._stopped(server_id)

        if ready.virtual is not None:
            from lab.machines.qemu import QemuMachine

            return QemuMachine(self._ground, site, ready.virtual, changed=self._write_report, stopped=stopped)
        return NspawnMachine(self._ground, site, ready.image, changed=self._write_report, stopped=stopped)

    def _write_report(self) -> None:
        if self._closing:
            return
        face = self._backbone.mounts_of
        report = {
            "places": self._backbone.places,
            "mounts_of": {"pid": face, "started": start_time(face)},
            "names": str(self._ground.names),
            "virtual": self._supply.virtual,
            "machines": [entry for server in self._servers.values() if (entry := _describe(server))],
        }
        write_private(self._report, json.dumps(report, indent=2) + "\n")


async def _all(work: Iterable[Awaitable[T]]) -> list[T]:
    """Return what all of it returns; if some fails, the rest is done before its error is raised."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _go_on(machines: Sequence[Lasting]) -> None:
    await asyncio.gather(*(machine.resume() for machine in machines))
    await asyncio.gather(*(machine.set_clock() for machine in machines))


def _describe(server: Server) -> dict[str, object] | None:
    machine = server.machine
    if machine is None:
        return None
    leader = machine.leader
    return {
        "server_id": server.wish.server_id,
        "name": server.wish.name,
        "namespace": machine.namespace,
        "console": str(machine.console),
        "door": str(machine.door) if machine.door else None,
        "leader": {"pid": leader.pid, "started": leader.started} if leader else None,
    }


def write_private(path: Path, text: str) -> None:
    """Replace a file at once by one that only its owner can read."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)

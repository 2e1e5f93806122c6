"""Make the wishes true: a site and a machine for each server that shall exist, nothing for those that are gone.

Level-triggered: told the whole list each time, it compares with what is there, so a message lost or a failure
half-way is made good by the next call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

from lab.internet.backbone import Backbone
from lab.ledger import start_time
from lab.machines import recipe
from lab.machines.nspawn import NspawnMachine
from lab.server import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    from lab.internet.site import Ground, Site
    from lab.machines.driver import Driver, Lasting
    from lab.machines.image import Image
    from lab.machines.qemu_image import VirtualImage
    from lab.wish import Wish


T = TypeVar("T")
PUBLISHED: Final = "published"  # file of the names that clients of the lab have published
IMAGE: Final = "debian-12"  # what `recipe.RELEASE` is called at the API


class World:
    """The world behind one cloud.

    Args:
        ground: The lab's.
        image: What machines boot from.
        virtual: The same for virtual machines; with it all machines are such.
        report: File that says where everything is, for clients of the lab.
        stopped: Told the id of a server whose machine has switched itself off.
    """

    def __init__(
        self,
        ground: Ground,
        image: Image,
        *,
        virtual: VirtualImage | None = None,
        report: Path,
        stopped: Callable[[int], None],
    ) -> None:
        self._ground = ground
        self._image = image
        self._virtual = virtual
        self._report = report
        self._stopped = stopped
        self._servers: dict[int, Server] = {}
        self._closing = False
        self._backbone = Backbone(ground, repository=image.repository, mirror_name=recipe.MIRROR_NAME)

    async def start(self) -> None:
        """Make the internet, with nobody's server on it."""
        await self._backbone.start()
        self._write_report()

    async def stop(self) -> None:
        """End every server and the internet."""
        await self.converge(())
        self._closing = True
        await self._backbone.stop()
        self._report.unlink(missing_ok=True)

    async def converge(self, wishes: Iterable[Wish]) -> None:
        """Bring all servers in line with the wishes, side by side.

        Raises:
            ExceptionGroup: Some could not be; all others are. Calling again tries again.
        """
        wanted = {wish.server_id: wish for wish in wishes}
        for server_id, wish in wanted.items():
            self._servers.setdefault(server_id, Server(self._ground, self._make_machine, wish))
        work = [
            server.converge(wanted[server_id]) if server_id in wanted else self._remove(server_id)
            for server_id, server in list(self._servers.items())
        ]
        results = await asyncio.gather(*work, return_exceptions=True)
        self._write_report()
        failures = [result for result in results if isinstance(result, Exception)]
        if failures:
            raise ExceptionGroup("servers that could not be brought in line", failures)

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Have every machine stand still for a while; then all go on, with the clock set.

        Raises:
            RuntimeError: Its machines can't.
        """
        if self._virtual is None:
            raise RuntimeError("machines: nspawn, allowed: vm; only a virtual machine can be saved as it runs")
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
                self._servers[wish.server_id] = Server(self._ground, self._make_machine, wish)
        loading = [
            server.load(folder / str(server_id), saved[str(server_id)]) for server_id, server in self._servers.items()
        ]
        await _go_on(await _all(loading))
        self._write_report()

    async def _remove(self, server_id: int) -> None:
        await self._servers[server_id].remove()
        self._servers.pop(server_id, None)

    def _make_machine(self, site: Site) -> Driver:
        server_id = site.wish.server_id
        if site.wish.image != IMAGE:
            raise ValueError(
                f"server {site.wish.name}: image {site.wish.image!r}, allowed: {IMAGE}; the lab has no other"
            )

        def stopped() -> None:
            self._stopped(server_id)

        if self._virtual is not None:
            from lab.machines.qemu import QemuMachine

            return QemuMachine(self._ground, site, self._virtual, changed=self._write_report, stopped=stopped)
        return NspawnMachine(self._ground, site, self._image, changed=self._write_report, stopped=stopped)

    def _write_report(self) -> None:
        if self._closing:
            return
        face = self._backbone.mounts_of
        report = {
            "places": self._backbone.places,
            "mounts_of": {"pid": face, "started": start_time(face)},
            "names": str(self._ground.names),
            "virtual": self._virtual is not None,
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

"""The process of one lab: the cloud's API in front, the world behind it.

Whatever it makes is written into a ledger first, so that it ends clean: by itself when told to, by the next start
or `python -m lab down` when it was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import signal
import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from lab import cgroups
from lab.cloud.cloud import Cloud
from lab.cloud.server import make_app, server_config
from lab.faults.routes import fault_routes
from lab.internet.site import Ground
from lab.internet.web import WebService
from lab.launch import end, start_watchdog
from lab.ledger import start_time
from lab.machines import recipe
from lab.machines.supply import Supply
from lab.refusals import check_machine, take_port
from lab.registry import Registration, make_folder
from lab.snapshot import read_snapshot, snapshot_routes, take_snapshot
from lab.world import World, write_private

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from lab.ledger import Ledger
    from lab.machines.recipe import Variant
    from lab.snapshot import Snapshot
    from lab.wish import Wish

TOKEN_LENGTH: Final = 64  # as Hetzner's
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_RETRY_S: Final = 1.0
_log = logging.getLogger("lab")

Machines: TypeAlias = Literal["nspawn", "qemu", "none"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What lab is wanted.

    Args:
        name: Part of the name of everything it makes in the kernel.
        folder: Its own; kept from start to start are its port and its tokens.
        accounts: Names of the cloud's projects.
        port: Of the API on the loopback interface; 0 takes the former one, or a free one.
        image: What machines have from the start.
        releases: Names of the images to have ready; any other is made ready when it is first asked for.
        machines: What they run under; `none` is the API alone, which needs no root.
        snapshot: Folder of a saved lab that is stood up again; accounts, image and machines are then its own.
    """

    name: str
    folder: Path
    accounts: tuple[str, ...] = ("lab",)
    port: int = 0
    image: Variant = "fast"
    releases: tuple[str, ...] = (recipe.DEBIAN_12.image,)
    machines: Machines = "nspawn"
    snapshot: Path | None = None


def serve(order: Order) -> None:
    """Run a lab until SIGTERM or SIGINT.

    Raises:
        RefusalError: It can't be started; nothing was made.
        ImageError: Its machines' image can't be built; nothing is left of it.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the loop takes over
    registration = Registration(order.name)
    snapshot = None
    if order.snapshot is not None:
        snapshot = read_snapshot(order.snapshot)
        order = replace(order, accounts=tuple(snapshot.papers["tokens"]), image=snapshot.image, machines="qemu")
    if order.machines != "none":
        check_machine(virtual=order.machines == "qemu")
    registration.refuse_if_running()
    former = _read_former(order.folder) | (snapshot.papers if snapshot else {})
    with take_port(order.port or int(former.get("port", 0))) as listening, registration.held() as ledger:
        undone = ledger.undo()
        if undone:
            _log.warning("lab %s: removed %d leftovers of one that was killed", order.name, undone)
        make_folder(order.folder)
        papers = _draw_up_papers(order, former, listening)
        supply = _make_supply(order)
        try:
            asyncio.run(_run(_Setup(order, papers, supply, snapshot), listening, ledger))
        finally:
            if supply is not None:
                supply.close()
            ledger.undo()
            _write_papers(order.folder, {**papers, "pid": None, "started": None})


def _make_supply(order: Order) -> Supply | None:
    """Return the supply of images, with those ready that were ordered; None for a lab without machines."""
    if order.machines == "none":
        return None
    supply = Supply(order.image, virtual=order.machines == "qemu", say=_log.info)
    for name in order.releases:
        supply.have(name)
    return supply


@dataclass(frozen=True)
class _Setup:
    """What a lab is made of; `supply` is None for the API alone, `snapshot` for a lab that begins empty."""

    order: Order
    papers: dict[str, Any]
    supply: Supply | None
    snapshot: Snapshot | None

    async def save(self, world: World, cloud: Cloud, folder: Path) -> None:
        """Save the running lab in an empty folder."""
        await take_snapshot(folder, world, cloud, image=self.order.image, papers=self.papers)


async def _run(setup: _Setup, listening: socket.socket, ledger: Ledger) -> None:
    order, papers, supply = setup.order, setup.papers, setup.supply
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    cloud = Cloud(
        {name: (token,) for name, token in papers["tokens"].items()},
        readers={name: (token,) for name, token in papers["readers"].items()},
    )
    app = make_app(cloud, control_token=papers["control_token"], log=lambda line: _log.info("%s", line))
    sockets = [listening]
    async with contextlib.AsyncExitStack() as stack:
        if supply is not None:
            ground = await asyncio.to_thread(_make_ground, order, ledger)
            watchdog = await start_watchdog(ground.cgroup)
            stack.push_async_callback(end, watchdog)
            world = World(
                ground,
                supply,
                report=order.folder / "world.json",
                stopped=cloud.report_stopped,
                was_reset=cloud.report_reset,
                news=cloud,
            )
            stack.push_async_callback(world.stop)
            await world.start()
            sockets.append(await asyncio.to_thread(world.listen_at_operators, papers["port"]))
            app.router.routes += fault_routes(world.faults, papers["control_token"])
            keeper = _Keeper(world, cloud)
            stack.push_async_callback(keeper.stop)
            cloud.on_change, cloud.settings.disks_reported = keeper.wish, True
            app.router.routes += snapshot_routes(partial(setup.save, world, cloud), papers["control_token"])
            if setup.snapshot is not None:
                await setup.snapshot.stand_up(world, cloud)
                keeper.wish(cloud.wishes())
        api = WebService(server_config(app), sockets)
        await api.start()
        stack.push_async_callback(api.stop)
        _write_papers(order.folder, papers)
        _log.info("lab %s: ready at %s", order.name, papers["endpoint"])
        await ended.wait()
        _log.info("lab %s: ending", order.name)


class _Keeper:
    """Keeps the world in line with the cloud: at once after each change, and again after a failure."""

    def __init__(self, world: World, cloud: Cloud) -> None:
        self._world = world
        self._cloud = cloud
        self._tasks: set[asyncio.Task[None]] = set()

    def wish(self, wishes: tuple[Wish, ...]) -> None:
        """Start to bring the world in line, and return."""
        task = asyncio.get_running_loop().create_task(self._converge(wishes))
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("world: not brought in line, and not tried again", exc_info=error)

    async def stop(self) -> None:
        """Let go of what is under way."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _converge(self, wishes: tuple[Wish, ...]) -> None:
        while True:
            try:
                await self._world.converge(wishes, self._cloud.stores())
            except ExceptionGroup as failures:
                for failure in failures.exceptions:
                    _log.error("world: %s; trying again", failure)
                await asyncio.sleep(_RETRY_S)
                wishes = self._cloud.wishes()
            else:
                return


def _make_ground(order: Order, ledger: Ledger) -> Ground:
    prefix = f"fs-{order.name}"
    folder = order.folder.resolve() / "run"
    cgroup = cgroups.cgroup_root() / prefix
    ledger.note("cgroup", str(cgroup))
    ledger.note("folder", str(folder))
    cgroups.make(cgroup)
    folder.mkdir(mode=0o700, exist_ok=True)
    names = folder / "names"
    names.mkdir(exist_ok=True)
    return Ground(prefix=prefix, folder=folder, names=names, cgroup=cgroup, ledger=ledger)


def _draw_up_papers(order: Order, former: dict[str, Any], listening: socket.socket) -> dict[str, Any]:
    """Return what clients of the lab need to know; port and tokens are those of the former start."""
    port = listening.getsockname()[1]
    kept, kept_readers = former.get("tokens", {}), former.get("readers", {})
    return {
        "name": order.name,
        "pid": os.getpid(),
        "started": start_time(os.getpid()),
        "port": port,
        "endpoint": f"http://127.0.0.1:{port}/v1",
        "control": f"http://127.0.0.1:{port}/lab",
        "control_token": former.get("control_token") or _new_token(),
        "tokens": {name: kept.get(name) or _new_token() for name in order.accounts},
        "readers": {name: kept_readers.get(name) or _new_token() for name in order.accounts},
    }


def _new_token() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(TOKEN_LENGTH))


def _read_former(folder: Path) -> dict[str, Any]:
    try:
        former = json.loads((folder / "lab.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return former if isinstance(former, dict) else {}


def _write_papers(folder: Path, papers: dict[str, Any]) -> None:
    write_private(folder / "lab.json", json.dumps(papers, indent=2) + "\n")

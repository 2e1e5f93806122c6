"""A lab as its users see it: start one, ask it, run something at a place or in a machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.door import Door, DoorError
from lab.faults.injected import FaultDoor, Injected
from lab.ledger import start_time
from lab.registry import Registration
from lab.spots import LabError, MachineSpot, PlaceSpot, Spot, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lab.faults.model import Fault

__all__ = ["Lab", "LabError", "MachineSpot", "PlaceSpot", "Spot", "until"]

START_WITHIN_S: Final = 300.0  # an image may have to be built first; a lab that ends is noticed at once
_ROOM = Path(__file__).parent


class Lab:
    """A lab that runs.

    Args:
        folder: The lab's own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._papers = self._read("lab.json")
        self._process: subprocess.Popen[bytes] | None = None
        if not self.alive:
            raise LabError(f"lab in {self.folder}: not running, allowed: a running one; start it: python -m lab serve")

    @classmethod
    def open(cls, folder: Path | str) -> Lab:
        """Return the lab that runs in a folder.

        Raises:
            LabError: None does.
        """
        return cls(Path(folder))

    @classmethod
    def start(
        cls,
        name: str,
        folder: Path | str,
        *,
        accounts: Sequence[str] = ("lab",),
        image: str = "fast",
        releases: Sequence[str] = (),
        machines: str = "nspawn",
        port: int = 0,
        snapshot: Path | None = None,
        within_s: float = START_WITHIN_S,
    ) -> Lab:
        """Start a lab in the background and return it when it is ready.

        Args:
            name: The lab's.
            folder: The lab's own; its log is written there.
            accounts: Names of the cloud's projects.
            image: `stock` or `fast`.
            releases: Names of the images to have ready before it is; `debian-12` if none is named.
            machines: `nspawn`, `qemu` or `none`.
            port: Of the API; 0 for any.
            snapshot: Folder of a saved lab that is stood up again; accounts, image and machines are then its own.
            within_s: How long to wait.

        Raises:
            LabError: With the lab's own reason.
        """
        folder = Path(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = folder / "serve.log"
        command = [sys.executable, "-m", "lab", "serve", "--name", name, "--dir", str(folder.resolve())]
        command += ["--port", str(port), "--image", image, "--machines", machines]
        if snapshot is not None:
            command += ["--snapshot", str(snapshot.resolve())]
        command += [word for account in accounts for word in ("--account", account)]
        command += [word for release in releases for word in ("--release", release)]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=_ROOM.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        def ready() -> Lab | None:
            if process.poll() is not None:
                raise LabError(log.read_text(encoding="utf-8").strip() or f"lab {name}: ended at once")
            try:
                lab = cls(folder)
            except LabError:
                return None
            return lab if lab.pid == process.pid else None

        try:
            lab = until(ready, within_s, f"lab {name} ready")
        except BaseException:
            process.terminate()
            process.wait()
            raise
        lab._process = process  # noqa: SLF001 - so that `stop` can reap it
        return lab

    @property
    def name(self) -> str:
        """The lab's name."""
        return str(self._papers["name"])

    @property
    def pid(self) -> int:
        """The lab's process."""
        return int(self._papers["pid"])

    @property
    def alive(self) -> bool:
        """Whether the lab's process runs."""
        pid = self._papers.get("pid")
        return pid is not None and start_time(pid) == self._papers["started"]

    @property
    def exit_code(self) -> int | None:
        """What the lab's process ended with; None while it runs, or if it was not started here."""
        return None if self._process is None else self._process.poll()

    @property
    def endpoint(self) -> str:
        """Address of the cloud's API."""
        return str(self._papers["endpoint"])

    @property
    def door(self) -> Door:
        """The lab's own door: what exists in its cloud, what is wrong in its world."""
        return Door(address=str(self._papers["control"]), token=str(self._papers["control_token"]))

    @property
    def tokens(self) -> dict[str, str]:
        """The cloud's projects and what opens them."""
        return dict(self._papers["tokens"])

    @property
    def readers(self) -> dict[str, str]:
        """The cloud's projects and what may read them, and no more: tokens for whoever only looks."""
        return dict(self._papers["readers"])

    def world(self) -> dict[str, Any]:
        """Return where everything is, as of now."""
        return self._read("world.json")

    def place(self, name: str) -> PlaceSpot:
        """Return a place on the internet."""
        world = self.world()
        if name not in world["places"]:
            raise LabError(f"place: {name!r}, allowed: one of {', '.join(sorted(world['places']))}")
        return PlaceSpot(name=name, namespace=world["places"][name], mounts_of=world["mounts_of"]["pid"])

    @property
    def operators_network(self) -> tuple[str, ...]:
        """What comes before a program that shall have the operator's network; nothing where there is no internet."""
        has_internet = (self.folder / "world.json").exists()
        return tuple(self.place("operator").network_command()) if has_internet else ()

    def machine(self, name: str | int) -> MachineSpot:
        """Return a machine by its server's name or id; it need not be there yet."""
        return MachineSpot(world=self.world, name=str(name))

    def publish_names(self, names: Mapping[str, Sequence[str]]) -> None:
        """Make the lab's resolvers know these names and no others beside the lab's own.

        Args:
            names: Host names to their addresses, IPv4 and IPv6.
        """
        folder = Path(self.world()["names"])
        lines = [f"{address} {name}\n" for name, addresses in names.items() for address in addresses]
        fresh = folder.with_name(".published.new")
        fresh.write_text("".join(lines), encoding="ascii")
        fresh.replace(folder / "published")

    def published_names(self) -> dict[str, list[str]]:
        """Return what `publish_names` has made the lab's resolvers know."""
        path, names = Path(self.world()["names"]) / "published", dict[str, list[str]]()
        for line in path.read_text(encoding="ascii").splitlines() if path.exists() else ():
            address, name = line.split()
            names.setdefault(name, []).append(address)
        return names

    def inject(self, fault: Fault) -> Injected:
        """Begin a fault of `lab.faults.model`, or change it if it has begun; `with` heals it at the end.

        Raises:
            FaultError: What it names is not there, or can't have it.
        """
        return self._fault_door.inject(fault)

    def faults(self) -> tuple[Fault, ...]:
        """Return what is wrong in the lab's world, the oldest first."""
        return self._fault_door.faults()

    def heal(self, name: str | None = None) -> None:
        """End the fault of this name, or every one."""
        if name is None:
            self._fault_door.heal_all()
        else:
            self._fault_door.heal(name)

    @property
    def _fault_door(self) -> FaultDoor:
        return FaultDoor(door=self.door)

    def save(self, folder: Path) -> None:
        """Save the running lab, which goes on, into a new folder: machines, cloud and tokens, all of one moment.

        Raises:
            LabError: Its machines are no virtual ones, or something failed.
        """
        folder.mkdir(mode=0o700)
        try:
            self.door.ask("POST", "snapshot", {"folder": str(folder.resolve())})
        except DoorError as error:
            raise LabError(str(error)) from error

    def stop(self) -> None:
        """End the lab and wait until nothing is left of it."""
        Registration(self.name).end()
        if self._process is not None:
            self._process.wait()

    def _read(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise LabError(f"{self.folder / name}: not found, allowed: a running lab's; start one there") from error

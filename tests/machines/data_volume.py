"""An origin's data volume on a machine that is no host: the files of a bundle that it needs, and no others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloud_init import Material, placeholder, render_bundle
from cloud_init.volume import DATA_KEY_PATH, DATA_PATH, DATA_PROGRAM_PATH, DATA_UNIT
from lab.client import until
from tests.stacks import changed, planned

if TYPE_CHECKING:
    from lab.client import MachineSpot
    from tests.machines.ordering import Customer

GIB = 1 << 30
MOUNT_UNIT = "/etc/systemd/system/srv.mount"
OURS = {DATA_PATH, DATA_KEY_PATH, DATA_PROGRAM_PATH, f"/etc/systemd/system/{DATA_UNIT}", MOUNT_UNIT}


@dataclass(frozen=True, kw_only=True)
class DataVolume:
    """A volume at the lab's API, and what the machine that has it is told of it.

    Args:
        somebody: Whose it is.
        number: The API's.
        size_gb: As it is told.
        key: What opens it; empty where it is not encrypted.
    """

    somebody: Customer
    number: int
    size_gb: int = 10
    key: str = ""

    @property
    def device(self) -> str:
        """Return its name in a machine."""
        return f"/dev/disk/by-id/scsi-0HC_Volume_{self.number}"

    def tell(self, machine: MachineSpot) -> None:
        """Write its files into a machine, as a bundle has them."""
        data: dict[str, Any] = {"size_gb": self.size_gb, "encrypted": bool(self.key)}
        host = planned(changed(origins__press__data=data)).origins[0]
        own = {"volume:press": str(self.number), "data-key:press": self.key}
        bundle = render_bundle(host, Material({**placeholder(host).values, **own}))
        files = [file for file in bundle.files if file.path in OURS]
        for file in files:
            script = 'mkdir -p "$(dirname "$1")" /var/lib/farshore; umask 077; cat >"$1"; chmod "$2" "$1"'
            machine.run(["sh", "-ec", script, "sh", file.path, file.mode], given=file.content, check=True)
        on(
            machine,
            f"systemctl daemon-reload; systemctl enable srv.mount; systemctl reset-failed {DATA_UNIT} srv.mount",
        )

    def grow(self, size_gb: int) -> DataVolume:
        """Have its provider resize it."""
        self.somebody.ask("POST", f"/volumes/{self.number}/actions/resize", {"size": size_gb})
        return replace(self, size_gb=size_gb)

    def end(self) -> None:
        """Take it out of its machine, and away."""
        self.somebody.ask("POST", f"/volumes/{self.number}/actions/detach")
        self.somebody.ask("DELETE", f"/volumes/{self.number}")


def order_volume(somebody: Customer, machine: MachineSpot, *, key: str = "", file_system: str = "") -> DataVolume:
    """Order a volume that is in a machine.

    Args:
        somebody: Who orders it.
        machine: Where it is.
        key: What is to open it.
        file_system: What its provider makes on it; empty for a blank one.
    """
    with_fs = {"format": file_system} if file_system else {}
    body = {"name": f"data-{machine.name}", "size": 10, "server": int(machine.name), **with_fs}
    volume = somebody.ask("POST", "/volumes", body)["volume"]
    until(lambda: machine.has(volume["linux_device"]) or None, 60, "the device")
    return DataVolume(somebody=somebody, number=int(volume["id"]), key=key)


def on(machine: MachineSpot, script: str, within_s: float = 120) -> str:
    """Return what a script says that must succeed."""
    done = machine.run(["sh", "-ec", script], within_s=within_s)
    assert done.returncode == 0, done
    return done.stdout.strip()


def refusal(machine: MachineSpot) -> str:
    """Start it, see that it is refused, and return what is said to whoever looks at the host."""
    done = machine.run(["systemctl", "start", "srv.mount"], within_s=180)
    assert done.returncode != 0, done
    assert machine.run(["findmnt", "/srv"]).returncode != 0
    said = on(machine, "cat /run/farshore-data-refused")
    assert said in on(machine, f"journalctl --no-pager -o cat -u {DATA_UNIT}")
    return said


def end_of(machine: MachineSpot, device: str) -> str:
    """Return a sum over both ends of a device: whatever writes to it by mistake changes one of them."""
    return on(machine, f"{{ head -c 4M {device}; tail -c 4M {device}; }} | sha256sum")

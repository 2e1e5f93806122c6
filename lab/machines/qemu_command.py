"""The command line of a virtual machine. Pure, but for the look at this machine's KVM."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from lab.machines.qemu_clock import measure_counter_khz
from lab.machines.qemu_disks import render_controller, render_disk
from lab.machines.qemu_layer import EMULATED_ARGUMENTS, KERNEL_ARGUMENTS
from lab.machines.qemu_wire import PORT_PREFIX, PORTS

if TYPE_CHECKING:
    from lab.machines.driver import Disk
    from lab.machines.qemu_image import VirtualImage

Accelerator: TypeAlias = Literal["kvm", "tcg"]

QMP: Final = "qmp"  # its socket, in the machine's folder
DISK: Final = "disk.qcow2"
MEMORY_MIB: Final = 512
_KVM_CREATE_VM: Final = 0xAE01  # linux/kvm.h

_PROCESSOR: Final[dict[Accelerator, str]] = {
    "kvm": "max",
    "tcg": "max,-la57,-svm",  # five levels of page tables and nested machines only cost time
}
_ACCELERATOR: Final[dict[Accelerator, str]] = {"kvm": "kvm", "tcg": "tcg,thread=multi,tb-size=256"}


def find_accelerator(device: Path = Path("/dev/kvm"), cpuinfo: Path = Path("/proc/cpuinfo")) -> Accelerator:
    """Return `kvm` where the processor and the kernel can run a virtual machine, else `tcg`: all of it emulated.

    A kernel may offer KVM on a processor without it (kvm-pvm): Debian's kernel does not get through its boot there.
    """
    if not re.search(r"^flags\b.* (vmx|svm)\b", cpuinfo.read_text(encoding="utf-8"), re.MULTILINE):
        return "tcg"
    try:
        kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return "tcg"
    try:
        os.close(fcntl.ioctl(kvm, _KVM_CREATE_VM, 0))
    except OSError:
        return "tcg"
    finally:
        os.close(kvm)
    return "kvm"


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a machine is made of.

    Args:
        serial: Its SMBIOS serial: the server's id.
        mac: Address of its network card.
        tap: Interface of the namespace that QEMU runs in, which the card is connected to.
        console: File that the serial console is appended to.
        accelerator: What runs its instructions.
        disks: Volumes that are plugged in from the start.
        counter_khz: Frequency of this machine's time stamp counter, which an emulated one runs with; 0 if unknown.
    """

    serial: int
    mac: str
    tap: str
    console: Path
    accelerator: Accelerator
    disks: tuple[Disk, ...] = ()
    counter_khz: int = 0


def render_disk_command(image: VirtualImage, *, existing: bool = False) -> list[str]:
    """Return the command that makes a machine's disk, to be run in the machine's folder.

    Args:
        image: Whose disk it lies over.
        existing: The disk is there already, and is put over the image's, wherever that lay before.
    """
    verb = ["rebase", "-u"] if existing else ["create"]
    return ["qemu-img", *verb, "-q", "-f", "qcow2", "-F", "raw", "-b", str(image.disk), DISK]


def render_copy_command(disk: Path, target: Path) -> list[str]:
    """Return the command that copies a machine's disk into a folder, with its holes."""
    return ["cp", "--sparse=always", "--reflink=auto", "--", str(disk), str(target)]


def render_command(hardware: Hardware, image: VirtualImage) -> list[str]:
    """Return the command that is the machine, to be run in the machine's folder.

    At a reboot or a shutdown of the machine's own QEMU stands still until it is told to quit: nothing it says of it
    can be lost, and the next boot is a process of its own.
    """
    arguments: tuple[str, ...] = KERNEL_ARGUMENTS
    if hardware.accelerator == "tcg":
        arguments += EMULATED_ARGUMENTS
        arguments += (f"tsc_early_khz={hardware.counter_khz}",) if hardware.counter_khz else ()
    command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none"]
    command += ["-machine", "q35", "-accel", _ACCELERATOR[hardware.accelerator]]
    command += ["-cpu", _PROCESSOR[hardware.accelerator], "-smp", "2", "-m", f"{MEMORY_MIB}M", "-rtc", "base=utc"]
    command += ["-action", "reboot=shutdown,shutdown=pause", "-qmp", f"unix:{QMP},server=on,wait=off"]
    command += ["-smbios", f"type=1,manufacturer=Hetzner,product=vServer,serial={hardware.serial}"]
    command += ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", " ".join(arguments)]
    command += [
        "-chardev",
        f"file,id=console,path={_escaped(hardware.console)},append=on",
        "-serial",
        "chardev:console",
    ]
    # Written back when the machine asks for it, as a disk does: what it has not asked for dies with QEMU.
    command += ["-drive", f"if=none,id=disk,file={DISK},format=qcow2,cache=writeback,discard=unmap"]
    command += ["-device", "virtio-blk-pci,drive=disk"]
    command += render_controller()
    for disk in hardware.disks:
        command += render_disk(disk)
    command += ["-netdev", f"tap,id=cable,ifname={hardware.tap},script=no,downscript=no"]
    command += ["-device", f"virtio-net-pci,netdev=cable,mac={hardware.mac},romfile="]
    command += ["-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"]
    command += ["-device", f"virtio-serial-pci,max_ports={PORTS + 1}"]  # the first is a console's, and not used
    for number in range(PORTS):
        command += ["-chardev", f"socket,id=port{number},path=port{number},server=on,wait=off"]
        command += ["-device", f"virtserialport,nr={number + 1},chardev=port{number},name={PORT_PREFIX}{number}"]
    return command


def render_makings(image: VirtualImage, accelerator: Accelerator) -> dict[str, str]:
    """Return what a machine's saved memory rests on: with another of these it can't go on."""
    hardware = Hardware(serial=0, mac="", tap="", console=Path("/"), accelerator=accelerator)
    words = [word.replace(str(image.folder), "") for word in render_command(hardware, image)]
    makings = {
        "QEMU": _version(),
        "image": image.folder.name,
        "hardware": hashlib.sha256("\0".join(words).encode()).hexdigest()[:16],
    }
    if accelerator == "kvm":
        flags = re.search(r"^flags\b.*$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        makings["processor"] = hashlib.sha256((flags[0] if flags else "").encode()).hexdigest()[:16]
    else:  # its kernel was told how fast the counter runs, and goes by that
        makings["counter"] = f"{measure_counter_khz() / 1_000_000:.2f} GHz"
    return makings


@functools.cache
def _version() -> str:
    said = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    return said.splitlines()[0]


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")  # as qemu(1) wants it in a list of options

"""The command line of a virtual machine, and when it is an emulated one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.machines import qemu_command
from lab.machines.qemu_build import unpack_kernel
from lab.machines.qemu_clock import measure_counter_khz
from lab.machines.qemu_command import Hardware, find_accelerator, render_command, render_makings
from lab.machines.qemu_image import VirtualImage
from lab.machines.qemu_wire import PORTS
from lab.machines.steps import BuildError

if TYPE_CHECKING:
    from lab.machines.qemu_command import Accelerator

WITH_KVM = "flags\t\t: fpu vme vmx sse\n"
WITHOUT = "flags\t\t: fpu vme sse hypervisor\nvmx flags\t: vnmi\n"
HARDWARE = Hardware(serial=7, mac="96:00:00:00:00:07", tap="c0", console=Path("/lab/a,b.log"), accelerator="tcg")


@pytest.mark.parametrize("flags", [WITH_KVM, WITHOUT])
def test_a_device_that_is_no_kvm_means_emulation(tmp_path: Path, flags: str) -> None:
    """Neither a file in its place nor none is taken for KVM."""
    (tmp_path / "cpuinfo").write_text(flags)
    (tmp_path / "kvm").write_text("")
    assert find_accelerator(tmp_path / "kvm", tmp_path / "cpuinfo") == "tcg"
    assert find_accelerator(tmp_path / "none", tmp_path / "cpuinfo") == "tcg"


def test_the_machine_says_what_a_server_says() -> None:
    """Vendor, product and id in SMBIOS, and its own MAC on a TAP."""
    words = render_command(HARDWARE, VirtualImage(folder=Path("/image")))
    assert "type=1,manufacturer=Hetzner,product=vServer,serial=7" in words
    assert "virtio-net-pci,netdev=cable,mac=96:00:00:00:00:07,romfile=" in words
    assert "tap,id=cable,ifname=c0,script=no,downscript=no" in words
    assert [word for word in words if word.startswith("virtserialport")] == [
        f"virtserialport,nr={number + 1},chardev=port{number},name=farshore.lab.{number}" for number in range(PORTS)
    ]


def test_a_comma_in_a_path_is_no_option() -> None:
    """QEMU reads a comma as the end of an option unless there are two."""
    words = render_command(HARDWARE, VirtualImage(folder=Path("/image")))
    assert "file,id=console,path=/lab/a,,b.log,append=on" in words


def test_the_disk_is_flushed_when_the_machine_asks() -> None:
    """Else what it has synced could be lost with QEMU."""
    words = render_command(HARDWARE, VirtualImage(folder=Path("/image")))
    assert [word for word in words if "cache=" in word] == [
        "if=none,id=disk,file=disk.qcow2,format=qcow2,cache=writeback,discard=unmap"
    ]


@pytest.mark.parametrize(("accelerator", "trusted"), [("tcg", True), ("kvm", False)])
def test_only_an_emulated_clock_is_trusted_unseen(accelerator: Accelerator, *, trusted: bool) -> None:
    """With KVM the kernel chooses its clock by itself."""
    hardware = replace(HARDWARE, accelerator=accelerator)
    words = render_command(hardware, VirtualImage(folder=Path("/image")))
    assert ("tsc=reliable" in words[words.index("-append") + 1]) is trusted


def test_an_emulated_clock_is_told_how_fast_it_runs() -> None:
    """The kernel of one with KVM asks the processor, and one that nobody could measure for finds out by itself."""

    def told(hardware: Hardware) -> list[str]:
        words = render_command(hardware, VirtualImage(folder=Path("/image")))
        return [word for word in words[words.index("-append") + 1].split() if word.startswith("tsc_early_khz")]

    assert told(replace(HARDWARE, counter_khz=2_596_120)) == ["tsc_early_khz=2596120"]
    assert told(HARDWARE) == []
    assert told(replace(HARDWARE, counter_khz=2_596_120, accelerator="kvm")) == []


def test_the_counter_is_measured_alike_each_time() -> None:
    """To a thousandth, however busy the cores are: the guest's clock is as right as this."""
    first = measure_counter_khz()
    measure_counter_khz.cache_clear()
    assert first > 100_000
    assert abs(measure_counter_khz() / first - 1) < 0.001


def test_a_memory_rests_on_qemu_image_and_hardware_and_on_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache may lie elsewhere; another image, accelerator or QEMU is another machine."""
    monkeypatch.setattr(qemu_command, "_version", lambda: "QEMU emulator version 7.2.22")
    makings = render_makings(VirtualImage(folder=Path("/one/ab12")), "tcg")
    assert makings == render_makings(VirtualImage(folder=Path("/other/ab12")), "tcg")
    assert makings["QEMU"] == "QEMU emulator version 7.2.22"
    other = render_makings(VirtualImage(folder=Path("/one/cd34")), "tcg")
    assert {key for key in makings if makings[key] != other[key]} == {"image"}
    faster = render_makings(VirtualImage(folder=Path("/one/ab12")), "kvm")
    assert makings["hardware"] != faster["hardware"]
    assert set(faster) ^ set(makings) == {"processor", "counter"}


def test_a_kernel_that_is_packed_otherwise_is_refused() -> None:
    """Nothing is written in its place."""
    with pytest.raises(BuildError, match=r"^kernel: nothing in it is packed with lz4 or zstd, allowed: "):
        unpack_kernel(b"MZ" + bytes(1000))

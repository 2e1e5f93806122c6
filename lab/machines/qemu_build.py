"""Build what a virtual machine boots from; a program of its own, started in a private mount namespace.

Speaks as `steps` says. Builds into a folder that its caller throws away on failure.

    disk.raw     an ext4 of the image's layers and one more; each machine writes over it, never into it
    vmlinux      Debian's kernel, unpacked: QEMU starts it without a boot loader
    initrd.img   with what it takes to find the disk
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.machines.guard import check_namespace, check_root
from lab.machines.qemu_layer import DISK_GIB, PACKAGES, ROOT_LABEL, write_qemu_layer
from lab.machines.steps import BuildError, build_as_asked, enter_phase, run_step

if TYPE_CHECKING:
    from collections.abc import Iterator

# How Debian packs its cloud kernel: lz4's old frame format in Debian 12, zstd in Debian 13.
_PACKINGS = {"lz4": b"\x02!L\x18", "zstd": b"\x28\xb5\x2f\xfd"}
_ELF_MAGIC = b"\x7fELF"


def build(asked: dict[str, Any]) -> None:
    """Build all of it into the empty folder `asked["into"]`."""
    check_namespace()
    into = Path(asked["into"])
    with _merged(into, asked["layers"]) as root:
        write_qemu_layer(root)
        enter_phase("kernel: fetching")
        _fetch(into, root, sources=asked["sources"], apt_options=asked["apt_options"])
        enter_phase("kernel: installing")
        with _host_folders(root):
            _install(root)
        enter_phase("kernel: unpacking")
        _take_kernel(root, into)
        enter_phase("disk")
        _make_disk(root, into / "disk.raw")
    run_step(["rm", "-rf", str(into / "upper"), str(into / "work"), str(into / "apt")])


@contextlib.contextmanager
def _merged(into: Path, layers: list[str]) -> Iterator[Path]:
    """Mount a new layer over the image's."""
    upper, work, merged = into / "upper", into / "work", into / "merged"
    for folder in (upper, work, merged):
        folder.mkdir()
    upper.chmod(0o755)
    options = f"lowerdir={':'.join(layers)},upperdir={upper},workdir={work}"
    run_step(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)])
    try:
        yield check_root(merged, into)
    finally:
        run_step(["umount", str(merged)])
    merged.rmdir()


@contextlib.contextmanager
def _host_folders(root: Path) -> Iterator[None]:
    """Give the packages' scripts what they expect; none of it is there when the disk is made."""
    run_step(["mount", "-t", "proc", "proc", str(root / "proc")])
    run_step(["mount", "--bind", "/dev", str(root / "dev")])
    try:
        yield
    finally:
        run_step(["umount", str(root / "dev")])
        run_step(["umount", str(root / "proc")])


def _fetch(into: Path, root: Path, *, sources: list[str], apt_options: str) -> None:
    """Fetch the packages and what they need with this machine's apt, by what is installed in `root`."""
    folder = into / "apt"
    for name in ("lists/partial", "archives/partial", "etc"):
        (folder / name).mkdir(parents=True)
    (folder / "etc/sources.list").write_text("\n".join(sources) + "\n", encoding="utf-8")
    (folder / "etc/apt.conf").write_text(
        f'Dir::State::status "{root}/var/lib/dpkg/status";\n'
        f'Dir::State::lists "{folder}/lists";\n'
        f'Dir::Cache "{folder}";\n'
        f'Dir::Etc::sourcelist "{folder}/etc/sources.list";\n'
        'Dir::Etc::sourceparts "/dev/null";\n'
        'Dir::Etc::preferencesparts "/dev/null";\n'
        'APT::Sandbox::User "root";\n'
        'APT::Install-Recommends "false";\n' + apt_options,
        encoding="utf-8",
    )
    apt = ["env", f"APT_CONFIG={folder}/etc/apt.conf", "apt-get", "--quiet", "--yes"]
    run_step([*apt, "update"])
    run_step([*apt, "--download-only", "install", *PACKAGES])
    (root / "mnt/debs").mkdir()
    for deb in (folder / "archives").glob("*.deb"):
        run_step(["mv", str(deb), str(root / "mnt/debs")])


def _install(root: Path) -> None:
    debs = root / "mnt/debs"
    kernels = set(debs.glob("linux-image-*.deb"))
    # The kernel last: since Debian 13 it wants linux-base configured before it is even unpacked.
    for part in (set(debs.glob("*.deb")) - kernels, kernels):
        inside = [f"/mnt/debs/{deb.name}" for deb in sorted(part)]
        run_step(["chroot", str(root), "dpkg", "--force-unsafe-io", "--install", *inside])
    run_step(["rm", "-rf", str(debs)])
    for leftover in root.glob("var/log/dpkg.log"):
        leftover.unlink()


def _take_kernel(root: Path, into: Path) -> None:
    kernels, initrds = list(root.glob("boot/vmlinuz-*")), list(root.glob("boot/initrd.img-*"))
    if len(kernels) != 1 or len(initrds) != 1:
        raise BuildError(f"kernels: {len(kernels)} with {len(initrds)} initramfs, allowed: one with one")
    (into / "vmlinux").write_bytes(unpack_kernel(kernels[0].read_bytes()))
    (into / "initrd.img").write_bytes(initrds[0].read_bytes())


def unpack_kernel(packed: bytes) -> bytes:
    """Return the ELF inside a bzImage.

    Raises:
        BuildError: There is none that is packed as Debian packs its cloud kernels.
    """
    for program, magic in _PACKINGS.items():
        start = packed.find(magic)
        while start >= 0:
            # It fails on what follows the kernel; by then all of it is out.
            unpack = [program, "-dc"]
            unpacked = subprocess.run(unpack, input=packed[start:], capture_output=True, check=False).stdout
            if unpacked.startswith(_ELF_MAGIC):
                return unpacked
            start = packed.find(magic, start + 1)
    raise BuildError(
        f"kernel: nothing in it is packed with {' or '.join(_PACKINGS)}, allowed: Debian's cloud kernel; "
        "look how this one is"
    )


def _make_disk(root: Path, disk: Path) -> None:
    disk.touch(mode=0o600)
    os.truncate(disk, DISK_GIB << 30)
    options = ["-E", "lazy_itable_init=1,lazy_journal_init=1", "-O", "^metadata_csum_seed"]
    run_step(["mke2fs", "-q", "-t", "ext4", "-L", ROOT_LABEL, *options, "-d", str(root), str(disk)])


if __name__ == "__main__":
    sys.exit(build_as_asked(build))

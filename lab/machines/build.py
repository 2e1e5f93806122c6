"""Build the image's layers; a program of its own, started in a private mount namespace.

Speaks as `steps` says. Builds into a folder that its caller throws away on failure.

    rootfs/       what a provider's Debian image has
    repository/   signed packages that rootfs lacks
    fast/         over rootfs: the tunnel's and the edge's packages
    nspawn/       over either: where a machine under systemd-nspawn differs from a server
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lab.machines import recipe
from lab.machines.guard import check_namespace, check_root
from lab.machines.nspawn_layer import write_nspawn_layer
from lab.machines.repository import make_repository
from lab.machines.steps import build_as_asked, enter_phase, run_step
from lab.machines.ubuntu import fetch_keyring, signed_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.machines.recipe import Release


# Ubuntu gives an update to a part of the machines first; which part this one is in should change no image.
_SETTLED: Final = 'APT::Get::Never-Include-Phased-Updates "true";\n'


def build(asked: dict[str, Any]) -> None:
    """Build all layers into the empty folder `asked["into"]`."""
    check_namespace()
    into, release = Path(asked["into"]), recipe.RELEASES[asked["image"]]
    debs = into / "debs"
    debs.mkdir()
    sources, apt_options = asked["sources"], asked["apt_options"]
    if release.distribution == "ubuntu":
        enter_phase("keys of Ubuntu's archive, by Debian's package of them")
        keys = fetch_keyring(into / "keys", asked["keyring_sources"], apt_options)
        sources = [signed_by(line, keys) for line in sources]
        apt_options += _SETTLED
    enter_phase("base system")
    _bootstrap(into, release=release, sources=sources, apt_options=apt_options)
    run_step(["rm", "-rf", str(into / "keys")])
    rootfs = check_root(into / "rootfs", into)
    enter_phase("choices of the provider's image")
    _customise(rootfs, release)
    enter_phase("package repository")
    keyring = rootfs / recipe.MIRROR_KEYRING.lstrip("/")
    make_repository(debs, into / "repository", release=release.codename, keyring=keyring)
    debs.rmdir()
    enter_phase("tunnel and edge packages")
    with _layer(into, "fast") as root:
        _install(root, into / "repository", recipe.FAST_PACKAGES, release.codename)
        _disable(root)
    enter_phase("what differs under systemd-nspawn")
    with _layer(into, "nspawn") as root:
        write_nspawn_layer(root)


def _bootstrap(into: Path, *, release: Release, sources: list[str], apt_options: str) -> None:
    """Run mmdebstrap, and collect the repository's packages while its package lists are there."""
    collect = (
        'rm "$1"/var/cache/apt/archives/*.deb && '
        'apt-get --config-file="$MMDEBSTRAP_APT_CONFIG" --yes --quiet --no-install-recommends --download-only install '
        + " ".join(recipe.REPOSITORY_PACKAGES)
        + f' && mv "$1"/var/cache/apt/archives/*.deb "{into}/debs/"'
    )
    with tempfile.NamedTemporaryFile("w", suffix=".conf", dir=into, encoding="utf-8") as options:
        options.write(apt_options)
        options.flush()
        command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory"]
        command += [f"--include={','.join((*recipe.STOCK_PACKAGES, *release.packages))}"]
        command += [f"--dpkgopt={option}" for option in recipe.DPKG_OPTIONS]
        command += [f"--aptopt={options.name}", f"--customize-hook={collect}", release.codename]
        command += [str(into / "rootfs"), "-"]
        run_step(command, given="\n".join(sources) + "\n")


def _customise(rootfs: Path, release: Release) -> None:
    (rootfs / "etc/apt/sources.list").unlink()  # the host's way to its mirror is none of the machine's business
    for path, text in {**recipe.STOCK_FILES, **release.files, release.sources_file: release.sources}.items():
        target = rootfs / path
        target.unlink(missing_ok=True)  # may be a link that leads elsewhere
        target.write_text(text, encoding="utf-8")
    for path, leads_to in release.links.items():
        (rootfs / path).unlink(missing_ok=True)
        (rootfs / path).symlink_to(leads_to)
    for leftover in (*rootfs.glob("etc/ssh/ssh_host_*"), rootfs / "var/lib/dbus/machine-id"):
        leftover.unlink(missing_ok=True)
    for aptopt in rootfs.glob("etc/apt/apt.conf.d/99mmdebstrap"):
        aptopt.unlink()  # the same
    run_step(["chroot", str(rootfs), "locale-gen"])
    _disable(rootfs)


def _disable(root: Path) -> None:
    present = [unit for unit in recipe.DISABLED_UNITS if (root / "lib/systemd/system" / unit).exists()]
    run_step(["chroot", str(root), "systemctl", "disable", *present])


def _install(root: Path, repository: Path, packages: tuple[str, ...], codename: str) -> None:
    """Install from the lab's own repository, with nothing started."""
    policy, served = root / "usr/sbin/policy-rc.d", root / "mnt"
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)
    run_step(["mount", "--bind", "-o", "ro", str(repository), str(served)])
    try:
        listed = f"deb [signed-by={recipe.MIRROR_KEYRING}] file:/mnt {codename} main\n"
        options = ["-o", "Dir::Etc::SourceList=/tmp/lab.list", "-o", "Dir::Etc::SourceParts=/dev/null"]
        options += ["-o", "APT::Sandbox::User=root"]
        (root / "tmp/lab.list").write_text(listed, encoding="utf-8")
        apt = ["chroot", str(root), "apt-get", "--quiet", "--yes", *options]
        run_step([*apt, "update"])
        run_step([*apt, "--no-install-recommends", "install", *packages])
    finally:
        run_step(["umount", str(served)])
        (root / "tmp/lab.list").unlink(missing_ok=True)
        policy.unlink()
    for leftover in (*root.glob("var/lib/apt/lists/*Packages"), *root.glob("var/lib/apt/lists/*Release")):
        leftover.unlink()
    for leftover in (*root.glob("var/cache/apt/*.bin"), *root.glob("var/log/apt/*"), root / "var/log/dpkg.log"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def _layer(into: Path, name: str) -> Iterator[Path]:
    """Mount a new layer over the base system; what is written through the mount stays in `into/name`."""
    upper, work, merged = into / name, into / f"{name}.work", into / f"{name}.merged"
    for folder in (upper, work, merged):
        folder.mkdir()
    upper.chmod(0o755)
    options = f"lowerdir={into / 'rootfs'},upperdir={upper},workdir={work}"
    run_step(["mount", "-t", "overlay", "overlay", "-o", options, str(merged)])
    try:
        root = check_root(merged, into)
        run_step(["mount", "-t", "proc", "proc", str(root / "proc")])
        run_step(["mount", "--bind", "/dev", str(root / "dev")])
        yield root
    finally:
        run_step(["umount", "--recursive", str(merged)])
    merged.rmdir()
    run_step(["rm", "-rf", str(work)])


if __name__ == "__main__":
    sys.exit(build_as_asked(build))

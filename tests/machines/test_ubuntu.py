"""Ubuntu's archive: asked for where Debian's is, checked by Debian's word, and plainly refused where there is none.

The archives here are real ones, small, signed with keys of their own and served from a folder.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from lab.machines import image, recipe, ubuntu
from lab.machines.image import Image, ImageError, UnreachableError, check_obtainable, ensure_image
from lab.machines.qemu_image import ensure_virtual_image
from lab.machines.repository import make_repository
from lab.machines.sources import AptSource, read_sources, read_transport_options
from lab.machines.steps import BuildError
from tests.machines.releases import require

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.lab

SUITE = ubuntu.KEYRING_RELEASE


def archive(folder: Path, *, keyring_package: bool) -> tuple[str, Path]:
    """Return the line of an archive in a folder, with or without the package of Ubuntu's keys, and the archive's key."""
    debs, repository, key = folder / "debs", folder / "repository", folder / "key.gpg"
    debs.mkdir(parents=True)
    if keyring_package:
        package = folder / "package"
        (package / "DEBIAN").mkdir(parents=True)
        (package / "usr/share/keyrings").mkdir(parents=True)
        (package / "usr/share/keyrings/ubuntu-archive-keyring.gpg").write_bytes(b"keys of Ubuntu")
        fields = "Package: ubuntu-keyring\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: keys\n"
        (package / "DEBIAN/control").write_text(fields, encoding="ascii")
        build = ["dpkg-deb", "--root-owner-group", "--build", str(package), str(debs / "ubuntu-keyring_1_all.deb")]
        subprocess.run(build, check=True, capture_output=True)
    make_repository(debs, repository, release=SUITE, keyring=key)
    return f"deb copy:{repository} {SUITE} main", key


def test_the_keys_come_from_a_package_that_debian_has_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the package has in it is what the build is checked with."""
    line, key = archive(tmp_path / "debian", keyring_package=True)
    monkeypatch.setattr(ubuntu, "_DEBIAN_KEYS", str(key))
    assert ubuntu.fetch_keyring(tmp_path / "keys", [line], "").read_bytes() == b"keys of Ubuntu"


def test_keys_that_debian_has_not_signed_are_refused(tmp_path: Path) -> None:
    """The same archive, signed by somebody else than Debian: nothing is unpacked."""
    line, _ = archive(tmp_path / "debian", keyring_package=True)
    with pytest.raises(BuildError, match=r"InRelease' is not signed"):
        ubuntu.fetch_keyring(tmp_path / "keys", [line], "")
    assert not (tmp_path / "keys/unpacked").exists()


def test_a_package_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte more in the package, under an index that is signed well."""
    line, key = archive(tmp_path / "debian", keyring_package=True)
    monkeypatch.setattr(ubuntu, "_DEBIAN_KEYS", str(key))
    (package,) = (tmp_path / "debian/repository/pool").rglob("*.deb")
    with package.open("ab") as changed:
        changed.write(b"x")
    with pytest.raises(BuildError, match="Some files failed to download"):
        ubuntu.fetch_keyring(tmp_path / "keys", [line], "")
    assert not (tmp_path / "keys/unpacked").exists()


def test_an_archive_answers_or_does_not(tmp_path: Path) -> None:
    """Whoever has signed it: that is the build's to check. Nothing answers where there is nothing."""
    line, _ = archive(tmp_path / "there", keyring_package=False)
    assert ubuntu.answers([line], "")
    shutil.rmtree(tmp_path / "there/repository")
    assert not ubuntu.answers([line], "")


def test_where_no_archive_answers_the_image_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is made; what is in the cache already needs no archive, and Debian's images none of Ubuntu's."""
    nowhere = (AptSource(uri=f"copy:{tmp_path}/no-mirror/ubuntu/", suite="noble"),)
    monkeypatch.setattr(image, "read_sources", lambda *_: nowhere)
    monkeypatch.setattr(image, "_run_build", lambda *_: None)
    with pytest.raises(
        UnreachableError,
        match=r"^image 'ubuntu-24\.04': no archive of Ubuntu answers beside Debian's at this machine's package mirror, "
        r"allowed here: debian-12, debian-13; name a mirror of both below /etc/apt$",
    ):
        ensure_image("fast", release=recipe.UBUNTU_24_04, cache=tmp_path / "cache", say=lambda _: None)
    assert not (tmp_path / "cache").exists()
    ensure_image("fast", release=recipe.DEBIAN_13, cache=tmp_path / "cache", say=lambda _: None)
    with monkeypatch.context() as reached:
        reached.setattr(ubuntu, "answers", lambda *_: True)
        ensure_image("fast", release=recipe.UBUNTU_24_04, cache=tmp_path / "cache", say=lambda _: None)
    check_obtainable(recipe.UBUNTU_24_04, cache=tmp_path / "cache")


def test_for_virtual_machines_it_is_refused(tmp_path: Path) -> None:
    """The lab has no kernel of Ubuntu's for them, and says so before anything is made."""
    built = Image(folder=tmp_path / "ubuntu-24.04-0", release=recipe.UBUNTU_24_04, variant="fast")
    with pytest.raises(
        ImageError,
        match=r"^image 'ubuntu-24\.04': the lab has no kernel of it for virtual machines, allowed there: Deb",
    ):
        ensure_virtual_image(built, release="noble", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_real_archive_is_opened_by_the_keys_that_debian_has_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: Debian's own keys don't open it, so whoever serves it has to have Ubuntu's signature."""
    require(recipe.UBUNTU_24_04)
    options = read_transport_options()
    debian = [source.line for source in read_sources(SUITE) if source.suite == SUITE]
    noble = [source.line for source in read_sources("noble", "ubuntu") if source.suite == "noble"]
    with pytest.raises(BuildError, match=r"noble InRelease' is not signed"):
        ubuntu.fetch_keyring(tmp_path / "refused", noble, options)
    keys = ubuntu.fetch_keyring(tmp_path / "keys", debian, options)
    monkeypatch.setattr(ubuntu, "_DEBIAN_KEYS", str(keys))
    assert ubuntu.fetch_keyring(tmp_path / "opened", noble, options).is_file()  # Ubuntu has the package as well

"""The machines' image: what names it, and what is left when it can't be built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lab.machines import image, recipe, ubuntu
from lab.machines.image import ImageError, ensure_image, fingerprint
from lab.machines.sources import AptSource, SourceError, own_codename, parse_targets, read_sources

ROOM = Path(image.__file__).parent
SOURCES = tuple(AptSource(uri="http://one.example/debian", suite=f"bookworm{pocket}") for pocket in ("", "-updates"))
ELSEWHERE = tuple(AptSource(uri="http://two.example/debian", suite=source.suite) for source in SOURCES)


@pytest.mark.parametrize(
    "ingredient", ["recipe.py", "build.py", "steps.py", "repository.py", "nspawn_layer.py", "ubuntu.py"]
)
def test_another_recipe_is_another_image(tmp_path: Path, ingredient: str) -> None:
    """One byte more in what makes the image, and its name is another one."""
    room = tmp_path / "room"
    shutil.copytree(ROOM, room, ignore=shutil.ignore_patterns("__pycache__"))
    assert fingerprint(SOURCES, release="bookworm", room=room) == fingerprint(SOURCES, release="bookworm")
    with (room / ingredient).open("a", encoding="utf-8") as text:
        text.write("\n")
    assert fingerprint(SOURCES, release="bookworm", room=room) != fingerprint(SOURCES, release="bookworm")


def test_suites_and_release_are_part_of_the_name_and_the_mirror_is_not() -> None:
    """The same suites from another mirror are the same packages; other suites or another release are not."""
    name = fingerprint(SOURCES, release="bookworm")
    assert fingerprint(ELSEWHERE, release="bookworm") == name
    assert fingerprint(tuple(reversed(SOURCES)), release="bookworm") == name
    assert fingerprint(SOURCES[:1], release="bookworm") != name
    assert fingerprint(SOURCES, release="trixie") != name


TARGETS = """\
bookworm|main|http://one.example/debian/
bookworm|contrib|http://one.example/debian/
bookworm-security|main|http://two.example/debian-security/
nodistro|main|https://else.example/
"""


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_sources_are_this_machines_own_for_the_wanted_release(release: str) -> None:
    """Debian's suites of component main are taken, renamed to the wanted release; anybody else's are not."""
    assert [source.line for source in parse_targets(TARGETS, codename="bookworm", release=release)] == [
        f"deb http://one.example/debian/ {release} main",
        f"deb http://two.example/debian-security/ {release}-security main",
    ]


def test_ubuntu_is_looked_for_beside_debian() -> None:
    """At the mirror of Debian's own suite, security updates among the rest: Debian's security mirror has none."""
    found = parse_targets(TARGETS, codename="bookworm", release="noble", distribution="ubuntu")
    assert [source.line for source in found] == [
        "deb http://one.example/ubuntu/ noble main",
        "deb http://one.example/ubuntu/ noble-updates main",
        "deb http://one.example/ubuntu/ noble-security main",
    ]


def test_a_machine_without_debians_sources_is_told_so() -> None:
    """Without the release's own suite there is nothing to build from."""
    with pytest.raises(
        SourceError, match=r"^image: apt has no source 'trixie' with component 'main', allowed: Debian's"
    ):
        parse_targets(TARGETS, codename="trixie", release="bookworm")


def test_the_code_name_is_read_from_os_release(tmp_path: Path) -> None:
    """With or without quotes; without the field, the remedy is said."""
    file = tmp_path / "os-release"
    file.write_text('ID=debian\nVERSION_CODENAME="bookworm"\n', encoding="ascii")
    assert own_codename(file) == "bookworm"
    file.write_text("ID=other\n", encoding="ascii")
    with pytest.raises(SourceError, match="has no VERSION_CODENAME; run the lab on Debian"):
        own_codename(file)


@pytest.mark.lab
def test_this_machines_sources_have_debians_suites() -> None:
    """The real apt is asked, and names at least the release itself."""
    for release in recipe.RELEASES.values():
        assert release.codename in {source.suite for source in read_sources(release.codename, release.distribution)}


@pytest.mark.lab
def test_too_little_space_is_said_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has what is free, what is needed and where; no folder of a build is left."""
    monkeypatch.setattr(image, "NEEDED_MIB", 1 << 30)
    with pytest.raises(
        ImageError, match=rf"^image: no space left, \d+ MiB free under {tmp_path}, allowed: 1073741824; free"
    ):
        ensure_image("fast", cache=tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.lab
def test_a_build_that_fails_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that isn't there: the phase is shown, then one message with the program's own reason."""
    nowhere = (AptSource(uri=f"file:{tmp_path}/no-mirror", suite="bookworm"),)
    monkeypatch.setattr(image, "read_sources", lambda *_: nowhere)
    shown: list[str] = []
    with pytest.raises(ImageError, match=r"^image: mmdebstrap failed \(exit \d+\): .+; run it again$") as refused:
        ensure_image("fast", cache=tmp_path, say=shown.append)
    assert "\n" not in str(refused.value)
    assert shown == ["image: base system"]
    assert leftovers(tmp_path) == []


@pytest.mark.lab
def test_a_full_disk_in_the_middle_is_told_like_one_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever program meets it, `No space left on device` becomes the message that says where to free some."""

    def fail(*_: object) -> None:
        raise ImageError(image.explain("tar failed: No space left on device", tmp_path))

    monkeypatch.setattr(image, "_run_build", fail)
    with pytest.raises(ImageError, match=rf"^image: no space left, \d+ MiB free under {tmp_path}"):
        ensure_image("fast", cache=tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.lab
def test_an_old_image_goes_when_a_new_one_is_built_unless_a_lab_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours alone, of the same release alone, and only what nobody boots from."""
    nameless = "0123456789abcdef"  # of a version that knew one release
    for name in ("debian-12-old", "debian-12-used", "debian-13-old", nameless):
        (tmp_path / name).mkdir()
        (tmp_path / name / "in-use").touch()
    (tmp_path / "somebody-elses").mkdir()
    monkeypatch.setattr(image, "_run_build", lambda *_: None)
    used = image.Image(folder=tmp_path / "debian-12-used", release=recipe.DEBIAN_12, variant="fast")
    with image.in_use(used):
        built = ensure_image("fast", release=recipe.DEBIAN_12, cache=tmp_path, say=lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [".lock", "somebody-elses", "debian-12-used", "debian-13-old", built.folder.name]
    )


@pytest.mark.lab
def test_images_of_two_releases_lie_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Building one does not remove the other, and what is there is not built again."""
    built: list[str] = []
    monkeypatch.setattr(image, "_run_build", lambda _, asked, *__: built.append(json.loads(asked)["image"]))
    monkeypatch.setattr(ubuntu, "answers", lambda *_: True)
    folders = [
        ensure_image("fast", release=release, cache=tmp_path, say=lambda _: None).folder
        for release in (*recipe.RELEASES.values(), *recipe.RELEASES.values())
    ]
    assert built == ["debian-12", "debian-13", "ubuntu-24.04"]
    assert folders[:3] == folders[3:]
    assert all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        (
            "debian-12",
            "etc/apt/sources.list",
            "deb [signed-by=/usr/share/keyrings/lab-archive-keyring.gpg] http://mirror.lab.example/debian bookworm main\n",
        ),
        (
            "debian-13",
            "etc/apt/sources.list.d/debian.sources",
            (
                "Types: deb\nURIs: http://mirror.lab.example/debian\nSuites: trixie\nComponents: main\n"
                "Signed-By: /usr/share/keyrings/lab-archive-keyring.gpg\n"
            ),
        ),
        (
            "ubuntu-24.04",
            "etc/apt/sources.list.d/ubuntu.sources",
            (
                "Types: deb\nURIs: http://mirror.lab.example/ubuntu\nSuites: noble\nComponents: main\n"
                "Signed-By: /usr/share/keyrings/lab-archive-keyring.gpg\n"
            ),
        ),
    ],
)
def test_each_release_names_the_mirror_in_its_own_form(name: str, file: str, text: str) -> None:
    """One line in Debian 12, deb822 since; each distribution at its own path."""
    release = recipe.RELEASES[name]
    assert (release.sources_file, release.sources) == (file, text)


def leftovers(cache: Path) -> list[str]:
    """Return what a failed build left in a cache."""
    return [path.name for path in cache.iterdir() if path.name != ".lock"]


def test_a_stock_machine_lacks_the_fast_layer() -> None:
    """Both variants share every other layer, the deviations of nspawn on top."""
    folder = Path("/cache/x")
    assert [layer.name for layer in image.Image(folder=folder, release=recipe.DEBIAN_12, variant="fast").layers] == [
        "nspawn",
        "fast",
        "rootfs",
    ]
    assert [layer.name for layer in image.Image(folder=folder, release=recipe.DEBIAN_12, variant="stock").layers] == [
        "nspawn",
        "rootfs",
    ]

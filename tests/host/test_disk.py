"""The power goes between any two things that the program does to its disk.

A real file system on a file of its own: what is in that file is what would be on the disk, and nothing of what the
kernel keeps in memory. A copy of it, taken while the program stands still, is the disk after a power cut.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloud_init.host.document import digest_of
from tests.host.stories import LAPTOP, PRESS, ROUTE, conf, key, section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
SIZE_BYTES = 32 * 1024 * 1024
WHO = {"stack": "dev", "host": "falkenstein"}
OLD = {
    "/etc/farshore/host": json.dumps(WHO),
    "/etc/farshore/keys/fs0.key": f"{key(1)}\n",
    "/etc/farshore/keys/fs0-press.psk": f"{key(9)}\n",
    "/etc/wireguard/fs0.conf": conf(PRESS, LAPTOP, routes=ROUTE),
    "/etc/haproxy/haproxy.cfg": "frontend old\n" * 2000,
    "/etc/farshore/gone": "only the old bundle has it\n",
    "/usr/local/sbin/farshore-host": "# the program\n",
}
NEW = {
    **{path: content for path, content in OLD.items() if path != "/etc/farshore/gone"},
    "/etc/wireguard/fs0.conf": conf(PRESS, section("phone", 4, "10.0.0.201/32"), routes=ROUTE),
    "/etc/farshore/keys/fs0-press.psk": f"{key(8)}\n",
    "/etc/haproxy/haproxy.cfg": "frontend new\n" * 3000,
    "/etc/systemd/system/more.service.d/new.conf": "[Service]\n",
}


def sealed(files: Mapping[str, str | None]) -> str:
    """Return files as a bundle; None is what the host has made."""
    listed = [
        {"path": path, "mode": "0600", "content": content, "secret": "keys" in path or "wireguard" in path}
        for path, content in sorted(files.items())
    ]
    document = {"schema": 1, **WHO, "sequence": 1, "files": listed, "units": [], "masked": [], "revoked": []}
    return json.dumps({**document, "digest": digest_of(document)})


@dataclass(frozen=True)
class Disk:
    """A disk.

    Args:
        image: The file that it is.
        folder: Where it is mounted.
    """

    image: Path
    folder: Path

    @contextlib.contextmanager
    def mounted(self) -> Iterator[Path]:
        """Have it mounted."""
        self.folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.folder)], check=True)
        try:
            yield self.folder
        finally:
            subprocess.run(["umount", str(self.folder)], check=True)

    def start(self, how: str, at: int, *words: str) -> subprocess.Popen[str]:
        """Start the program on it."""
        return subprocess.Popen(
            [sys.executable, "-m", "tests.host.power", str(self.folder), how, str(at), *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, given: str = "") -> str:
        """Run the program on it to its end, which is a good one."""
        program = self.start("safe", 0, *words)
        out, err = program.communicate(given, timeout=60)
        assert program.returncode == 0, out + err
        return out

    def files(self) -> dict[str, str]:
        """Return the files that bundles have."""
        paths = {*OLD, *NEW}
        return {path: (self.folder / path[1:]).read_text() for path in paths if (self.folder / path[1:]).exists()}


_NUMBERS = itertools.count()


def copied(disk: Disk) -> Disk:
    """Return a disk with the same content, as it is now: a file of its own, since the kernel lets go of one lazily."""
    name = f"disk{next(_NUMBERS)}"
    image = disk.image.with_name(f"{name}.img")
    shutil.copyfile(disk.image, image)
    return Disk(image, disk.image.with_name(name))


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """Return a disk of a host that was told the old bundle, and confirmed it."""
    folder = tmp_path_factory.mktemp("disk")
    made = Disk(folder / "base.img", folder / "base")
    with made.image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(made.image)], check=True)
    with made.mounted() as root:
        for path in ("run", "tmp", "proc", "etc/farshore/keys", "etc/wireguard"):
            (root / path).mkdir(parents=True, exist_ok=True)
        identity = root / "etc/farshore/host"
        identity.write_text(json.dumps(WHO))
        confirm(made, sealed(OLD))
        assert made.files() == OLD
    return made


def confirm(disk: Disk, bundle: str) -> None:
    """Have a bundle applied and confirmed."""
    assert "applied" in disk.run("apply", given=bundle)
    disk.run("confirm", json.loads(bundle)["digest"])


def cut(disk: Disk, how: str, at: int, *words: str, given: str = "") -> Disk:
    """Return the disk after a power cut at one point, with every name on it that a moment later would be on it."""
    work = copied(disk)
    with work.mounted() as root:
        program = work.start(how, at, *words)
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(given)
        program.stdin.close()
        assert "stopped\n" in iter(program.stdout.readline, ""), f"point {at} was not reached"
        with (root / "other").open("w") as other:  # another program's sync commits the journal of the file system
            other.write("x")
            other.flush()
            os.fsync(other.fileno())
        after = copied(work)
        program.kill()
        program.wait()
        program.stdout.close()
        assert program.stderr is not None
        program.stderr.close()
    work.image.unlink()
    return after


def count_points(disk: Disk, *words: str, given: str = "") -> int:
    """Return how many points there are."""
    work = copied(disk)
    with work.mounted():
        return int(re.findall(r"points: (\d+)", work.run(*words, given=given))[-1])


def booted(disk: Disk) -> dict[str, str]:
    """Return the files after a boot, on which nothing is left of what was tried."""
    with disk.mounted() as root:
        disk.run("rollback", "--boot")
        state = root / "var/lib/farshore/host"
        assert not (state / "pending.json").exists()
        assert not (state / "old").exists()
        found = disk.files()
        digest = json.loads((state / "confirmed.json").read_text())["digest"]
        # Then the same command finishes.
        confirm(disk, sealed(NEW)) if found == OLD else disk.run("apply", given=sealed(NEW))
        assert disk.files() == NEW
    disk.image.unlink()
    assert digest == json.loads(sealed(found))["digest"], "the record and the files are not of one bundle"
    return found


def test_a_key_that_was_made_there_outlives_whatever_is_taken_back(disk: Disk) -> None:
    """The bundle that has it first, and the one that has it no more: it goes when that one is confirmed, not before."""
    work, path = copied(disk), "etc/farshore/keys/fs0.own2.key"
    conf_of_own = OLD["/etc/wireguard/fs0.conf"].replace("keys/fs0.key", "keys/fs0.own2.key")
    files = {name: content for name, content in OLD.items() if name != "/etc/farshore/keys/fs0.key"}
    staged = sealed({**files, "/etc/wireguard/fs0.conf": conf_of_own, f"/{path}": None})
    with work.mounted() as root:
        (root / path).write_text(f"{key(7)}\n")
        (root / path).chmod(0o600)
        for bundle, kept in ((staged, True), (sealed(OLD), False)):
            assert "applied" in work.run("apply", given=bundle)
            assert (root / path).exists() is kept
            work.run("rollback")
            assert (root / path).read_text() == f"{key(7)}\n"
            confirm(work, bundle)
            assert (root / path).exists() is kept
        assert work.files() == OLD
        told = root / "var/lib/farshore/host"
        assert not [one for one in told.rglob("*") if one.is_file() and key(7) in one.read_text()]
    work.image.unlink()


@pytest.mark.parametrize("step", [48, pytest.param(1, marks=pytest.mark.long)])
def test_power_lost_at_any_moment_of_apply_leaves_the_old_files(disk: Disk, step: int) -> None:
    """All of them, and the record of them, after the boot."""
    count = count_points(disk, "apply", given=sealed(NEW))
    assert count >= 60
    for at in range(1, count + 1, step):
        assert booted(cut(disk, "safe", at, "apply", given=sealed(NEW))) == OLD, at


@pytest.mark.long
@pytest.mark.parametrize("step", [5, 1])
def test_power_lost_at_any_moment_of_confirm_leaves_the_old_files_or_the_new(disk: Disk, step: int) -> None:
    """Whole; first the old ones, from one point on the new ones."""
    pending = copied(disk)
    with pending.mounted():
        pending.run("apply", given=sealed(NEW))
    words = ("confirm", json.loads(sealed(NEW))["digest"])
    count = count_points(pending, *words)
    found = [booted(cut(pending, "safe", at, *words)) for at in range(1, count + 1, step)]
    are_new = [files == NEW for files in found]
    assert all(files in (OLD, NEW) for files in found)
    assert are_new == sorted(are_new)
    assert set(are_new) == {False, True}


@pytest.mark.long
@pytest.mark.parametrize("step", [13, 1])
def test_power_lost_at_any_moment_of_a_rollback_leaves_the_old_files(disk: Disk, step: int) -> None:
    """Taking back can be interrupted and done again, as often as it takes."""
    pending = copied(disk)
    with pending.mounted():
        pending.run("apply", given=sealed(NEW))
    for at in range(1, count_points(pending, "rollback", "--boot") + 1, step):
        assert booted(cut(pending, "safe", at, "rollback", "--boot")) == OLD, at


def test_without_its_syncs_the_same_cuts_break_it(disk: Disk) -> None:
    """The twin: a build whose syncs do nothing fails the same look at some of the points."""
    count = count_points(disk, "apply", given=sealed(NEW))
    assert any(_breaks(disk, at) for at in range(count // 2, count, 5))


def _breaks(disk: Disk, at: int) -> bool:
    """Tell whether a cut at a point of a build without syncs leaves something else than the old files."""
    try:
        return booted(cut(disk, "careless", at, "apply", given=sealed(NEW))) != OLD
    except (AssertionError, ValueError, OSError):
        return True

"""Nothing is prepared outside of a lab: the guard before every program that writes into a machine's root."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.client import until
from lab.machines.guard import UnsafeTargetError, check_below, check_namespace, check_root
from lab.machines.prepare import STORE_GIB

ROOT = Path(__file__).parents[2]


def process(proc: Path, pid: str, *, parent: int, namespace: str) -> None:
    """Write a process into a made-up /proc."""
    (proc / pid / "ns").mkdir(parents=True)
    (proc / pid / "status").write_text(f"Name:\tx\nPPid:\t{parent}\n", encoding="ascii")
    if namespace:
        (proc / pid / "ns/mnt").symlink_to(namespace)


def debian(folder: Path) -> Path:
    """Return a folder that looks like a Debian root."""
    (folder / "etc").mkdir(parents=True)
    (folder / "etc/debian_version").write_text("12.0\n", encoding="ascii")
    return folder


def test_the_hosts_namespace_is_refused(tmp_path: Path) -> None:
    """Whoever shares PID 1's mounts would change the host's; whoever has their own may go on."""
    process(tmp_path, "1", parent=0, namespace="mnt:[1]")
    process(tmp_path, "self", parent=1, namespace="mnt:[1]")
    with pytest.raises(UnsafeTargetError, match=r"mount namespace: the host's own, allowed: a private one"):
        check_namespace(tmp_path)
    (tmp_path / "self/ns/mnt").unlink()
    (tmp_path / "self/ns/mnt").symlink_to("mnt:[2]")
    check_namespace(tmp_path)


def test_where_the_first_process_is_mute_the_oldest_ancestor_counts(tmp_path: Path) -> None:
    """A sandbox may hide PID 1; then the namespace of the oldest ancestor is the host's."""
    process(tmp_path, "1", parent=0, namespace="")
    process(tmp_path, "30", parent=1, namespace="mnt:[1]")
    process(tmp_path, "31", parent=30, namespace="mnt:[2]")
    process(tmp_path, "self", parent=31, namespace="mnt:[1]")
    with pytest.raises(UnsafeTargetError, match="the host's own"):
        check_namespace(tmp_path)
    (tmp_path / "self/ns/mnt").unlink()
    (tmp_path / "self/ns/mnt").symlink_to("mnt:[2]")
    check_namespace(tmp_path)


def test_who_cannot_tell_is_refused(tmp_path: Path) -> None:
    """No answer from anybody is no permission."""
    process(tmp_path, "1", parent=0, namespace="")
    process(tmp_path, "self", parent=1, namespace="mnt:[2]")
    with pytest.raises(UnsafeTargetError, match="mount namespace: unknown"):
        check_namespace(tmp_path)


@pytest.mark.parametrize("target", ["/", "/etc", "root", "../root", "{run}", "{run}/..", "{run}/a/../../b", "{out}"])
def test_a_target_outside_of_the_lab_is_refused(tmp_path: Path, target: str) -> None:
    """The root, the host's folders, relative paths, ways out by `..` and the run folder itself are no targets."""
    run, out = tmp_path / "run", tmp_path / "out"
    for folder in (run, out):
        folder.mkdir()
    with pytest.raises(UnsafeTargetError, match=r"^(target|run directory): "):
        check_below(Path(target.format(run=run, out=out)), run)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    """A symbolic link is followed before it is judged; one that stays inside is fine."""
    run = tmp_path / "run"
    (run / "real").mkdir(parents=True)
    (run / "out").symlink_to("/")
    (run / "in").symlink_to(run / "real")
    with pytest.raises(UnsafeTargetError, match=r"target: '/', allowed: below "):
        check_below(run / "out", run)
    assert check_below(run / "in", run) == run / "real"


@pytest.mark.parametrize("run", ["/", "/run"])
def test_the_host_itself_is_no_lab(run: str) -> None:
    """A run folder at the top of the host's tree holds the host."""
    with pytest.raises(UnsafeTargetError, match="allowed: at least two levels deep"):
        check_below(Path("/run/x"), Path(run))


def test_only_a_debian_root_is_prepared(tmp_path: Path) -> None:
    """A folder without etc/debian_version may be anything."""
    (tmp_path / "run/empty").mkdir(parents=True)
    with pytest.raises(UnsafeTargetError, match=r"has no etc/debian_version, allowed: a Debian root"):
        check_root(tmp_path / "run/empty", tmp_path / "run")
    root = debian(tmp_path / "run/root")
    assert check_root(root, tmp_path / "run") == root


PREPARE = [sys.executable, "-m", "lab.machines.prepare"]
IN_PRIVATE = ["unshare", "--mount", "--propagation", "private"]


@pytest.mark.lab
def test_prepare_does_nothing_in_the_hosts_namespace(tmp_path: Path) -> None:
    """Started by hand and without unshare it ends at once, with the disk as it was."""
    disk = tmp_path / "run/disk"
    disk.mkdir(parents=True)
    done = subprocess.run(
        [*PREPARE, str(tmp_path / "run"), str(disk), "1", "-", "/nowhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, list(disk.iterdir())) == (1, [])
    assert done.stderr.startswith("mount namespace: the host's own, allowed: a private one")


@pytest.mark.lab
def test_prepare_does_not_take_the_hosts_root(tmp_path: Path) -> None:
    """In a private namespace, with the host's own root bound where the machine's should be: refused, nothing written."""
    run = tmp_path / "run"
    (run / "disk").mkdir(parents=True)
    script = 'mount --bind / "$1/disk" && shift && exec "$@"'
    prepare = [*PREPARE, str(run), str(run / "disk"), "1", "-", "/nowhere"]
    done = subprocess.run(
        [*IN_PRIVATE, "sh", "-c", script, "sh", str(run), *prepare],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "is '/', allowed: any other; look for a stray bind mount" in done.stderr


@pytest.mark.lab
def test_prepare_takes_no_copy_from_outside_the_lab(tmp_path: Path) -> None:
    """A disk to begin with lies in the lab's folder; another one's files are not read, and nothing is mounted."""
    run, strange = tmp_path / "run", tmp_path / "strange"
    for folder in (run / "disk", strange / "upper"):
        folder.mkdir(parents=True)
    (strange / "upper/secret").touch()
    done = subprocess.run(
        [*IN_PRIVATE, *PREPARE, str(run), str(run / "disk"), "1", str(strange), "/nowhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"target: {str(strange)!r}, allowed: below {str(run)!r}")
    assert list((run / "disk").iterdir()) == []


@pytest.mark.lab
@pytest.mark.parametrize("copied", [False, True])
def test_prepare_holds_the_root_of_a_lab(tmp_path: Path, *, copied: bool) -> None:
    """The negative tests' twin: in a private namespace, below the run folder, over a Debian root, it says ready.

    With a disk to begin with, what was on that one is there. What the machine writes is in a file system with an end,
    which takes from the host's what is written and no more; of its loop device nothing is left.
    """
    run, layer = tmp_path / "run", debian(tmp_path / "layer")
    source = run / "images/5" if copied else None
    (run / "images/5/upper/root").mkdir(parents=True)
    (run / "images/5/upper/root/kept").touch()
    (layer / "usr/lib/lab").mkdir(parents=True)
    (run / "disk").mkdir(parents=True)
    command = [*IN_PRIVATE, *PREPARE, str(run), str(run / "disk"), "4711", str(source or "-"), str(layer)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "ready\n"
        assert (Path("/proc", str(holding.pid), f"root{run}/disk/root/etc/debian_version")).is_file()
        assert list((run / "disk/root").iterdir()) == []
        inside = Path("/proc", str(holding.pid), f"root{run}/disk")
        assert (inside / "store/upper/usr/lib/lab/serial").read_text(encoding="ascii") == "4711\n"
        assert shutil.disk_usage(inside / "root").total < STORE_GIB << 30
        assert (run / "disk/store.ext4").stat().st_blocks * 512 < 16 << 20
        assert (inside / "store/upper/root/kept").exists() == copied
        assert backing_files(run) == {str(run / "disk/store.ext4")}
        holding.kill()
    until(lambda: not backing_files(run) or None, 5, "the loop device free")


def backing_files(folder: Path) -> set[str]:
    """Return the files below a folder that loop devices of this machine are made of."""
    files = set()
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):  # it may just have been freed
            files.add(entry.read_text(encoding="utf-8").strip())
    return {file for file in files if Path(file).is_relative_to(folder)}

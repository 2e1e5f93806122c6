"""What keeps a lab from starting, said in one line before anything is made."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.refusals import check_loop, check_programs, check_tun, check_user, take_port
from lab.registry import RefusalError, Registration, check_name
from tests.labs import lab_name

if TYPE_CHECKING:
    from lab.client import Lab

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["", "Lab", "a_b", "-a", "a/b", "..", "a" * 13, "ä"])
def test_a_name_that_could_not_be_a_namespaces_is_refused(name: str) -> None:
    """Lower-case letters, digits and dashes, twelve at most: names of interfaces are made from it."""
    with pytest.raises(
        RefusalError, match=r"^lab name: .*, allowed: 1-12 lower-case letters, digits and dashes; choose"
    ):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "0", "my-lab", "a" * 12])
def test_a_short_plain_name_is_taken(name: str) -> None:
    """First and last of what is allowed."""
    check_name(name)


def test_anybody_but_root_is_refused() -> None:
    """The message says what only root can do, and how."""
    with pytest.raises(
        RefusalError, match=r"^user id: 1000, allowed: 0 \(namespaces and mounts are root's\); run it with sudo$"
    ):
        check_user(1000)
    check_user(0)


def test_a_machine_without_tun_is_refused(tmp_path: Path) -> None:
    """Neither a missing device nor a file of that name will do."""
    device = tmp_path / "tun"
    with pytest.raises(RefusalError, match=rf"^{device}: not found, allowed: a character device; run: modprobe tun$"):
        check_tun(device)
    device.touch()
    with pytest.raises(RefusalError, match="allowed: a character device"):
        check_tun(device)
    check_tun(Path("/dev/null"))


def test_a_machine_without_loop_devices_is_refused(tmp_path: Path) -> None:
    """The disk of each machine under systemd-nspawn is one."""
    device = tmp_path / "loop-control"
    with pytest.raises(RefusalError, match=rf"^{device}: not found, allowed: a character device; run: modprobe loop$"):
        check_loop(device)
    check_loop(Path("/dev/null"))


def test_missing_programs_are_named_all_at_once() -> None:
    """Whoever runs ./setup once has all of them."""
    with pytest.raises(
        RefusalError, match=r"^programs: no-such, nor-this not found, allowed: all installed; run: \./setup$"
    ):
        check_programs(("sh", "no-such", "nor-this"))
    check_programs(("sh",))


@pytest.mark.lab
def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    """One line with the folder and the system's reason, and no registration is left."""
    (tmp_path / "file").touch()
    name = lab_name("d")
    done = serve(name, tmp_path / "file/lab", "--machines", "none")
    assert done.returncode == 2
    assert done.stderr == (f"{tmp_path}/file/lab: Not a directory, allowed: a folder that can be written; choose one\n")
    assert not Path("/run/farshore", name).exists()


@pytest.mark.lab
def test_a_port_in_use_is_refused() -> None:
    """The number is said; a free one is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            RefusalError,
            match=rf"^port: {port} \(address already in use\), allowed: a free one, or 0 to have one chosen$",
        ):
            take_port(port)
    with take_port(0) as free:
        assert free.getsockname()[0] == "127.0.0.1"


def serve(name: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m lab serve` until it ends by itself."""
    command = [sys.executable, "-m", "lab", "serve", "--name", name, "--dir", str(folder), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.lab
def test_a_second_lab_of_the_name_is_refused(lab: Lab, tmp_path: Path) -> None:
    """The message has the process and the command that ends it; its folder is not even made."""
    done = serve(lab.name, tmp_path / "second")
    assert done.returncode == 2
    assert done.stderr == (
        f"lab {lab.name!r}: process {lab.pid} runs it, allowed: one; end it: python -m lab down --name {lab.name}\n"
    )
    assert not (tmp_path / "second").exists()
    assert lab.alive


@pytest.mark.lab
def test_a_lab_on_a_taken_port_makes_nothing(lab: Lab, tmp_path: Path) -> None:
    """The port is taken before the first namespace, file or registration is."""
    name = lab_name("c")
    done = serve(name, tmp_path / "second", "--port", lab.endpoint.split(":")[2].split("/")[0])
    assert done.returncode == 2
    assert done.stderr.startswith("port: ")
    assert not (tmp_path / "second").exists()
    assert not Path("/run/farshore", name).exists()
    assert Registration(name).running() is None

"""A deployment is saved as it runs and stands up again, where its machines are virtual ones; elsewhere that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.first_light.deployed import PAGE, ROOT, Deployed, farshore
from tests.labs import lab_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.lab import Machines

pytestmark = pytest.mark.lab


@pytest.fixture
def second() -> Iterator[str]:
    """A lab's name; whatever was started under it is removed."""
    name = lab_name("f2")
    yield name
    farshore("lab", "down", "--name", name)


def test_a_deployment_is_saved_and_stands_up_beside_the_first(
    deployed: Deployed, machines: Machines, second: str, tmp_path: Path
) -> None:
    """Its page answers without a host being born, its hosts are the same, and nothing is left to change."""
    saved = tmp_path / "saved"
    done = farshore("lab", "snapshot", "--name", deployed.name, str(saved))
    if machines == "nspawn":
        assert done.returncode == 2
        assert "machines: nspawn, allowed: vm; only a virtual machine can be saved as it runs" in done.stderr
        assert list(tmp_path.iterdir()) == []
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert saved.stat().st_mode & 0o777 == 0o700
    done = farshore("lab", "restore", "--name", second, str(saved))
    assert done.returncode == 0, done.stdout + done.stderr
    other = Deployed(second, done.stdout)
    assert PAGE in other.page()
    assert PAGE in deployed.page()
    for name in ("falkenstein", "press"):
        asked = ["cat", "/proc/sys/kernel/random/boot_id"]
        assert other.machine(name).run(asked, check=True).stdout == deployed.machine(name).run(asked, check=True).stdout
    done = farshore("lab", "up", "--name", second)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "40 unchanged" in done.stdout


def test_a_lab_keeps_its_kind_of_machines(deployed: Deployed, machines: Machines) -> None:
    """Asked for the other kind, `up` names what the lab has and how to end it, and changes nothing."""
    other = {"nspawn": "vm", "vm": "nspawn"}[machines]
    done = farshore("lab", "up", "--name", deployed.name, "--machines", other)
    assert done.returncode == 2
    assert f"machines: {other}, allowed: {machines}, which lab '{deployed.name}' has" in done.stderr
    assert PAGE in deployed.page()


def test_what_is_no_snapshot_is_refused(second: str, tmp_path: Path) -> None:
    """The message names the folder; no lab is begun."""
    done = farshore("lab", "restore", "--name", second, str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}: not found, allowed: one that `farshore lab snapshot` has made" in done.stderr.replace("\n", "")
    assert not (ROOT / ".lab" / second).exists()


def test_a_folder_that_is_there_is_not_written_over(deployed: Deployed, tmp_path: Path) -> None:
    """A snapshot is made whole in a new folder, or not at all."""
    (tmp_path / "mine").write_text("kept")
    done = farshore("lab", "snapshot", "--name", deployed.name, str(tmp_path))
    assert done.returncode == 2
    assert f"{tmp_path}: exists, allowed: a new folder; name another" in done.stderr.replace("\n", "")
    assert (tmp_path / "mine").read_text() == "kept"

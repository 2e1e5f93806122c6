"""A device is let in by its public key alone: its private half is in its own files and nowhere else."""

from __future__ import annotations

import re
import shutil
import subprocess
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from lab.client import Lab
from tests.first_light.deployed import lab_name
from tools.workspace import ROOT, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("operator")]


@dataclass(frozen=True)
class Office:
    """A deployment at a cloud without machines, and its stack file.

    Args:
        work: Pulumi's side.
        original: The stack file as it was.
    """

    work: Workspace
    original: str

    def farshore(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command as an operator whose Pulumi is set up for this stack."""
        where = ["--stack", self.work.stack, "--config-file", str(self.work.stack_file)]
        return subprocess.run(
            [str(ROOT / "bin" / "farshore"), "operator", *arguments, *where],
            env={**self.work.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def config(self) -> dict[str, Any]:
        """Return the stack file's values."""
        found: dict[str, Any] = yaml.safe_load(self.work.stack_file.read_text(encoding="utf-8"))["config"]
        return found


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A deployment that stands."""
    folder = tmp_path_factory.mktemp("operator")
    lab = Lab.start(lab_name("o"), folder / "cloud", accounts=("edge", "vault"), machines="none")
    try:
        work = Workspace(folder=folder / "pulumi", stack="office", endpoint=lab.endpoint)
        work.prepare(ROOT / "Pulumi.lab.yaml", lab.tokens)
        text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
        comments = [line for line in text.splitlines() if line.startswith("#")]
        assert comments
        assert [
            line for line in work.stack_file.read_text(encoding="utf-8").splitlines() if line.startswith("#")
        ] == comments
        work.run(["up", "--yes", "--skip-preview", "--stack", "office", "--config-file", str(work.stack_file)])
        yield work
    finally:
        lab.stop()


@pytest.fixture
def office(deployed: Workspace) -> Iterator[Office]:
    """The deployment with its first stack file."""
    before = deployed.stack_file.read_text(encoding="utf-8")
    yield Office(deployed, before)
    deployed.stack_file.write_text(before, encoding="utf-8")


def test_a_device_is_let_in_and_put_out(office: Office, tmp_path: Path) -> None:
    """The stack file gets the public key and keeps its comments; the files are 0600; the preview is clean."""
    done = office.farshore("add", "laptop", "--reach", "press/web", "--until", "2099-12-31", "--into", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    conf = tmp_path / "laptop-falkenstein.conf"
    text = conf.read_text(encoding="utf-8")
    private = re.search(r"^PrivateKey = (\S{44})$", text, re.MULTILINE)
    shared = re.search(r"^PresharedKey = (\S{44})$", text, re.MULTILINE)
    assert private
    assert shared
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.iterdir()} == {
        "laptop-falkenstein.conf": "0o600",
        "laptop-falkenstein.png": "0o600",
    }
    entry: Any = office.config()["farshore:operators"]["laptop"]
    public = X25519PrivateKey.from_private_bytes(b64decode(private[1])).public_key().public_bytes_raw()
    assert b64decode(entry["public_key"]) == public
    assert (entry["slot"], entry["reach"], str(entry["until"])) == (200, ["press/web"], "2099-12-31")
    written = office.work.stack_file.read_text(encoding="utf-8")
    assert "# " in office.original
    assert [line for line in office.original.splitlines() if line.startswith("#")] == [
        line for line in written.splitlines() if line.startswith("#")
    ]
    for secret in (private[1], shared[1]):
        assert secret not in written + done.stdout + done.stderr
    where = ["--stack", "office", "--config-file", str(office.work.stack_file)]
    assert "laptop" in office.work.run(["preview", *where])
    out = office.farshore("revoke", "laptop")
    assert out.returncode == 0, out.stderr
    assert "farshore:operators" not in office.config()
    assert "laptop" not in office.work.stack_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "Laptop"), "allowed: lower-case letters, digits and dashes"),
        (("add", "laptop", "--reach", "pres"), "did you mean 'press'?"),
        (("add", "laptop", "--tunnel", "full"), "the resolvers to ask through it"),
        (("add", "laptop", "--shield", "helsinki"), "'helsinki', allowed: falkenstein"),
        (("revoke", "laptop"), "operator: 'laptop', allowed: none; name one"),
    ],
)
def test_what_the_program_would_refuse_changes_nothing(
    office: Office, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """One message, and the stack file is byte for byte as it was; no key is left behind."""
    into = () if arguments[0] == "revoke" else ("--into", str(tmp_path))
    done = office.farshore(*arguments, *into)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert office.work.stack_file.read_text(encoding="utf-8") == office.original
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_written_over(office: Office, tmp_path: Path) -> None:
    """Somebody's key may be in it."""
    (tmp_path / "laptop-falkenstein.conf").write_text("precious", encoding="utf-8")
    done = office.farshore("add", "laptop", "--into", str(tmp_path))
    assert done.returncode == 2
    assert "there is one already" in done.stderr
    assert (tmp_path / "laptop-falkenstein.conf").read_text(encoding="utf-8") == "precious"
    assert office.work.stack_file.read_text(encoding="utf-8") == office.original


def test_a_file_for_wg_quick_guards_names(office: Office, tmp_path: Path) -> None:
    """Where the device is said to run Linux its file has commands; what a phone is given has none."""
    full = ("--tunnel", "full", "--dns", "192.0.2.53", "--into", str(tmp_path))
    done = office.farshore("add", "tower", *full, "--system", "linux")
    assert done.returncode == 0, done.stderr
    assert office.config()["farshore:operators"]["tower"]["system"] == "linux"
    assert "PostUp" in (tmp_path / "tower-falkenstein.conf").read_text(encoding="utf-8")


def test_the_code_is_the_file(office: Office, tmp_path: Path) -> None:
    """What a phone reads from the picture is what stands in the file."""
    done = office.farshore("add", "phone", "--tunnel", "full", "--dns", "192.0.2.53", "--into", str(tmp_path))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "phone-falkenstein.conf").read_text(encoding="utf-8")
    assert "AllowedIPs = 0.0.0.0/0, ::/0" in text
    assert "PostUp" not in text
    assert "system" not in office.config()["farshore:operators"]["phone"]
    assert (tmp_path / "phone-falkenstein.png").read_bytes().startswith(b"\x89PNG")
    reader = shutil.which("zbarimg")
    if reader:
        read = subprocess.run(
            [reader, "-q", "--raw", str(tmp_path / "phone-falkenstein.png")], capture_output=True, text=True, check=True
        )
        assert read.stdout.rstrip("\n") == text.rstrip("\n")

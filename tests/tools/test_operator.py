"""A device is let in by its public key alone: its private half is in its own files and nowhere else."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tools.office import Office

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("office")]


def test_a_device_is_let_in_and_put_out(office: Office, tmp_path: Path) -> None:
    """The stack file gets the public key and keeps its comments; the files are 0600; the preview is clean."""
    done = office.farshore(
        "operator", "add", "laptop", "--reach", "press/web", "--until", "2099-12-31", "--into", str(tmp_path)
    )
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
    out = office.farshore("operator", "revoke", "laptop")
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
    done = office.farshore("operator", *arguments, *into)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert office.work.stack_file.read_text(encoding="utf-8") == office.original
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_not_written_over(office: Office, tmp_path: Path) -> None:
    """Somebody's key may be in it."""
    (tmp_path / "laptop-falkenstein.conf").write_text("precious", encoding="utf-8")
    done = office.farshore("operator", "add", "laptop", "--into", str(tmp_path))
    assert done.returncode == 2
    assert "there is one already" in done.stderr
    assert (tmp_path / "laptop-falkenstein.conf").read_text(encoding="utf-8") == "precious"
    assert office.work.stack_file.read_text(encoding="utf-8") == office.original


def test_a_file_for_wg_quick_guards_names(office: Office, tmp_path: Path) -> None:
    """Where the device is said to run Linux its file has commands; what a phone is given has none."""
    full = ("--tunnel", "full", "--dns", "192.0.2.53", "--into", str(tmp_path))
    done = office.farshore("operator", "add", "tower", *full, "--system", "linux")
    assert done.returncode == 0, done.stderr
    assert office.config()["farshore:operators"]["tower"]["system"] == "linux"
    assert "PostUp" in (tmp_path / "tower-falkenstein.conf").read_text(encoding="utf-8")


def test_the_code_is_the_file(office: Office, tmp_path: Path) -> None:
    """What a phone reads from the picture is what stands in the file."""
    done = office.farshore(
        "operator", "add", "phone", "--tunnel", "full", "--dns", "192.0.2.53", "--into", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "phone-falkenstein.conf").read_text(encoding="utf-8")
    assert "AllowedIPs = 0.0.0.0/0, ::/0" in text
    assert "PostUp" not in text
    assert "system" not in office.config()["farshore:operators"]["phone"]
    assert (tmp_path / "phone-falkenstein.png").read_bytes().startswith(b"\x89PNG")
    (code,) = zxingcpp.read_barcodes(Image.open(tmp_path / "phone-falkenstein.png").convert("L"))
    assert code.text == text

"""A site is let in by its gateway's public key; its files follow the stack file and keep their keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tools.office import Office

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("office")]
KEYS = re.compile(r"^(PrivateKey|PresharedKey) = (\S{44})$", re.MULTILINE)


def test_a_site_is_let_in_and_its_files_follow(office: Office, tmp_path: Path) -> None:
    """The gateway forwards nothing at first; when the stack file lets somebody in, its new file does, with its keys."""
    lans = ("--lan", "office=192.168.50.0/24", "--lan", "old=192.168.60.0/24", "--nat", "old")
    done = office.farshore("gateway", "add", "lisbon", *lans, "--into", str(tmp_path))
    assert done.returncode == 0, done.stderr
    conf = tmp_path / "lisbon-falkenstein.conf"
    first = conf.read_text(encoding="utf-8")
    keys = dict(KEYS.findall(first))
    assert list(keys) == ["PrivateKey", "PresharedKey"]
    assert conf.stat().st_mode & 0o777 == 0o600
    entry = office.config()["farshore:gateways"]["lisbon"]
    assert entry["lans"] == {
        "office": {"network": "192.168.50.0/24"},
        "old": {"network": "192.168.60.0/24", "nat": True},
    }
    assert "tcp dport" not in first

    said = yaml.safe_load(office.work.stack_file.read_text(encoding="utf-8"))
    said["config"]["farshore:gateways"]["lisbon"]["lans"]["office"] |= {"from": ["press"], "ports": [631]}
    office.work.stack_file.write_text(yaml.safe_dump(said, sort_keys=False), encoding="utf-8")
    again = office.farshore("gateway", "files", "lisbon", "--into", str(tmp_path))
    assert again.returncode == 0, again.stderr
    after = conf.read_text(encoding="utf-8")
    assert dict(KEYS.findall(after)) == keys
    assert "ip daddr { 192.168.50.0/24 } meta l4proto { tcp, udp } th dport { 631 } accept" in after

    empty = office.farshore("gateway", "files", "lisbon", "--into", str(tmp_path / "other"))
    assert empty.returncode == 0, empty.stderr
    elsewhere = (tmp_path / "other/lisbon-falkenstein.conf").read_text(encoding="utf-8")
    assert not KEYS.findall(elsewhere)
    assert "PrivateKey = <made on this device>" in elsewhere
    assert "PresharedKey = <given to this device>" in elsewhere

    for secret in keys.values():
        assert secret not in office.work.stack_file.read_text(encoding="utf-8")
        assert secret not in done.stdout + done.stderr + again.stdout + again.stderr
    out = office.farshore("gateway", "revoke", "lisbon")
    assert out.returncode == 0, out.stderr
    assert "lisbon" not in office.work.stack_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "lisbon", "--lan", "192.168.50.0/24"), "--lan: '192.168.50.0/24', allowed: a name and a network"),
        (("add", "lisbon", "--lan", "a=192.168.50.1/24"), "allowed: a name and a network, office=192.168.50.0/24"),
        (("add", "lisbon", "--lan", "a=192.168.5.0/24", "--nat", "b"), "--nat: 'b', allowed: a; name a LAN"),
        (("add", "lisbon", "--lan", "a=10.0.0.0/24"), "10.0.0.0/24"),
        (("files", "lisbon"), "gateway: 'lisbon', allowed: none; name one"),
        (("revoke", "lisbon"), "gateway: 'lisbon', allowed: none; name one"),
    ],
)
def test_what_can_not_be_leaves_everything_as_it_was(
    office: Office, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """One message; the stack file is byte for byte as it was, and no file is made."""
    into = () if arguments[0] == "revoke" else ("--into", str(tmp_path))
    done = office.farshore("gateway", *arguments, *into)
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert office.work.stack_file.read_text(encoding="utf-8") == office.original
    assert list(tmp_path.iterdir()) == []

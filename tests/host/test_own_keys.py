"""Keys that a host makes itself: once, for itself alone, and a file of the bundle that has them from then on."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from cloud_init.host import document, lock, own_keys
from cloud_init.host.commands import Command, Deadline, Said
from cloud_init.host.document import digest_of, parse_document
from cloud_init.host.faults import Refused
from cloud_init.host.journal import record_of
from cloud_init.host.own_keys import make_keys
from cloud_init.host.steps import plan_steps
from cloud_init.program import render_program
from tests.host.stories import key, running, told

if TYPE_CHECKING:
    from pathlib import Path

WHO = {"stack": "dev", "host": "falkenstein"}
OWN = "/etc/farshore/keys/fs0.own2.key"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's folder of keys, and a `wg` whose keys are numbers, each public half the one a hundred on."""
    made = iter(range(1, 100))
    (tmp_path / "keys").mkdir(mode=0o700)

    def run(command: Command, _: Deadline) -> Said:
        number = next(number for number in range(100) if key(number) == command.given.strip())
        return Said(0, f"{key(100 + number)}\n", "")

    monkeypatch.setattr(own_keys, "ask", lambda *_: f"{key(next(made))}\n")
    monkeypatch.setattr(own_keys, "run", run)
    monkeypatch.setattr(own_keys, "path_fault", lambda path: "odd" if ".." in path or " " in path else "")
    monkeypatch.setattr(own_keys, "KEY_FOLDER", f"{tmp_path}/keys/")
    monkeypatch.setattr(lock, "LOCK", str(tmp_path / "lock"))
    return tmp_path / "keys"


def test_a_key_is_made_once_and_nothing_but_its_public_half_is_said(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """For root alone; asked again, the same is said and nothing is written; another interface has another."""
    os.umask(0o022)
    assert make_keys("2", ["fs1"]) == 0
    assert capsys.readouterr().out == f"fs1 {key(101)}\n"
    path = host / "fs1.own2.key"
    assert path.read_text() == f"{key(1)}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = path.stat().st_mtime_ns
    assert make_keys("2", ["fs1", "fm0g1"]) == 0
    assert capsys.readouterr().out == f"fs1 {key(101)}\nfm0g1 {key(102)}\n"
    assert path.stat().st_mtime_ns == written
    assert sorted(one.name for one in host.iterdir()) == ["fm0g1.own2.key", "fs1.own2.key"]


@pytest.mark.parametrize("words", [["2", "../fs1"], ["../2", "fs1"], ["2", "fs1", "f s"]])
def test_odd_words_make_nothing_of_theirs(host: Path, words: list[str]) -> None:
    """Whatever leads out of the folder is refused, and not repeated."""
    with pytest.raises(Refused, match="keys: odd, allowed: a key"):
        make_keys(words[0], words[1:])
    assert [one.name for one in host.iterdir()] == (["fs1.own2.key"] if len(words) > 2 else [])


def test_a_program_that_makes_no_key_leaves_none(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No empty file is taken for a key later, and nothing of what was said instead is repeated."""
    monkeypatch.setattr(own_keys, "ask", lambda *_: "")
    monkeypatch.setattr(own_keys, "run", lambda *_: Said(1, "", "Key is not the correct length"))
    with pytest.raises(Refused, match="keys: none of wg, allowed: a key"):
        make_keys("2", ["fs1"])
    assert not [*host.iterdir()]


def sealed(path: str = OWN, content: str | None = None, **more: Any) -> bytes:
    """Return a bundle with a file whose content it does not bring."""
    files = [
        {"path": "/etc/farshore/host", "mode": "0644", "content": json.dumps(WHO), "secret": False},
        {"path": path, "mode": "0600", "content": content, "secret": True, **more},
    ]
    whole = {"schema": 1, **WHO, "sequence": 1, "files": files, "units": [], "masked": [], "revoked": []}
    return json.dumps({**whole, "digest": digest_of(whole)}).encode()


def test_a_bundle_that_brings_no_content_means_the_key_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """From then on it is a file of it as any other, and the record has no content of it."""
    monkeypatch.setattr(document, "read_text", lambda path: f"{key(7)}\n" if path == OWN else None)
    found = parse_document(sealed(), WHO)
    assert found.told.files[OWN] == (0o600, f"{key(7)}\n")
    (record,) = (file for file in record_of(found, WHO)["files"] if file["path"] == OWN)
    assert record == {"path": OWN, "mode": 0o600, "secret": True}
    assert found.digest == json.loads(sealed())["digest"]


@pytest.mark.parametrize(
    "path", ["/etc/farshore/keys/fs0.own3.key", "/etc/wireguard/fs0.conf", "/etc/farshore/farshore.nft"]
)
def test_without_content_it_is_refused_where_no_such_key_is(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was not made, and any file that is none: nothing else of the host's is taken for the bundle's."""
    monkeypatch.setattr(document, "read_text", lambda one: None if one.endswith("own3.key") else "there")
    with pytest.raises(Refused, match=r"files\[1\]: content: no text, allowed: text, or a key that is here"):
        parse_document(sealed(path), WHO)


def test_it_goes_with_the_bundle_that_has_it_no_more() -> None:
    """As the file of any key: kept by a rollback, and removed last."""
    before = told()
    own = type(before)({**before.files, OWN: (0o600, f"{key(7)}\n")}, before.units, before.masked)
    assert plan_steps(own, before, running(before), {}).removes == (OWN,)
    assert plan_steps(before, own, running(before), {}).writes == (OWN,)
    assert not plan_steps(own, own, running(own), {})


_ALONE = (
    'set -eu; mount -t tmpfs none /run; mkdir -m 700 -p "$1"; '
    'for words in "keys 2 fs1 fm0g1" "keys 2 fs1" "keys 3 fs1"; do '
    'SSH_ORIGINAL_COMMAND="$words" python3 -I "$2" ssh; done; stat -c "%a %n" "$1"/*; cat "$1"/*'
)


@pytest.mark.lab
def test_the_program_makes_keys_that_wireguard_takes(tmp_path: Path) -> None:
    """The joined program, as delivery calls it, with the real `wg`: in a mount namespace, in which it has its places."""
    program, keys = tmp_path / "farshore-host", tmp_path / "keys"
    text = render_program()
    folder, folders = '"/etc/farshore/keys/"', '"/etc/farshore/",WIREGUARD'
    assert (text.count(folder), text.count(folders)) == (1, 1)
    places = text.replace(folder, f'"{keys}/"').replace(folders, f'"{keys}/",WIREGUARD')
    program.write_text(places, encoding="utf-8")
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", _ALONE, "sh", str(keys), str(program)],
        capture_output=True, text=True, check=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    said, files, private = lines[:4], lines[4:7], lines[7:]
    assert [line.split(" ")[0] for line in said] == ["fs1", "fm0g1", "fs1", "fs1"]
    halves = [line.split(" ")[1] for line in said]
    assert halves[2] == halves[0] != halves[3]
    names = ("fm0g1.own2.key", "fs1.own2.key", "fs1.own3.key")
    assert files == [f"600 {keys}/{name}" for name in names]
    wanted = [halves[1], halves[0], halves[3]]
    for key_made, half in zip(private, wanted, strict=True):
        whole = X25519PrivateKey.from_private_bytes(base64.b64decode(key_made))
        assert base64.b64encode(whole.public_key().public_bytes_raw()).decode() == half
        assert key_made not in done.stdout.partition("600 ")[0] + done.stderr

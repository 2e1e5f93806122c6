"""What is refused before anything is touched, with nothing of it echoed."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from cloud_init import placeholder, render_delivered
from cloud_init.host.document import digest_of, parse_document, read_input
from cloud_init.host.faults import Refused
from cloud_init.host.interface import parse_interface, without_peers
from cloud_init.host.places import path_fault
from tests.host.stories import LAPTOP, PRESS, ROUTE, conf, key
from tests.stacks import planned

SHIELD = planned().shields[0]
WHO = {"stack": "dev", "host": "falkenstein"}
SECRET = "a-word-that-nobody-may-see"


def rendered() -> dict[str, Any]:
    """Return a bundle as it is rendered."""
    found: dict[str, Any] = json.loads(render_delivered(SHIELD, placeholder(SHIELD), sequence=3))
    return found


def refused(document: dict[str, Any], who: dict[str, Any] | None = None) -> str:
    """Return what the host says to a document with its right digest."""
    sealed = json.dumps({**document, "digest": digest_of(document)}).encode()
    with pytest.raises(Refused) as said:
        parse_document(sealed, WHO if who is None else who)
    assert SECRET not in str(said.value)
    return str(said.value)


def test_what_is_rendered_is_taken() -> None:
    """By the host and stack that it is for, whole."""
    document = parse_document(json.dumps(rendered()).encode(), WHO)
    assert document.sequence == 3
    assert set(document.told.units) >= {"farshore-nftables.service", "wg-quick@fs0.service", "haproxy.service"}
    assert document.secret == {
        "/etc/farshore/farshore.nft", "/etc/wireguard/fs0.conf", "/etc/farshore/keys/fs0.key",
        "/etc/farshore/keys/fs0-press.psk",
    }  # fmt: skip
    assert key(1) not in repr(document)


def test_another_hosts_bundle_is_refused() -> None:
    """Host and stack each; a host that does not know itself takes none."""
    other = refused(rendered(), {"stack": "dev", "host": "press"})
    assert other == "bundle.host: not this host's, allowed: press; send it to its own host"
    assert refused(rendered(), {"stack": "live", "host": "falkenstein"}).startswith("bundle.stack: not this host's")
    assert "this host does not know who it is" in refused(rendered(), {})


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_a_truncated_bundle_is_refused(cut: int) -> None:
    """Wherever it ends."""
    whole = json.dumps(rendered())
    with pytest.raises(Refused, match="no whole JSON"):
        parse_document(whole[:cut].encode(), WHO)


def test_a_damaged_bundle_is_refused() -> None:
    """One letter of one file is another."""
    whole = rendered()
    whole["files"][0]["content"] += SECRET
    with pytest.raises(Refused, match=r"^bundle: does not fit its digest, allowed: as it was rendered; send it again$"):
        parse_document(json.dumps(whole).encode(), WHO)


def test_another_schema_is_refused() -> None:
    """A later one, or keys that nobody knows."""
    assert "another schema" in refused({**rendered(), "schema": 2})
    assert "another schema" in refused({**rendered(), SECRET: 1})


def _file(**more: Any) -> dict[str, Any]:
    return {"path": "/etc/farshore/x", "mode": "0600", "content": SECRET, "secret": True, **more}


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (_file(path="/etc/passwd"), "outside the folders of Farshore"),
        (_file(path=f"/etc/farshore/../{SECRET}"), "no plain absolute path"),
        (_file(path="/etc/farshore/./x"), "no plain absolute path"),
        (_file(path="/etc/farshore//x"), "no plain absolute path"),
        (_file(path="/etc/farshore/"), "no plain absolute path"),
        (_file(path="/etc/farshore/x\n"), "no plain absolute path"),
        (_file(path="etc/farshore/x"), "no plain absolute path"),
        (_file(path="/usr/local/sbin/other"), "outside the folders of Farshore"),
        (_file(path=7), "no plain absolute path"),
        (_file(mode="0644"), "mode: open, allowed: 0600 for a secret"),
        (_file(mode="4755", secret=False), "another form"),
        (_file(mode=420), "another form"),
        (_file(content=SECRET + "\0"), "content: no text"),
        (_file(more=SECRET), "other keys"),
        (SECRET, "other keys"),
    ],
)
def test_a_file_of_another_form_is_refused(file: object, said: str) -> None:
    """By its number, with the fault and not the value."""
    document = rendered()
    document["files"].append(file)
    assert f"bundle.files[{len(document['files']) - 1}]: " in refused(document)
    assert said in refused(document)


def test_a_path_twice_and_names_of_another_form_are_told_together() -> None:
    """All faults in one message."""
    document = rendered()
    document["files"].append(_file(path="/etc/shadow"))
    said = refused({**document, "units": ["--force"], "masked": "x", "revoked": [SECRET], "sequence": -1})
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "bundle.sequence", "bundle.units", "bundle.masked", "bundle.revoked",
        f"bundle.files[{len(document['files']) - 1}]",
    ]  # fmt: skip
    twice = rendered()
    twice["files"].append(twice["files"][0])
    assert "a path twice" in refused(twice)


def test_a_symbolic_link_on_the_way_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's or the file's own; /etc as it is on this machine has none."""
    document = rendered()
    real = os.lstat

    def lstat(path: str) -> os.stat_result:
        return real("/proc/self") if path == "/etc/farshore" else real(path)

    monkeypatch.setattr(os, "lstat", lstat)
    assert "a symbolic link or another kind of thing is in the way" in refused(document)


def test_input_that_never_ends_or_is_too_long_is_refused() -> None:
    """Within its time, and without keeping more than its limit."""
    reading, writing = os.pipe()
    try:
        os.write(writing, b"{")
        with pytest.raises(Refused, match="stalled"):
            read_input(reading, 0.05)
    finally:
        os.close(writing)
        os.close(reading)
    with open("/dev/zero", "rb") as zeros, pytest.raises(Refused, match="more than 4194304 bytes"):  # noqa: PTH123 - a device
        read_input(zeros.fileno(), 30)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/etc/wireguard/fs0.conf", True),
        ("/etc/systemd/system/wg-quick@fs0.service.d/farshore.conf", True),
        ("/usr/local/sbin/farshore-host", True),
        ("/etc/ssh/sshd_config", False),
        ("/etc/farshore", False),
        ("/root/.ssh/authorized_keys", False),
    ],
)
def test_paths_are_those_of_a_list(path: str, *, allowed: bool) -> None:
    """What Farshore renders, and nothing beside."""
    assert (path_fault(path) == "") is allowed


@pytest.mark.parametrize(
    "line",
    [
        "PostUp = rm -rf /", "PreDown = true", "SaveConfig = true", "PrivateKey = x", "Table = auto", "MTU = x",
        "Address = somewhere", "ListenPort = 70000", "FwMark = 1", "MTU = 1420",
    ],
)  # fmt: skip
def test_a_line_that_can_not_be_done_live_is_refused_by_its_number(line: str) -> None:
    """Nothing in an interface's file is done at boot that is not done to a running interface."""
    text = conf(PRESS, routes=ROUTE).replace("Table = off\n", f"Table = off\n{line}\n")
    with pytest.raises(Refused, match=r"^line 6: nothing that the program knows"):
        parse_interface("fs0", text)


def test_a_key_that_is_cut_is_refused() -> None:
    """By its line; the key is not said."""
    text = conf(PRESS.replace(key(2), key(2)[:-2]))
    with pytest.raises(Refused) as said:
        parse_interface("fs0", text)
    assert key(2)[:10] not in str(said.value)


def test_a_revoked_peer_is_taken_out_of_a_file() -> None:
    """Its section and its shared key; the others stay as they were."""
    text = conf(PRESS, LAPTOP, routes=ROUTE)
    left = without_peers(text, frozenset({key(2)}))
    assert key(2) not in left
    assert left == conf(LAPTOP, routes=ROUTE).replace(
        f"PostUp = wg set %i peer {key(2)} preshared-key /etc/farshore/keys/fs0-press.psk\n", ""
    )
    assert without_peers(text, frozenset({key(8)})) == text

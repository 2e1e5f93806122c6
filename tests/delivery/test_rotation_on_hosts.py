"""Keys that are made on their hosts: nobody else has one that is accepted, and they rotate like any others.

```text
  state, user data, metadata ──► every 32 bytes in them, taken as a private key ──► is its public half known here?
                                 falkenstein ═══ press          wg show: own keys and peers
```
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from lab.client import until
from tests.delivery.test_key import ssh
from tests.delivery.test_recovery import lose_state, recover, tunnel_keys
from tests.delivery.test_rotation import INNER, keys, rotated, where
from tests.first_light.deployed import farshore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=")
_PACKED = re.compile(r"H4sI[A-Za-z0-9+/]+={0,2}")
USER_DATA = "http://169.254.169.254/hetzner/v1/userdata"


def accepted(live: Live) -> set[str]:
    """Return the public keys that WireGuard knows on either host: its own, and its peers'."""
    said = [live.says(name, "wg", "show", "all", what) for name in INNER for what in ("public-key", "peers")]
    return {line.split("\t")[1] for text in said for line in text.splitlines()}


def halves(text: str) -> set[str]:
    """Return the public halves of all that could be a private key in a text, in user data within it too."""
    parts = [text, *(gzip.decompress(base64.b64decode(one)).decode() for one in _PACKED.findall(text))]
    private = {key for part in parts for key in _KEY.findall(part)}
    return {
        base64.b64encode(
            X25519PrivateKey.from_private_bytes(base64.b64decode(key)).public_key().public_bytes_raw()
        ).decode()
        for key in private
    }


def known_outside(live: Live) -> dict[str, set[str]]:
    """Return the accepted keys whose private halves somebody else than their hosts has, by who has them."""
    told = {f"metadata of {name}": live.says(name, "curl", "-sSf", "--max-time", "10", USER_DATA) for name in INNER}
    assert all(_PACKED.fullmatch(text.strip()) for text in told.values())
    told["state"] = live.exported()
    return {who: found for who, text in told.items() if (found := halves(text) & accepted(live))}


def own_files(live: Live, name: str) -> list[str]:
    """Return the files of keys that a host has made."""
    return live.says(name, "find", "/etc/farshore/keys", "-name", "*.own*.key", "-printf", "%f %m %U\n").splitlines()


@pytest.fixture
def custody(live: Live) -> Iterator[Live]:
    """The deployment, whose hosts make their keys meanwhile."""
    live.change(custody="host")
    yield live
    live.change(custody=None)


def test_staged_keys_are_made_on_their_hosts_and_go_with_their_generation(custody: Live, tmp_path: Path) -> None:
    """Each end knows the other's public half, no private one is anywhere else, and the step back leaves no file.

    A bundle without them that nobody confirms leaves them where they are.

    What is in use meanwhile is the state's: the same search finds that.
    """
    live, (before,) = custody, keys(custody)[0]
    former = live.document("farshore-delivery-edge.falkenstein-confirm")
    live.changed(generations=[before, before + 1])
    assert set(known_outside(live)) >= {"state"}
    number = (before) % 2
    for name, interface in (("falkenstein", f"fs{number}"), ("press", f"fs0g{number}")):
        assert own_files(live, name) == [f"{interface}.own{before + 1}.key 600 0"]
        private = live.says(name, "sh", "-c", f"cat /etc/farshore/keys/{interface}.own*").strip()
        assert private not in live.exported()
        assert live.says(name, "wg", "show", interface, "public-key").strip() not in set().union(
            *known_outside(live).values()
        )
        assert "FAILS" not in live.says(name, "farshore-host", "prove")
        status = json.loads(live.says(name, "farshore-host", "status"))
        assert (status["drift"], status["state"]) == ([], "confirmed")
    shield, key = f"root@{live.host('falkenstein').ipv4}", live.delivery_key("falkenstein", tmp_path)
    again = ssh(live, key, shield, f"keys {before + 1} fs{number}")
    assert again.stdout == f"fs{number} {live.says('falkenstein', 'wg', 'show', f'fs{number}', 'public-key')}"
    assert ssh(live, key, shield, "apply", given=former).returncode == 0
    assert own_files(live, "falkenstein") == []
    assert "taken back" in live.says("falkenstein", "farshore-host", "rollback")
    assert ssh(live, key, shield, f"keys {before + 1} fs{number}").stdout == again.stdout
    assert json.loads(live.says("falkenstein", "farshore-host", "status"))["drift"] == []
    live.work.run(["preview", "--expect-no-changes", *live.work.where])
    live.changed(generations=[before])
    assert [own_files(live, name) for name in INNER] == [[], []]
    assert live.page()


@pytest.mark.long
def test_after_a_rotation_nobody_but_the_hosts_has_a_key_that_is_accepted(custody: Live, tmp_path: Path) -> None:
    """Neither state nor user data nor metadata, where all had one before; hosts rotate again, and reboot, with such keys."""
    live = custody
    assert "state" in known_outside(live)
    with live.visited(tmp_path) as answers:
        said = rotated(live)
        assert "private keys that were made on their hosts and are nowhere else: all of them" in said
        assert known_outside(live) == {}
        first = {name: own_files(live, name) for name in INNER}
        assert [len(found) for found in first.values()] == [1, 1]
        rotated(live)
    assert set(answers) == {"200"}
    assert known_outside(live) == {}
    for name in INNER:
        assert len(own_files(live, name)) == 1
        assert own_files(live, name) != first[name]
        assert json.loads(live.says(name, "farshore-host", "status"))["drift"] == []
    live.work.run(["preview", "--expect-no-changes", *live.work.where])
    press = live.machine("press")
    pid = press.leader_pid
    press.run(["systemctl", "reboot"])
    until(lambda: press.leader_pid not in {None, pid} or None, 60, "another first process")
    press.wait_born()
    assert live.page(within_s=60)
    assert known_outside(live) == {}


@pytest.mark.long
def test_a_new_server_has_a_key_of_the_state_until_the_next_rotation(custody: Live) -> None:
    """An origin is replaced and comes back by itself; a shield that its origin would not know again is refused.

    Back in the state's custody, the keys are found there again.
    """
    live = custody
    if known_outside(live):
        rotated(live)
    assert known_outside(live) == {}
    refused = farshore("replace", "falkenstein", *where(live), "--yes")
    assert refused.returncode == 2
    assert "press would not know its next server" in refused.stderr
    done = farshore("replace", "press", *where(live), "--yes", within_s=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert live.page(within_s=60)
    assert set(known_outside(live)) >= {"state", "metadata of press"}
    assert "farshore:custody: host, and press has its key" in live.changed()
    live.changed(custody="state")
    rotated(live)
    assert "state" in known_outside(live)
    assert [own_files(live, name) for name in INNER] == [[], []]
    assert live.page()


@pytest.mark.long
def test_a_lost_state_gets_the_keys_until_the_next_rotation(custody: Live, glass: Path, tmp_path: Path) -> None:
    """Recovery takes hosts' own keys as they are, so that no tunnel gets another; then the state has what they accept.

    A rotation ends that.
    """
    live = custody
    if known_outside(live):
        rotated(live)
    own = {name: own_files(live, name) for name in INNER}
    assert all(own.values())
    kept = tmp_path / "hosts.keys"
    kept.write_text(farshore("host-keys", *where(live)).stdout, encoding="ascii")
    before = tunnel_keys(live)
    lose_state(live)
    with live.visited(tmp_path) as answers:
        done = recover(live, glass, kept)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "was made there; it is the state's as well now" in " ".join(done.stdout.split())
        assert "farshore:custody: host, and falkenstein, press have their keys" in live.changed()
    assert set(answers) == {"200"}
    assert tunnel_keys(live) == before
    assert [own_files(live, name) for name in INNER] == [[], []]
    assert set(known_outside(live)) == {"state"}
    rotated(live)
    assert known_outside(live) == {}

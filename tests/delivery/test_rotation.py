"""Keys rotate by three edits of the stack file, while visitors are answered and hosts run.

```text
                  51820  fs0 ═══════ fs0g0  generation 1    routes ──┐ moved by the second edit
  visitor ─► falkenstein                 press                       ▼
                  51821  fs1 ═══════ fs0g1  generation 2
```
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.first_light.deployed import redo_firewall, undo_firewall

if TYPE_CHECKING:
    from pathlib import Path

    from tests.delivery.standing import Live

pytestmark = pytest.mark.lab
INNER = {"falkenstein": "10.0.0.2", "press": "10.0.0.1"}
PROBE = (
    "set -eu; umask 077; {{ ip link add probe type wireguard 2>/dev/null || wireguard-go probe >/dev/null 2>&1; }}; "
    "cat >/run/probe.conf; wg setconf probe /run/probe.conf; rm /run/probe.conf; ip link set up dev probe"
)
INITIATION_BYTES = 148


def ways(live: Live, name: str) -> list[str]:
    """Return the interfaces by which a host reaches its peer: the one that it uses, then the one behind it."""
    said = json.loads(live.says(name, "ip", "-j", "route", "show", INNER[name]))
    return [one["dev"] for one in sorted(said, key=lambda one: int(one.get("metric", 0)))]


def handshakes(live: Live, name: str) -> dict[str, int]:
    """Return when each interface of a host last shook hands."""
    lines = live.says(name, "wg", "show", "all", "latest-handshakes").splitlines()
    return {one.split("\t")[0]: int(one.split("\t")[2]) for one in lines}


def secrets_of(live: Live, name: str) -> set[str]:
    """Return the private and shared keys in a host's files."""
    return set(live.says(name, "sh", "-c", "cat /etc/farshore/keys/*").split())


def answered(live: Live, private: str, shared: str, public: str) -> bool:
    """Tell whether the shield's newer interface answers whoever holds a private and a shared key, from press's address.

    It is asked at least twice; press's own firewall, which would not let it out, is away meanwhile.
    """
    press = live.machine("press")
    given = (
        f"[Interface]\nPrivateKey = {private}\nListenPort = 51830\n[Peer]\nPublicKey = {public}\nPresharedKey = {shared}\n"
        f"AllowedIPs = 10.0.0.1/32\nEndpoint = {live.host('falkenstein').ipv4}:51821\nPersistentKeepalive = 1\n"
    )
    undo_firewall(press, "press")
    try:
        press.run(["sh", "-c", PROBE.format()], given=given, check=True)

        def seen() -> tuple[int, int] | None:
            _, received, sent = press.run(["wg", "show", "probe", "transfer"], check=True).stdout.split()
            return (int(received), int(sent)) if int(received) or int(sent) > INITIATION_BYTES else None

        return until(seen, 30, "an answer, or a second initiation")[0] > 0
    finally:
        press.run(["ip", "link", "del", "probe"])
        redo_firewall(press)


def test_three_edits_rotate_every_key_and_no_request_is_lost(live: Live, tmp_path: Path) -> None:
    """Stage, switch, prune: each is told to running hosts, traffic moves by route, and the old keys open nothing."""
    servers, old = live.servers(), {name: secrets_of(live, name) for name in INNER}
    private = live.says("press", "cat", "/etc/farshore/keys/fs0g0.key").strip()
    shared = live.says("press", "cat", "/etc/farshore/keys/fs0g0-falkenstein.psk").strip()
    with live.visited(tmp_path) as answers:
        live.changed(generations=[1, 2])
        assert ways(live, "falkenstein") == ["fs0", "fs1"]
        assert ways(live, "press") == ["fs0g0", "fs0g1"]
        for name in INNER:
            assert "FAILS" not in live.says(name, "farshore-host", "prove")
            assert min(handshakes(live, name).values()) > 0

        live.changed(active=2)
        assert ways(live, "falkenstein") == ["fs1", "fs0"]
        assert ways(live, "press") == ["fs0g1", "fs0g0"]

        live.changed(generations=[2], active=None)
    assert set(answers) == {"200"}
    assert ways(live, "falkenstein") == ["fs1"]
    assert ways(live, "press") == ["fs0g1"]
    assert live.servers() == servers
    new = {name: secrets_of(live, name) for name in INNER}
    for name in INNER:
        assert not new[name] & old[name]
        assert len(new[name]) == len(old[name])
        assert live.says(name, "ls", "/etc/wireguard").split() == [f"{ways(live, name)[0]}.conf"]
        kept = live.says(name, "sh", "-c", "cat /var/lib/farshore/host/*.json /var/lib/farshore/host/kept/*")
        assert not [key for key in (*old[name], *new[name]) if key in kept]
    public = live.says("falkenstein", "wg", "show", "fs1", "public-key").strip()
    assert not answered(live, private, shared, public)
    private = live.says("press", "cat", "/etc/farshore/keys/fs0g1.key").strip()
    shared = live.says("press", "cat", "/etc/farshore/keys/fs0g1-falkenstein.psk").strip()
    assert answered(live, private, shared, public)
    assert live.page()

"""Hosts for tests of the program's pure parts: what they are told, and what runs when all of it is so."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

from cloud_init.host.document import Told
from cloud_init.host.interface import Interface, interfaces_of
from cloud_init.host.live import Live, LiveInterface, LivePeer, settings_of
from cloud_init.host.places import TABLE

if TYPE_CHECKING:
    from cloud_init.host.steps import Steps

NOBODY = "A" * 43 + "="


def key(number: int) -> str:
    """Return a key that is no other one's."""
    return base64.b64encode(bytes([number]) * 32).decode()


def conf(*peers: str, mtu_bytes: int = 1420, port: int = 51820, address: str = "10.0.0.1", routes: str = "") -> str:
    """Return an interface's file with these sections, whose own key is number 1."""
    head = (
        f"[Interface]\nAddress = {address}/32\nListenPort = {port}\nMTU = {mtu_bytes}\nTable = off\n"
        "PostUp = wg set %i private-key /etc/farshore/keys/fs0.key\n"
        f"PostUp = wg set %i peer {key(2)} preshared-key /etc/farshore/keys/fs0-press.psk\n{routes}"
    )
    return "\n".join([head, *peers])


def section(name: str, number: int, allowed: str, endpoint: str = "", keepalive_s: int = 0) -> str:
    """Return one peer of an interface's file."""
    lines = [f"# {name}", "[Peer]", f"PublicKey = {key(number)}", f"AllowedIPs = {allowed}"]
    if endpoint:
        lines.append(f"Endpoint = {endpoint}")
    if keepalive_s:
        lines.append(f"PersistentKeepalive = {keepalive_s}")
    return "\n".join(lines) + "\n"


PRESS = section("press", 2, "10.0.0.2/32", "192.0.2.6:51820")
LAPTOP = section("laptop", 3, "10.0.0.200/32")
ROUTE = "PostUp = ip -4 route replace 10.0.0.2 dev %i src 10.0.0.1\n"


def told(text: str | None = None, **more: str) -> Told:
    """Return what a shield is told.

    Args:
        text: Of its interface's file.
        more: Contents of further files, by the last part of their path.
    """
    places = {"haproxy.cfg": "/etc/haproxy/haproxy.cfg", "sysctl": "/etc/sysctl.d/60-farshore.conf"}
    files = {
        "/etc/wireguard/fs0.conf": (0o600, conf(PRESS, LAPTOP, routes=ROUTE) if text is None else text),
        "/etc/farshore/keys/fs0.key": (0o600, f"{key(1)}\n"),
        "/etc/farshore/keys/fs0-press.psk": (0o600, f"{key(9)}\n"),
        TABLE: (0o600, "table inet farshore {\n}\n"),
        "/etc/haproxy/haproxy.cfg": (0o644, "frontend https\n"),
        "/etc/sysctl.d/60-farshore.conf": (0o644, "net.ipv4.ip_forward = 1\n"),
    }
    for name, content in more.items():
        files[places.get(name, name)] = (0o644, content)
    return Told(
        files=files,
        units=("farshore-nftables.service", "wg-quick@fs0.service", "haproxy.service"),
        masked=("nftables.service",),
    )


def running(what: Told) -> Live:
    """Return a host on which everything is as it is told."""
    texts = {path: content.strip() for path, (_, content) in what.files.items()}
    return Live(
        interfaces={name: _running(one, texts) for name, one in interfaces_of(what.files).items()},
        units={
            **dict.fromkeys(what.units, ("enabled", "active")),
            **dict.fromkeys(what.masked, ("masked", "inactive")),
        },
        settings=settings_of(what.files),
        table_differs=(),
        table_extra=(),
    )


def _running(one: Interface, texts: dict[str, str]) -> LiveInterface:
    return LiveInterface(
        private_key=texts[one.key_path],
        listen_port=one.listen_port,
        mtu_bytes=one.mtu_bytes,
        addresses=set(one.addresses),
        routes=dict(one.routes),
        peers={
            peer.public_key: LivePeer(
                psk=texts.get(peer.psk_path, ""),
                endpoint=peer.endpoint,
                allowed_ips=frozenset(peer.allowed_ips),
                handshake_s=1,
                keepalive_s=peer.keepalive_s,
            )
            for peer in one.peers
        },
    )


def roamed(live: Live, number: int, endpoint: str) -> Live:
    """Return the same host with a peer that has moved."""
    peers = live.interfaces["fs0"].peers
    peers[key(number)] = replace(peers[key(number)], endpoint=endpoint)
    return live


def words(steps: Steps) -> list[str]:
    """Return the commands of steps, as somebody would type them."""
    return [" ".join(command.words) for command in steps.commands]

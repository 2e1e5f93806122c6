"""Two namespaces and a real tunnel between them, for measuring what lies on its way.

far 203.0.113.1 ─────── eth0 ─ host 203.0.113.10
    10.0.0.1 ═ wireguard ═ fs0        10.0.0.2
    10.0.9.1 ── plain pair ─ fs9      10.0.9.2   as a tunnel, without the cost of its cryptography
    10.0.8.9 ── plain pair ─ fs8                 the far side of what is forwarded
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lab.internet.links import make_link
from lab.internet.namespace import make_namespace, namespace_path, remove_namespace, set_sysctls

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

PORT: Final = 51820
_SOCKETS: Final = Path("/var/run/wireguard")
_PAIRS: Final = (
    ("far", "w0", "eth0", "203.0.113.1/24", "203.0.113.10/24"),
    ("far", "n9", "fs9", "10.0.9.1/32", "10.0.9.2/32"),
    ("back", "n8", "fs8", "10.0.8.9/32", ""),
)
_ROUTES: Final = {
    "far": ("10.0.9.2/32 dev n9", "10.0.8.9/32 via 10.0.9.2 src 10.0.9.1"),
    "host": ("10.0.9.1/32 dev fs9 src 10.0.9.2", "10.0.8.9/32 dev fs8 src 10.0.9.2"),
    "back": ("10.0.9.2/32 dev n8", "default via 10.0.9.2"),
}


class Bench:
    """The namespaces `far`, `host` and `back`, while it is entered; all of it is named after this process."""

    def __init__(self) -> None:
        self._prefix = f"fb{os.getpid()}"
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.tunnel = f"fs{os.getpid() % 10**8}"
        self._far_end = f"wb{os.getpid() % 10**8}"

    def __enter__(self) -> Self:
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._remove()

    def name(self, who: str) -> str:
        """Return a namespace's name."""
        return f"{self._prefix}-{who}"

    def nft(self, text: str) -> None:
        """Load a table at the host, in place of every other."""
        self._inside("host", "nft", "-f", "-", given="flush ruleset\n" + text)

    def _make(self) -> None:
        for who in ("far", "host", "back"):
            make_namespace(self.name(who))
            set_sysctls(self.name(who), {"ipv4/ip_forward": "1", "ipv4/conf/all/rp_filter": "0"})
        for who, end, host_end, theirs, mine in _PAIRS:
            make_link(self.name("host"), host_end, self.name(who), end)
            self._inside(who, "ip", "addr", "add", theirs, "dev", end)
            if mine:
                self._inside("host", "ip", "addr", "add", mine, "dev", host_end)
        for who, routes in _ROUTES.items():
            for route in routes:
                self._inside(who, "ip", "route", "add", *route.split())
        keys = [X25519PrivateKey.generate() for _ in range(2)]
        self._start("far", self._far_end, keys[0], keys[1], "10.0.0.1/32", "10.0.0.2/32", f"203.0.113.10:{PORT}")
        self._start("host", self.tunnel, keys[1], keys[0], "10.0.0.2/32", "10.0.0.1/32", f"203.0.113.1:{PORT}")

    def _start(self, who: str, interface: str, own: X25519PrivateKey, other: X25519PrivateKey, *where: str) -> None:
        """Start wireguard-go and tell it its peer, by its own socket: no key is seen on a command line."""
        address, peer, endpoint = where
        self._daemons.append(
            subprocess.Popen(
                ["nsenter", f"--net={namespace_path(self.name(who))}", "wireguard-go", "-f", interface],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env=os.environ | {"LOG_LEVEL": "silent"},
            )
        )  # fmt: skip
        told = (
            f"set=1\nprivate_key={_private(own)}\nlisten_port={PORT}\nreplace_peers=true\n"
            f"public_key={_public(other)}\nendpoint={endpoint}\nallowed_ip={peer}\n\n"
        )
        with _daemon_socket(interface) as control:
            control.sendall(told.encode())
            answer = control.recv(1000).decode()
        if answer != "errno=0\n\n":
            raise SystemExit(f"wireguard-go: {answer!r}")
        self._inside(who, "ip", "addr", "add", address, "dev", interface)
        self._inside(who, "ip", "link", "set", interface, "mtu", "1420", "up")
        self._inside(who, "ip", "route", "add", peer, "dev", interface)

    def _inside(self, who: str, *command: str, given: str = "") -> None:
        inside = ["nsenter", f"--net={namespace_path(self.name(who))}", *command]
        done = subprocess.run(inside, input=given, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr}")

    def _remove(self) -> None:
        for daemon in self._daemons:
            daemon.terminate()
            daemon.wait(timeout=10)
        for who in ("far", "host", "back"):
            remove_namespace(self.name(who))


def _daemon_socket(interface: str) -> socket.socket:
    """Return a connection to wireguard-go, once it listens."""
    deadline = time.monotonic() + 10
    while True:
        control = socket.socket(socket.AF_UNIX)
        try:
            control.connect(str(_SOCKETS / f"{interface}.sock"))
        except OSError:
            control.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return control


def _private(key: X25519PrivateKey) -> str:
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex()


def _public(key: X25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

"""A host with its real table on a real kernel, and everybody who may speak to it, each in a namespace.

    wan  203.0.113.1, peer 198.51.100.5, stranger 198.51.100.66 ── eth0 ┐
    near 10.0.0.1 (a shield), 10.0.0.3, 10.0.0.200 (a device) ──── fs0  ├─ host 203.0.113.10, 10.0.0.2
    far  10.0.0.4 (in a mesh) ──────────────────────────────── fm0g0    │       2001:db8:10::10, fd5a:0:0::2
    lan  192.168.7.9 ────────────────────────────────────────── lan0    │
    box  172.17.0.2 (a container) ─────────────────────────── docker0 ──┘

Tunnels are plain pairs with a tunnel's name: what is inside them is the firewall's affair, how it got there is not.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pyroute2.netlink.nfnetlink.nfctsocket import NFCTSocket

from cloud_init import Material
from cloud_init.nftables import render_nftables
from lab.internet.links import index_of, make_link
from lab.internet.namespace import configure, make_namespace, namespace_path, remove_namespace, run_inside, set_sysctls
from tests.firewall.hearing import IN_TIME_S, Hearing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plan.model.firewall import Firewall

T = TypeVar("T")
TUNNEL_MTU_BYTES: Final = 1420
# Namespace, its end, the host's end, their networks: the host's address and the others'.
LINKS: Final = (
    ("wan", "w0", "eth0", "203.0.113.10/24 2001:db8:10::10/64",
     "203.0.113.1/24 198.51.100.5/32 198.51.100.66/32 2001:db8:10::1/64 2001:db8:5::5/128 2001:db8:66::66/128"),
    ("near", "n0", "fs0", "10.0.0.2/16 fd5a::2/48",
     "10.0.0.1/32 10.0.0.3/32 10.0.0.200/32 fd5a::1/128 fd5a::3/128 fd5a::200/128"),
    ("far", "f0", "fm0g0", "fd5a::2/128", "10.0.0.4/32 fd5a::4/128"),
    ("lan", "l0", "lan0", "192.168.7.1/24 fdaa:7::1/64", "192.168.7.9/24 fdaa:7::9/64"),
    ("box", "b0", "docker0", "172.17.0.1/16 fdbb::1/64", "172.17.0.2/16 fdbb::2/64"),
)  # fmt: skip
# What lies behind the host, by namespace.
ROUTES: Final = {
    "wan": ("default via 203.0.113.10", "default via 2001:db8:10::10"),
    "near": ("10.0.0.2/32 dev n0", "default via 10.0.0.2", "fd5a::2/128 dev n0", "default via fd5a::2"),
    "far": ("10.0.0.2/32 dev f0", "default via 10.0.0.2", "fd5a::2/128 dev f0", "default via fd5a::2"),
    "lan": ("default via 192.168.7.1", "default via fdaa:7::1"),
    "box": ("default via 172.17.0.1", "default via fdbb::1"),
    "host": (
        "default via 203.0.113.1", "default via 2001:db8:10::1", "10.0.0.4/32 dev fm0g0 src 10.0.0.2",
        "fd5a::4/128 dev fm0g0 src fd5a::2",
    ),
}  # fmt: skip
_libc = ctypes.CDLL(None, use_errno=True)
_SETRESUID: Final = 117  # x86-64
_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75


class Stage:
    """The six namespaces of one test module, named after the process that made them."""

    def __init__(self) -> None:
        self.prefix = f"fw{os.getpid()}"

    def name(self, who: str) -> str:
        """Return a namespace's name."""
        return f"{self.prefix}-{who}"

    def build(self) -> None:
        """Make all of it."""
        for who in ("host", *(link[0] for link in LINKS)):
            make_namespace(self.name(who))
        values = {"ipv4/conf/all/rp_filter": "2", "ipv4/ip_nonlocal_bind": "1", "ipv6/ip_nonlocal_bind": "1"}
        forwarding = {"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"}
        set_sysctls(self.name("host"), values | forwarding)
        for who in ("wan", "near", "far", "lan", "box"):
            set_sysctls(self.name(who), {"ipv4/conf/all/rp_filter": "0", "ipv4/ip_nonlocal_bind": "1"})
        for who, end, host_end, mine, theirs in LINKS:
            make_link(self.name("host"), host_end, self.name(who), end)
            self._address("host", host_end, mine)
            self._address(who, end, theirs)
            self._never_ask_again("host", host_end)
            self._never_ask_again(who, end)
        self.ip("host", "link", "set", "fs0", "mtu", str(TUNNEL_MTU_BYTES))
        self.ip("host", "link", "set", "fm0g0", "mtu", str(TUNNEL_MTU_BYTES))
        self.route()

    def remove(self) -> None:
        """Remove all of it."""
        for who in ("host", *(link[0] for link in LINKS)):
            remove_namespace(self.name(who))

    def route(self) -> None:
        """Make every route; those that went with an interface come back."""
        for who, routes in ROUTES.items():
            for route in routes:
                self.ip(who, "-6" if ":" in route else "-4", "route", "replace", *route.split())

    @contextlib.contextmanager
    def down(self, interface: str) -> Iterator[None]:
        """Hold one of the host's interfaces down; afterwards its addresses and routes are there again."""
        self.ip("host", "link", "set", interface, "down")
        try:
            yield
        finally:
            self.ip("host", "link", "set", interface, "up")
            who, _, _, mine, _ = next(link for link in LINKS if link[2] == interface)
            self._address("host", interface, mine)
            self.route()
            deadline = time.monotonic() + IN_TIME_S
            while not all(self.ping(who, address.partition("/")[0]) for address in mine.split()):
                assert time.monotonic() < deadline, f"{interface}: not up again within {IN_TIME_S} s"

    def ip(self, who: str, *arguments: str) -> None:
        """Run the ip command in a namespace."""
        subprocess.run(["ip", "-n", self.name(who), *arguments], check=True, capture_output=True, timeout=10)

    def nft(self, text: str, *options: str) -> subprocess.CompletedProcess[str]:
        """Hand a text to the host's nft command, by its standard input."""
        inside = ["nsenter", f"--net={namespace_path(self.name('host'))}", "nft", *options, "-f", "-"]
        return subprocess.run(inside, input=text, capture_output=True, text=True, timeout=60, check=False)

    def load(self, firewall: Firewall) -> str:
        """Load a table, and return its text."""
        text = render_nftables(firewall, Material({}))
        done = self.nft(text)
        assert done.returncode == 0, f"{done.stderr}\n{text}"
        return text

    def clear(self) -> None:
        """Take every table away, and forget every connection."""
        assert self.nft("flush ruleset").returncode == 0

        def forget() -> None:
            with NFCTSocket() as conntrack:
                conntrack.flush()

        self.inside("host", forget)

    def listed(self, *what: str) -> list[dict[str, Any]]:
        """Return objects of the table, as nft(8) lists them."""
        inside = ["nsenter", f"--net={namespace_path(self.name('host'))}", "nft", "-j", "list", *what]
        done = subprocess.run(inside, capture_output=True, text=True, timeout=10, check=True)
        found: list[dict[str, Any]] = json.loads(done.stdout)["nftables"]
        return found

    def counters(self) -> dict[str, int]:
        """Return packets by counter, without those at zero."""
        found = self.listed("counters", "table", "inet", "farshore")
        counted = {entry["counter"]["name"]: int(entry["counter"]["packets"]) for entry in found if "counter" in entry}
        return {name: packets for name, packets in counted.items() if packets}

    @contextlib.contextmanager
    def counting(self, **expected: int) -> Iterator[None]:
        """Assert that exactly these counters grow, by exactly so much."""
        before = self.counters()

        def grown() -> dict[str, int]:
            return {
                name: packets - before.get(name, 0)
                for name, packets in self.counters().items()
                if packets != before.get(name, 0)
            }

        yield
        deadline = time.monotonic() + IN_TIME_S
        while (seen := grown()) != expected and time.monotonic() < deadline:
            if any(seen.get(name, 0) > count for name, count in expected.items()):
                break
            time.sleep(0.01)
        assert seen == expected, f"counted {seen}, expected {expected}"

    def inside(self, who: str, action: Callable[[], T], *, uid: int = 0) -> T:
        """Return what an action returns in a namespace, as a user; the thread that runs it is its own."""

        def act() -> T:
            if uid and _libc.syscall(_SETRESUID, -1, uid, -1):
                raise OSError(ctypes.get_errno(), "setresuid")
            return action()

        return run_inside(self.name(who), act)

    def say(
        self,
        who: str,
        to: tuple[str, int],
        *,
        source: tuple[str, int] | None = None,
        uid: int = 0,
        kind: int = socket.SOCK_DGRAM,
    ) -> socket.socket:
        """Return a socket that has sent a datagram, or has begun a TCP connection, and does not wait.

        Args:
            who: Namespace.
            to: Address and port.
            source: May be somebody else's.
            uid: Whose program it is.
            kind: Of socket.
        """
        family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET

        def act() -> socket.socket:
            made = socket.socket(family, kind)
            made.settimeout(0)
            if source is not None:
                level, option = (
                    (socket.IPPROTO_IP, _IP_TRANSPARENT) if family == socket.AF_INET else (41, _IPV6_TRANSPARENT)
                )
                made.setsockopt(level, option, 1)
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(source)
            if kind == socket.SOCK_STREAM:
                made.connect_ex(to)
            else:
                with contextlib.suppress(PermissionError):  # what a program is told when the firewall refuses
                    made.sendto(b"hello", to)
            return made

        return self.inside(who, act, uid=uid)

    def refusal(self, who: str, to: tuple[str, int], *, uid: int = 0) -> int:
        """Return the error that a program sees when it connects by TCP."""
        with self.say(who, to, uid=uid, kind=socket.SOCK_STREAM) as made:
            deadline = time.monotonic() + IN_TIME_S
            while (error := made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) == 0:
                assert time.monotonic() < deadline, f"no error has come within {IN_TIME_S} s"
                time.sleep(0.005)
            return error

    @contextlib.contextmanager
    def hearing(self, who: str, port: int, address: str = "", *, transparent: bool = False) -> Iterator[Hearing]:
        """Listen on UDP and TCP, both IP versions, in a namespace."""
        with contextlib.ExitStack() as stack:
            made: list[socket.socket] = []

            def act() -> None:
                for family, wild in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - a namespace
                    if address and (":" in address) != (family == socket.AF_INET6):
                        continue
                    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                        one = stack.enter_context(socket.socket(family, kind))
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        if family == socket.AF_INET6:
                            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                        if transparent and family == socket.AF_INET:
                            one.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
                        one.bind((address or wild, port))
                        if kind == socket.SOCK_STREAM:
                            one.listen(64)
                        made.append(one)

            self.inside(who, act)
            hearing = Hearing(made)
            try:
                yield hearing
            finally:
                for one in hearing.accepted:
                    one.close()

    def ping(self, who: str, address: str) -> bool:
        """Tell whether one ping is answered."""
        inside = ["nsenter", f"--net={namespace_path(self.name(who))}", "ping", "-c", "1", "-W", "0.3", "-q", address]
        return subprocess.run(inside, capture_output=True, timeout=10, check=False).returncode == 0

    def _never_ask_again(self, who: str, interface: str) -> None:
        """Keep a neighbour that was found: a tunnel has none, and what asks again 5 s later counts as dropped."""
        set_sysctls(
            self.name(who), {f"{kind}/neigh/{interface}/delay_first_probe_time": "3600" for kind in ("ipv4", "ipv6")}
        )

    def _address(self, who: str, interface: str, addresses: str) -> None:
        for address in addresses.split():
            extra = ["nodad"] if ":" in address else []
            self.ip(who, "addr", "replace", address, "dev", interface, *extra)
        configure(self.name(who), lambda netlink: index_of(netlink, interface))

"""An internet with one server's site and, in place of a machine, a bare namespace that tests talk from.

visitor, attacker ── inet ── site: cloud firewall ── host: 203.0.113.10/32, 2001:db8:10::1/64
"""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any, TypeVar

from lab import cgroups
from lab.client import PlaceSpot
from lab.internet import addresses
from lab.internet.backbone import Backbone
from lab.internet.links import add_addresses, add_route
from lab.internet.namespace import configure, make_namespace, remove_namespace, set_sysctls
from lab.internet.site import Ground, Site
from lab.ledger import Ledger
from lab.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from lab.wish import Rule

T = TypeVar("T")
MIRROR_NAME = "mirror.lab.example"
HOST_IPV4, HOST_IPV6 = IPv4Address("203.0.113.10"), IPv6Address("2001:db8:10::1")


WISH = Wish(
    server_id=7,
    name="shield",
    image="debian-12",
    location="ash",
    country="US",
    mac="96:00:00:00:00:07",
    ipv4=HOST_IPV4,
    ipv6=IPv6Network("2001:db8:10::/64"),
    user_data="#cloud-config\n{}",
    public_keys=("ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"),
    running=True,
    boot=1,
    rebuild=0,
    firewall=None,
)


class Standing:
    """An internet that stands, and a thread whose event loop serves it.

    Args:
        folder: For its files.
        advertise: Whether the site sends router advertisements and the host takes its address from them.
        prefix_letter: Tells several of one test run apart.
    """

    def __init__(self, folder: Path, *, advertise: bool = False, prefix_letter: str = "t") -> None:
        prefix = f"fs-{prefix_letter}{os.getpid()}"
        (folder / "names").mkdir()
        (folder / "repository").mkdir()
        (folder / "repository/hello").write_text("hello from the mirror\n", encoding="ascii")
        self._cgroup = cgroups.cgroup_root() / prefix
        self._ledger = Ledger(folder / "ledger.jsonl")
        ground = Ground(prefix=prefix, folder=folder, names=folder / "names", cgroup=self._cgroup, ledger=self._ledger)
        self.names = ground.names
        self.host = f"{prefix}-m7"
        self.advertise = advertise
        self.backbone = Backbone(ground, mirror_name=MIRROR_NAME)
        self.backbone.serve_packages(folder / "repository")
        self.site = Site(ground, WISH, advertise=advertise)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="standing")

    def start(self) -> None:
        """Make everything."""
        cgroups.make(self._cgroup)
        self._ledger.note("cgroup", str(self._cgroup))
        self._ledger.note("namespace", self.host)
        self._thread.start()
        self.wait(self.backbone.start())
        self.wait(self.site.start())
        make_namespace(self.host)
        taught = "1" if self.advertise else "0"
        set_sysctls(self.host, {"ipv6/conf/default/dad_transmits": "0", "ipv6/conf/default/accept_ra": taught})
        self.site.attach(self.host)
        configure(self.host, self._settle)

    def stop(self) -> None:
        """Remove everything."""
        self.wait(self.site.stop())
        self.wait(self.backbone.stop())
        remove_namespace(self.host)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._ledger.undo()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of work done by the event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    def filter(self, *rules: Rule) -> None:
        """Apply a cloud firewall of these rules."""
        self.site.wish = replace(self.site.wish, firewall=rules)
        self.wait(self.site.apply_firewall())

    def filter_nothing(self) -> None:
        """Apply no cloud firewall."""
        self.site.wish = replace(self.site.wish, firewall=None)
        self.wait(self.site.apply_firewall())

    def place(self, name: str) -> PlaceSpot:
        """Return a place."""
        return PlaceSpot(name=name, namespace=self.backbone.places[name], mounts_of=self.backbone.mounts_of)

    def _settle(self, netlink: Any) -> None:
        add_addresses(netlink, "eth0", [HOST_IPV4])
        add_route(netlink, "0.0.0.0/0", "eth0", addresses.GATEWAY_IPV4)
        if not self.advertise:
            add_addresses(netlink, "eth0", [HOST_IPV6])
            add_route(netlink, "::/0", "eth0", addresses.GATEWAY_IPV6)

"""A host behind a 1:1 NAT: it has one address, and the world dials another.

```text
  replica ─► 192.0.2.77 (nuremberg.example.net) ─ NAT in nuremberg's site ─► nuremberg's own address
```
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pytest

from cloud_init.resolve import SERVICE
from lab.client import until
from lab.internet.addresses import GATEWAY_IPV4, site_uplink
from tests.topologies.outside import ip, nft
from tools.records import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.topologies.standing import Connected

pytestmark = pytest.mark.lab

OUTER: Final = "192.0.2.77"
NAME: Final = "nuremberg.example.net"
PING: Final = ["ping", "-c", "1", "-W", "1", "10.0.1.1"]


@contextlib.contextmanager
def named(connected: Connected) -> Iterator[None]:
    """Have the name of the shield's endpoint mean the outer address, everywhere."""
    names = names_of(connected.work.outputs())
    connected.lab.publish_names(names | {NAME: [OUTER]})
    try:
        yield
    finally:
        connected.lab.publish_names(names)


@contextlib.contextmanager
def translated(connected: Connected) -> Iterator[None]:
    """Lead packets for the outer address to the shield's site, and translate them there and back."""
    world = connected.lab.world()
    (number,) = [one["server_id"] for one in world["machines"] if one["name"].endswith("nuremberg")]
    prefix = world["places"]["operator"].removesuffix("-operator")
    router, site = f"{prefix}-inet", f"{prefix}-s{number}"
    way = (f"{OUTER}/32", "via", str(GATEWAY_IPV4), "dev", site_uplink(number), "onlink")
    ip(router, "route", "add", *way)
    try:
        rule = f'iifname "up0" ip daddr {OUTER} dnat to {connected.host("nuremberg").ipv4}'
        nft(site, f"table ip outer {{ chain in {{ type nat hook prerouting priority dstnat; {rule}; }}; }}\n")
        yield
    finally:
        ip(router, "route", "del", *way)
        nft(site, "table ip outer\ndelete table ip outer\n")


@pytest.mark.long
def test_a_shield_behind_a_nat_is_dialled_at_its_outer_address(connected: Connected) -> None:
    """The tunnel stands through the translation, and at that address; without it there is none."""
    replica, asks = connected.machine("replica"), ["getent", "ahosts", NAME]

    def dial() -> None:
        replica.run(["systemctl", "restart", "wg-quick@fs1g0"], check=True)
        replica.run(["systemctl", "start", SERVICE], check=True)

    def dialled() -> str:
        return replica.run(["wg", "show", "fs1g0", "endpoints"], check=True).stdout.split()[1]

    try:
        with named(connected):
            until(lambda: True if OUTER in replica.run(asks).stdout else None, 30, "the outer address")
            dial()
            assert dialled() == f"{OUTER}:51820"
            assert replica.run(PING).returncode != 0
            with translated(connected):
                until(lambda: True if replica.run(PING).returncode == 0 else None, 30, "the tunnel")
                assert dialled() == f"{OUTER}:51820"
    finally:
        until(lambda: True if OUTER not in replica.run(asks).stdout else None, 30, "the shield's own address")
        dial()
    until(lambda: True if replica.run(PING).returncode == 0 else None, 30, "the tunnel")

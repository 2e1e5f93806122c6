"""What runs at the moment: interfaces, units, kernel settings and the firewall's table.

The parsers are pure; `read_live` asks `wg`, `ip`, `systemctl` and `nft`. Keys that are read here never leave memory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloud_init.host.commands import Command, Deadline, ask, run
from cloud_init.host.durable import read_text
from cloud_init.host.interface import network, place_of
from cloud_init.host.places import SYSCTLS, TABLE

if TYPE_CHECKING:
    from cloud_init.host.document import Told

_NAMED = re.compile(r"^\t(chain|set|counter|map) (\S+) \{", re.MULTILINE)
_SETTING = re.compile(r"^([a-z0-9_./-]+) = (\S+)$", re.MULTILINE)
_LIST_TABLE = "nft -s -t list table inet farshore"


@dataclass(frozen=True)
class LivePeer:
    """A peer as `wg show dump` has it; an empty text or 0 is none."""

    psk: str = field(repr=False)
    endpoint: str = field(repr=False)
    allowed_ips: frozenset[str]
    handshake_s: int
    keepalive_s: int
    received_bytes: int = 0


@dataclass
class LiveInterface:
    """An interface as it is: what `wg`, `ip addr` and `ip route` say of it."""

    private_key: str = field(default="", repr=False)
    listen_port: int = 0
    peers: dict[str, LivePeer] = field(default_factory=dict)
    mtu_bytes: int = 0
    addresses: set[str] = field(default_factory=set)
    routes: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Live:
    """All of it.

    Args:
        interfaces: Of WireGuard, by name.
        units: What `is-enabled` and `is-active` say.
        settings: The kernel's, by name.
        table_differs: Parts of the firewall's table that are not as the file has them.
        table_extra: Parts of it that no file has: kind and name.
    """

    interfaces: dict[str, LiveInterface]
    units: dict[str, tuple[str, str]]
    settings: dict[str, str]
    table_differs: tuple[str, ...]
    table_extra: tuple[tuple[str, str], ...]


def settings_of(files: dict[str, tuple[int, str]]) -> dict[str, str]:
    """Return the kernel's settings that a host is told, by their names."""
    texts = [content for path, (_, content) in sorted(files.items()) if path.startswith(SYSCTLS)]
    return dict(pair for text in texts for pair in _SETTING.findall(text))


def setting_path(name: str) -> str:
    """Return where the kernel has a setting."""
    return "/proc/sys/" + name.replace(".", "/")


def parse_dump(text: str) -> dict[str, LiveInterface]:
    """Return interfaces and peers from `wg show all dump`."""
    found: dict[str, LiveInterface] = {}
    for line in text.splitlines():
        name, *words = line.split("\t")
        if len(words) == 4:
            found[name] = LiveInterface(words[0], int(words[2]))
        elif len(words) == 8:
            key, psk, endpoint, allowed, handshake, received, _, keepalive = (_given(word) for word in words)
            found[name].peers[key] = LivePeer(
                psk=psk,
                endpoint=endpoint,
                allowed_ips=frozenset(network(one) for one in allowed.split(",") if one),
                handshake_s=int(handshake or 0),
                keepalive_s=int(keepalive or 0),
                received_bytes=int(received or 0),
            )
    return found


def _given(word: str) -> str:
    return "" if word in {"(none)", "off"} else word


def add_addresses(found: dict[str, LiveInterface], text: str) -> None:
    """Add what `ip -j addr` says to interfaces."""
    for link in json.loads(text or "[]"):
        one = found.get(link.get("ifname", ""))
        if one is not None:
            one.mtu_bytes = link["mtu"]
            one.addresses |= {
                network(f"{address['local']}/{address['prefixlen']}")
                for address in link["addr_info"]
                if address.get("scope") != "link"
            }


def add_routes(found: dict[str, LiveInterface], text: str) -> None:
    """Add what `ip -j route` says to interfaces; the kernel's own routes are not ours."""
    for route in json.loads(text or "[]"):
        one = found.get(route.get("dev", ""))
        if one is not None and route.get("protocol") != "kernel" and route["dst"] != "ff00::/8":
            mtu = next((metric["mtu"] for metric in route.get("metrics", []) if "mtu" in metric), 0)
            where = {"default": "::/0" if ":" in route.get("prefsrc", "") else "0.0.0.0/0"}.get(
                route["dst"], route["dst"]
            )
            one.routes[place_of(where, route.get("metric", 0))] = (route.get("prefsrc", ""), int(mtu))


def parse_table(text: str) -> dict[tuple[str, str], str]:
    """Return the parts of a table as `nft list` prints it, by kind and name."""
    places = [*_NAMED.finditer(text)]
    ends = [*[place.start() for place in places], len(text)][1:]
    return {
        (place[1], place[2]): text[place.start() : end].split("\n\t}", maxsplit=1)[0]
        for place, end in zip(places, ends, strict=True)
    }


def compare_tables(live: str, wanted: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Return the names of parts that differ or are missing, and the parts that nobody wants."""
    has, wants = parse_table(live), parse_table(wanted)
    differs = tuple(f"{kind} {name}" for (kind, name), body in wants.items() if has.get((kind, name)) != body)
    return differs, tuple(part for part in has if part not in wants)


def read_interfaces(deadline: Deadline) -> dict[str, LiveInterface]:
    """Return WireGuard's interfaces as they are."""
    found = parse_dump(ask(("wg", "show", "all", "dump"), deadline))
    add_addresses(found, ask(("ip", "-j", "addr", "show"), deadline))
    for family in ("-4", "-6"):
        add_routes(found, ask(("ip", "-j", family, "route", "show", "table", "main"), deadline))
    return found


def read_units(names: list[str], deadline: Deadline) -> dict[str, tuple[str, str]]:
    """Return the states of units' files, and of the units themselves; `show` has both for one that is not there."""
    words = ("systemctl", "show", "--property=UnitFileState,ActiveState", *names)
    blocks = ask(words, deadline, within_s=20).strip("\n").split("\n\n") if names else []
    found = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in blocks]
    states = [(one.get("UnitFileState", ""), one.get("ActiveState", "")) for one in found]
    return dict(zip(names, states, strict=False))


def read_table(table: str, deadline: Deadline) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Compare the firewall's table with a file's content, as the kernel would have it: in a namespace of its own."""
    live = ask(("sh", "-c", _LIST_TABLE), deadline)
    wanted = run(
        Command("", ("unshare", "--net", "sh", "-c", f"nft -f - && {_LIST_TABLE}"), given=table, within_s=20), deadline
    )
    return compare_tables(live, wanted.out) if wanted.code == 0 else (("table",), ())


def read_live(told: Told, units: tuple[str, ...], deadline: Deadline) -> Live:
    """Return what runs, of all that a host is told.

    Args:
        told: What it has to be.
        units: Further units to ask for.
        deadline: For all of it.
    """
    differs, extra = read_table(told.files[TABLE][1], deadline) if TABLE in told.files else ((), ())
    return Live(
        interfaces=read_interfaces(deadline),
        units=read_units(sorted({*told.units, *told.masked, *units}), deadline),
        settings={name: (read_text(setting_path(name)) or "").strip() for name in settings_of(told.files)},
        table_differs=differs,
        table_extra=extra,
    )

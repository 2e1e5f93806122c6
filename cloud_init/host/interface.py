"""A WireGuard interface as its file says, which is also what the next boot makes of it.

Pure. The file is the only source: what is done to a running interface is what a boot would do. Anything in it that
the program does not know is refused, for it could not be done to a running interface.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from functools import cache

from cloud_init.host.faults import Refused

_CONF = re.compile(r"/etc/wireguard/([a-z0-9]{1,15})\.conf")
_POST_KEY = re.compile(r"wg set %i private-key (/etc/farshore/keys/[\w.-]+)")
_POST_PSK = re.compile(r"wg set %i peer ([A-Za-z0-9+/]{43}=) preshared-key (/etc/farshore/keys/[\w.-]+)")
_POST_ROUTE = re.compile(r"ip -[46] route replace (\S+)(?: metric (\d+))? dev %i src (\S+)(?: mtu (\d+))?")
_POST_START = re.compile(r"systemctl start --no-block farshore-resolve\.service")
_COPIED = re.compile(r"(?ms)^\[Peer\].*|^PostUp[^\n]*\n")
KERNELS_METRIC = 1024  # of a route in IPv6 that names none
_PUBLIC = re.compile(r"[A-Za-z0-9+/]{43}=")
_ENDPOINT = re.compile(r"(\[[0-9a-f:]+\]|[0-9.]+):(\d{1,5})")


@dataclass(frozen=True)
class Peer:
    """One [Peer], with the file of the key that is shared with it; `keepalive_s` 0 is none."""

    name: str
    public_key: str
    psk_path: str = ""
    allowed_ips: tuple[str, ...] = ()
    endpoint: str = field(default="", repr=False)
    keepalive_s: int = 0


@dataclass(frozen=True)
class Interface:
    """One interface; routes are destination, with its metric if it has one -> (source, MTU, 0 for the interface's)."""

    name: str
    addresses: tuple[str, ...]
    listen_port: int
    mtu_bytes: int
    key_path: str
    routes: dict[str, tuple[str, int]]
    peers: tuple[Peer, ...]


def interfaces_of(files: dict[str, tuple[int, str]]) -> dict[str, Interface]:
    """Return the interfaces of a host by their names.

    Raises:
        Refused: With the first line of each file that the program does not know.
    """
    found: dict[str, Interface] = {}
    faults: list[str] = []
    for path, (_, content) in files.items():
        named = _CONF.fullmatch(path)
        if named:
            try:
                found[named[1]] = parse_interface(named[1], content)
            except Refused as refused:
                faults += [f"{path}: {fault}" for fault in refused.faults]
    if faults:
        raise Refused(faults)
    return found


@cache  # an apply asks for the old and the new one some ten times
def parse_interface(name: str, text: str) -> Interface:
    """Return one interface from the text of its file: the same object for the same text, which nobody changes.

    Raises:
        Refused: With the number of the first line that the program does not know.
    """
    own: dict[str, str] = {}
    routes: dict[str, tuple[str, int]] = {}
    psks: dict[str, str] = {}
    peers: list[dict[str, str]] = []
    comment, key_path, inside = "", "", own
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            comment = line[1:].split(":")[0].strip()
        elif line == "[Peer]":
            inside = {"name": comment}
            peers.append(inside)
        elif line and line != "[Interface]":
            key, _, value = line.partition("=")
            key, value = key.strip(), value.strip()
            if key == "PostUp":
                if psk := _POST_PSK.fullmatch(value):
                    psks[psk[1]] = psk[2]
                elif route := _POST_ROUTE.fullmatch(value):
                    routes[place_of(route[1], int(route[2] or 0))] = (route[3], int(route[4] or 0))
                elif own_key := _POST_KEY.fullmatch(value):
                    key_path = own_key[1]
                elif not _POST_START.fullmatch(value):
                    raise _unknown(number)
            elif not _known(key, value, inside is own) or key in inside:
                raise _unknown(number)
            else:
                inside[key] = value
    if not {"Address", "ListenPort", "MTU"} <= set(own) or not key_path or any("PublicKey" not in one for one in peers):
        raise Refused(["a part is missing, allowed: a whole interface; send what was rendered"])
    return Interface(
        name=name,
        addresses=_networks(own["Address"]),
        listen_port=int(own["ListenPort"]),
        mtu_bytes=int(own["MTU"]),
        key_path=key_path,
        routes=routes,
        peers=tuple(
            Peer(
                name=one["name"],
                public_key=one["PublicKey"],
                psk_path=psks.get(one["PublicKey"], ""),
                allowed_ips=_networks(one.get("AllowedIPs", "")),
                endpoint=one.get("Endpoint", ""),
                keepalive_s=int(one.get("PersistentKeepalive", "0")),
            )
            for one in peers
        ),
    )


def what_is_read(path: str, text: str) -> str:
    """Return what a parser reads of a file: neither peers nor commands of an interface, which wg-quick(8) only copies.

    That takes it some tenths of a millisecond a line. `parse_interface` has read them by then, with more distrust.
    """
    return _COPIED.sub("", text) if _CONF.fullmatch(path) else text


def without_peers(text: str, keys: frozenset[str]) -> str:
    """Return an interface's file without the peers of these public keys, and without what is said of them above."""
    head, *sections = text.split("\n\n")
    lines = [line for line in head.split("\n") if not any(f" {key} " in line for key in keys)]
    kept = [section for section in sections if not any(f"PublicKey = {key}" in section for key in keys)]
    return "\n\n".join(["\n".join(lines), *kept]).rstrip("\n") + "\n"


@cache  # a peer's address stands in its section, its route, the kernel, and in all that again
def network(text: str) -> str:
    """Return an address or network as `ip` and `wg` print it: a single address without its length."""
    address, _, length = text.partition("/")
    if length in {"", "128" if ":" in address else "32"}:
        return str(ipaddress.ip_address(address))
    return str(ipaddress.ip_network(text, strict=False))


def place_of(destination: str, metric: int) -> str:
    """Return what tells one route from another, as `ip route` takes it: the destination, and a metric of ours."""
    return network(destination) + (f" metric {metric}" if metric not in {0, KERNELS_METRIC} else "")


def _unknown(number: int) -> Refused:
    return Refused([f"line {number}: nothing that the program knows, allowed: what Farshore renders; send that"])


@cache  # most lines are in the old file and in the new one
def _known(key: str, value: str, own: bool) -> bool:  # noqa: FBT001 - a cache takes no names
    """Tell whether a line says something that the program can do, in its right form."""
    if own:
        if key == "Table":
            return value == "off"
        return (key in {"ListenPort", "MTU"} and value.isdecimal() and int(value) < 65536) or (
            key == "Address" and _are_networks(value)
        )
    return (
        (key == "PublicKey" and bool(_PUBLIC.fullmatch(value)))
        or (key == "AllowedIPs" and _are_networks(value))
        or (key == "Endpoint" and bool(_ENDPOINT.fullmatch(value)))
        or (key == "PersistentKeepalive" and value.isdecimal() and int(value) < 65536)
    )


def _are_networks(value: str) -> bool:
    try:
        return bool(_networks(value))
    except ValueError:
        return False


@cache
def _networks(value: str) -> tuple[str, ...]:
    return tuple(network(one.strip()) for one in value.split(",") if one.strip())

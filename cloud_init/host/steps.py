"""What has to be done to a running host, as data: the least that makes it what it is told.

Pure. Nothing is decided after this: `switch` writes, runs and removes in the order that stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cloud_init.host.commands import Command
from cloud_init.host.interface import Interface, Peer, interfaces_of
from cloud_init.host.live import Live, LiveInterface, settings_of
from cloud_init.host.places import (
    HAPROXY,
    NAMED_ENDPOINTS,
    SSHD_FOLDER,
    TABLE,
    UNITS,
    USERS_LIST,
    USERS_SCRIPT,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cloud_init.host.document import Told

DATA = "/etc/farshore/data"
DATA_UNIT = "farshore-data.service"
_NOT_THERE = ("", "inactive")
_NO_KEY = "A" * 43 + "="  # wg(8): a shared key of zeros is none


@dataclass(frozen=True)
class Steps:
    """All of it, in order.

    Args:
        writes: Paths of files to write.
        settings: The kernel's to set: name and value.
        commands: To run then.
        removes: Paths of files to remove at the end, when nothing needs them any more.
    """

    writes: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    commands: tuple[Command, ...] = field(default=(), repr=False)
    removes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.writes or self.settings or self.commands or self.removes)


def plan_steps(old: Told, new: Told, live: Live, keys: dict[str, str]) -> Steps:
    """Return what makes a host what it is told.

    Args:
        old: What it was told, with its files as they are on its disk.
        new: What it is told.
        live: What runs.
        keys: Content of key files that `new` names and does not bring.
    """
    writes = tuple(path for path in new.files if old.files.get(path) != new.files[path])
    removes = tuple(path for path in old.files if path not in new.files)
    had, wanted = interfaces_of(old.files), interfaces_of(new.files)
    touched = {*writes, *removes}
    wants = settings_of(new.files)
    texts = {**keys, **{path: content for path, (_, content) in new.files.items()}}
    running = {name: live.interfaces[name] for name in wanted if name in live.interfaces}
    ours = {name: live.interfaces[name] for name in {*had, *wanted} if name in live.interfaces}
    commands = [
        *_reload_units(touched),
        *_mask(new, live),
        *_table(new, live, touched),
        *_units_of_interfaces(wanted, live),
        *(command for name in running for command in _links(wanted[name], running[name])),
        *(command for name in running for command in _keys(had.get(name), wanted[name], running[name], texts)),
        *_routes(wanted, ours, running),
        *(command for name in running for command in _old_addresses(wanted[name], running[name])),
        *_units(old, new, live, touched),
        *_reloads(new, live, touched),
    ]
    return Steps(
        writes=writes,
        settings=tuple((name, value) for name, value in wants.items() if live.settings.get(name) != value),
        commands=tuple(commands),
        removes=removes,
    )


def reopened(new: Told, old: Told) -> list[str]:
    """Return what `new` had closed and `old` opens again: peers, interfaces, units and files, by their names."""
    said = []
    shut, open_again = interfaces_of(new.files), interfaces_of(old.files)
    for name, interface in open_again.items():
        if name not in shut:
            said.append(f"interface {name}")
            continue
        kept = {peer.public_key for peer in shut[name].peers}
        said += [f"{name}: peer {peer.name}" for peer in interface.peers if peer.public_key not in kept]
    said += [f"unit {unit}" for unit in old.units if unit not in new.units]
    said += [f"file {path}" for path in old.files if path not in new.files]
    if old.files.get(TABLE) != new.files.get(TABLE):
        said.append("the firewall's former table")
    return said


def _reload_units(touched: set[str]) -> Iterator[Command]:
    if any(path.startswith(UNITS) for path in touched):
        yield Command("units read again", ("systemctl", "daemon-reload"))


def _mask(new: Told, live: Live) -> Iterator[Command]:
    open_units = [unit for unit in new.masked if not live.units.get(unit, ("", ""))[0].startswith("masked")]
    if open_units:
        yield Command(f"masked: {', '.join(open_units)}", ("systemctl", "mask", "--now", *open_units))


def _table(new: Told, live: Live, touched: set[str]) -> Iterator[Command]:
    """One transaction: the file as it is, and what no file has goes with it; counters and learnt sets stay."""
    if TABLE in new.files and (TABLE in touched or live.table_differs or live.table_extra):
        # A chain may be named by a rule of another: all rules are flushed by then.
        order = {"chain": 0, "map": 1, "set": 2, "counter": 3}
        gone = sorted(live.table_extra, key=lambda part: order[part[0]])
        text = new.files[TABLE][1] + "".join(f"delete {kind} inet farshore {name}\n" for kind, name in gone)
        yield Command("firewall: table replaced in one transaction", ("nft", "-f", "-"), given=text)
        if USERS_LIST in new.files:
            yield Command("firewall: users looked up", (USERS_SCRIPT, USERS_LIST))
    elif USERS_LIST in touched and USERS_LIST in new.files:
        yield Command("firewall: users looked up", (USERS_SCRIPT, USERS_LIST))


def _unit_of(name: str) -> str:
    return f"wg-quick@{name}.service"


def _units_of_interfaces(wanted: dict[str, Interface], live: Live) -> Iterator[Command]:
    """An interface that does not run is started as at boot."""
    for name in wanted:
        if name not in live.interfaces:
            yield Command(f"{name}: started", ("systemctl", "restart", _unit_of(name)), within_s=60)


def _links(new: Interface, live: LiveInterface) -> Iterator[Command]:
    if live.mtu_bytes != new.mtu_bytes:
        yield Command(
            f"{new.name}: MTU {new.mtu_bytes}", ("ip", "link", "set", "mtu", str(new.mtu_bytes), "dev", new.name)
        )
    for address in new.addresses:
        if address not in live.addresses:
            yield Command(f"{new.name}: address {address}", ("ip", "addr", "add", address, "dev", new.name))
    if live.listen_port != new.listen_port:
        words = ("wg", "set", new.name, "listen-port", str(new.listen_port))
        yield Command(f"{new.name}: port {new.listen_port}", words)


def _old_addresses(new: Interface, live: LiveInterface) -> Iterator[Command]:
    """After the routes: an address takes those with it that have it as their source."""
    for address in sorted(live.addresses - set(new.addresses)):
        words = ("ip", "addr", "del", address, "dev", new.name)
        yield Command(f"{new.name}: address {address} removed", words)


def _keys(old: Interface | None, new: Interface, live: LiveInterface, texts: dict[str, str]) -> Iterator[Command]:
    """One message for all peers that change: no other is touched, and `addconf` takes keys and addresses unseen.

    Source: wg(8): like `set`, `addconf` replaces a named peer's AllowedIPs and leaves what it does not name.
    """
    if live.private_key != texts.get(new.key_path, "").strip():
        yield Command(f"{new.name}: own key", ("wg", "set", new.name, "private-key", new.key_path))
    before = {peer.public_key: peer for peer in old.peers} if old else {}
    changed = [peer for peer in new.peers if _differs(before.get(peer.public_key), peer, live, texts)]
    if changed:
        text = "\n".join(_section(before.get(peer.public_key), peer, live, texts) for peer in _owners(changed, live))
        names = ", ".join(peer.name for peer in changed)
        yield Command(f"{new.name}: peers {names}", ("wg", "addconf", new.name, "/dev/stdin"), given=text)
    wanted = {peer.public_key for peer in new.peers}
    for key in live.peers:
        if key not in wanted:
            name = before[key].name if key in before else "nobody knows"
            words = ("wg", "set", new.name, "peer", key, "remove")
            yield Command(f"{new.name}: peer {name} removed", words)


def _differs(before: Peer | None, peer: Peer, live: LiveInterface, texts: dict[str, str]) -> bool:
    runs = live.peers.get(peer.public_key)
    return (
        runs is None
        or runs.allowed_ips != frozenset(peer.allowed_ips)
        or runs.keepalive_s != peer.keepalive_s
        or (runs.psk or _NO_KEY) != _shared(peer, texts)
        or bool(_dialled(before, peer, live))
    )


def _shared(peer: Peer, texts: dict[str, str]) -> str:
    return texts.get(peer.psk_path, "").strip() or _NO_KEY


def _dialled(before: Peer | None, peer: Peer, live: LiveInterface) -> str:
    """Return the endpoint to set: none where a peer has roamed and its file says what it said."""
    runs = live.peers.get(peer.public_key)
    moved = before is not None and before.endpoint != peer.endpoint
    if runs is None or moved or not runs.endpoint:
        return peer.endpoint if runs is None or runs.endpoint != peer.endpoint else ""
    return ""


def _owners(changed: list[Peer], live: LiveInterface) -> Iterator[Peer]:
    """Yield peers so that an address which moves stays with its former owner until its new one takes it."""
    waiting = {one: number for number, peer in enumerate(changed) for one in peer.allowed_ips}
    for number, peer in enumerate(changed):
        runs = live.peers.get(peer.public_key)
        leaving = tuple(sorted(one for one in (runs.allowed_ips if runs else ()) if waiting.get(one, -1) > number))
        yield Peer(**{**peer.__dict__, "allowed_ips": (*peer.allowed_ips, *leaving)})


def _section(before: Peer | None, peer: Peer, live: LiveInterface, texts: dict[str, str]) -> str:
    lines = ["[Peer]", f"PublicKey = {peer.public_key}", f"PresharedKey = {_shared(peer, texts)}"]
    if peer.allowed_ips:
        lines.append(f"AllowedIPs = {', '.join(peer.allowed_ips)}")
    endpoint = _dialled(before, peer, live)
    if endpoint:
        lines.append(f"Endpoint = {endpoint}")
    lines.append(f"PersistentKeepalive = {peer.keepalive_s or 'off'}")
    return "\n".join(lines) + "\n"


def _routes(
    wanted: dict[str, Interface], ours: dict[str, LiveInterface], running: dict[str, LiveInterface]
) -> Iterator[Command]:
    """First what is wanted, which also moves a route between interfaces; then what is left over goes."""
    aims = {to: (name, *how) for name, one in wanted.items() for to, how in one.routes.items()}
    has = {(to, name): how for name, one in ours.items() for to, how in one.routes.items()}
    lines = [
        f"route replace {to} dev {name} src {source}" + (f" mtu {mtu}" if mtu else "")
        for to, (name, source, mtu) in aims.items()
        if name in running and has.get((to, name)) != (source, mtu)
    ]
    lines += [f"route del {to} dev {name}" for to, name in has if to not in aims and name in running]
    if lines:
        yield Command(f"routes: {len(lines)} changed", ("ip", "-batch", "-"), given="\n".join(lines) + "\n")


def _units(old: Told, new: Told, live: Live, touched: set[str]) -> Iterator[Command]:
    # One that was told of and never came has no file: whoever was to write it was stopped.
    gone = [unit for unit in old.units if unit not in new.units and live.units.get(unit, _NOT_THERE) != _NOT_THERE]
    if gone:
        words = ("systemctl", "disable", "--now", *gone)
        yield Command(f"ended: {', '.join(gone)}", words, within_s=60)
    lazy = [
        unit for unit in new.units if live.units.get(unit, ("", ""))[0] in {"", "disabled", "not-found", "indirect"}
    ]
    if lazy:
        yield Command(f"at every boot: {', '.join(lazy)}", ("systemctl", "enable", *lazy))
    moved = [unit for unit in new.units if f"{UNITS}{unit}" in touched and unit not in lazy]
    if moved:
        yield Command(f"at every boot, as they say now: {', '.join(moved)}", ("systemctl", "reenable", *moved))
    ours = [unit for unit in new.units if unit.endswith((".timer", ".path")) and f"{UNITS}{unit}" in touched]
    if ours:
        yield Command(f"started anew: {', '.join(ours)}", ("systemctl", "restart", *ours))
    still = [
        unit
        for unit in new.units
        if live.units.get(unit, ("", ""))[1] != "active" and unit not in ours and not unit.startswith("wg-quick@")
    ]
    if still:
        yield Command(f"started: {', '.join(still)}", ("systemctl", "start", *still), within_s=60)


def _reloads(new: Told, live: Live, touched: set[str]) -> Iterator[Command]:
    if HAPROXY in touched & set(new.files) and live.units.get("haproxy.service", ("", ""))[1] == "active":
        yield Command("haproxy: reloaded", ("systemctl", "reload", "haproxy.service"))
    if DATA in touched & set(new.files) and live.units.get(DATA_UNIT, ("", ""))[1] == "active":
        yield Command("data volume: grown", ("systemctl", "reload", DATA_UNIT), within_s=100)
    if any(path.startswith(SSHD_FOLDER) for path in touched):
        yield Command("ssh: reloaded", ("systemctl", "try-reload-or-restart", "ssh.service"))
    if NAMED_ENDPOINTS in touched & set(new.files):
        words = ("systemctl", "start", "--no-block", "farshore-resolve.service")
        yield Command("endpoints that are names: looked up", words)


def names_of(commands: Iterable[Command]) -> list[str]:
    """Return what commands do, for people."""
    return [command.why for command in commands]

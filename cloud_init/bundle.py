"""Everything that a host is told, as files and units.

Pure. The bundle is the same whichever way it reaches the host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cloud_init import listeners
from cloud_init.haproxy import render_haproxy
from cloud_init.nftables import CLOSED, render_nftables, user_lines
from cloud_init.program import PROGRAM_PATH, render_program
from cloud_init.resolve import (
    ENDPOINTS_PATH,
    SCRIPT,
    SCRIPT_PATH,
    SERVICE,
    SERVICE_UNIT,
    TIMER,
    TIMER_UNIT,
    render_endpoints,
)
from cloud_init.sshd import HOST_KEYS_PATH, HOST_KEYS_PROGRAM, ROOT_KEYS_PATH, render_root_keys, render_sshd
from cloud_init.systemd import (
    CLOSED_PATH,
    EDGE_DROP_IN,
    FIREWALL,
    FIREWALL_UNIT,
    LEFTOVERS,
    LEFTOVERS_UNIT,
    LOOK_UP,
    LOOK_UP_DROP_IN,
    LOOK_UP_PATH,
    NFTABLES_PATH,
    ROLLBACK,
    ROLLBACK_UNIT,
    TUNNEL_DROP_IN,
    USERS,
    USERS_PATH,
    USERS_UNIT,
    USERS_WATCH,
    WATCH,
    render_sysctl,
)
from cloud_init.volume import (
    DATA_KEY_PATH,
    DATA_PATH,
    DATA_PROGRAM_PATH,
    DATA_UNIT,
    OPEN,
    PACKAGE,
    mount_unit,
    render_data,
    render_data_program,
    render_mount,
)
from cloud_init.wireguard import config_path, preshared_key_path, private_key_path, render_wireguard
from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_init.material import Material
    from plan.model import Host, Site
    from plan.model.data import Data
    from plan.model.wireguard import Interface


IDENTITY_PATH: Final = "/etc/farshore/host"
DOMAINS_PATH: Final = "/etc/farshore/domains"


@dataclass(frozen=True, order=True)
class File:
    """One file of a bundle, owned by root.

    Args:
        path: Absolute.
        mode: As chmod(1) takes it, four digits.
        secret: Holds a key, or an address that is hidden.
        made_there: Holds a key that the host has made, which nobody else has: it has no content here.
    """

    path: str
    mode: str
    content: str = field(repr=False)
    secret: bool = False
    made_there: bool = False


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a host has: files in the order of their paths, packages, units in the order of their start or masked."""

    files: tuple[File, ...]
    packages: tuple[str, ...]
    units: tuple[str, ...]
    masked: tuple[str, ...]


def render_bundle(host: Host, material: Material) -> Bundle:
    """Return everything that one host is told."""
    files = [
        File(CLOSED_PATH, "0644", CLOSED),
        File(NFTABLES_PATH, "0600", render_nftables(host.firewall, material), secret=True),
        File(f"/etc/systemd/system/{FIREWALL_UNIT}", "0644", FIREWALL),
        File("/etc/ssh/sshd_config.d/10-farshore.conf", "0644", render_sshd(host)),
        File(ROOT_KEYS_PATH, "0600", render_root_keys(host, material)),
        File("/etc/sysctl.d/60-farshore.conf", "0644", render_sysctl(forwards=host.forwards)),
        File("/etc/farshore/tunnel.env", "0644", _tunnel_environment(host)),
        File(IDENTITY_PATH, "0644", render_identity(host)),
        File(PROGRAM_PATH, "0755", render_program()),
        File(f"/etc/systemd/system/{ROLLBACK_UNIT}", "0644", ROLLBACK),
        File(f"/etc/systemd/system/{LEFTOVERS_UNIT}", "0644", LEFTOVERS),
    ]
    packages, units = ["nftables", "wireguard-tools"], [FIREWALL_UNIT]
    if host.generations != (FIRST_GENERATION,):  # what has never rotated has one key, that of its birth
        files.append(File(HOST_KEYS_PATH, "0755", render_program(HOST_KEYS_PROGRAM)))
    if host.data:
        files += _data_files(host.data, material)
        packages += [PACKAGE] if host.data.encrypted else []
        units += [DATA_UNIT, mount_unit(host.data)]
    if users := user_lines(host.firewall):
        files += [
            File(USERS_PATH, "0644", users),
            File(LOOK_UP_PATH, "0755", LOOK_UP),
            File(f"/etc/systemd/system/{FIREWALL_UNIT}.d/users.conf", "0644", LOOK_UP_DROP_IN),
            File(f"/etc/systemd/system/{USERS_UNIT}", "0644", USERS),
            File(f"/etc/systemd/system/{USERS_WATCH}", "0644", WATCH),
        ]
        units.append(USERS_WATCH)
    for interface in host.interfaces:
        unit = f"wg-quick@{interface.name}.service"
        files += [
            File(config_path(interface), "0600", render_wireguard(interface, material), secret=True),
            _private_key(interface, material),
            File(f"/etc/systemd/system/{unit}.d/farshore.conf", "0644", TUNNEL_DROP_IN),
        ]
        files += [
            File(
                preshared_key_path(interface, peer),
                "0600",
                material.text(peer.preshared_key) + "\n",
                secret=True,
            )
            for peer in interface.peers
            if peer.preshared_key is not None
        ]
    units += [f"wg-quick@{interface.name}.service" for interface in host.interfaces]
    endpoints = render_endpoints(host, material)
    if endpoints:
        files += [
            File(ENDPOINTS_PATH, "0600", endpoints, secret=True),
            File(SCRIPT_PATH, "0755", SCRIPT),
            File(f"/etc/systemd/system/{SERVICE}", "0644", SERVICE_UNIT),
            File(f"/etc/systemd/system/{TIMER}", "0644", TIMER_UNIT),
        ]
        units.append(TIMER)
    if host.hidden:
        files += [
            File(listeners.SCRIPT_PATH, "0755", listeners.SCRIPT),
            File(f"/etc/systemd/system/{listeners.SERVICE}", "0644", listeners.SERVICE_UNIT),
            File(f"/etc/systemd/system/{listeners.TIMER}", "0644", listeners.TIMER_UNIT),
        ]
        units.append(listeners.TIMER)
    if host.role == "shield":
        files.append(File("/etc/haproxy/haproxy.cfg", "0644", render_haproxy(host.sites, host.address)))
        files.append(File(DOMAINS_PATH, "0644", render_domains(host.sites)))
        files.append(File("/etc/systemd/system/haproxy.service.d/farshore.conf", "0644", EDGE_DROP_IN))
        packages.append("haproxy")
        units.append("haproxy.service")
    units.append(LEFTOVERS_UNIT)
    return Bundle(
        files=tuple(sorted(files)),
        packages=tuple(sorted(packages)),
        units=tuple(units),
        masked=host.masked_units,
    )


def _data_files(data: Data, material: Material) -> list[File]:
    """Return what a data volume needs; its key without a newline, so that a person could type it as well."""
    files = [
        File(DATA_PATH, "0644", render_data(data, material)),
        File(DATA_PROGRAM_PATH, "0755", render_data_program()),
        File(f"/etc/systemd/system/{DATA_UNIT}", "0644", OPEN),
        File(f"/etc/systemd/system/{mount_unit(data)}", "0644", render_mount(data, material)),
    ]
    return files + ([File(DATA_KEY_PATH, "0600", material.text(data.key), secret=True)] if data.key else [])


def render_identity(host: Host) -> str:
    """Return who a host is, as its own program reads it: JSON."""
    return json.dumps({"host": host.name, "stack": host.stack}) + "\n"


def render_domains(sites: Sequence[Site]) -> str:
    """Return the names that a shield's edge answers and how each is asked, for the proof that it does."""
    ways = {"none": "http", "passthrough": "tls"}
    return "".join(f"{ways[site.tls]} {site.domain}\n" for site in sites)


def _private_key(interface: Interface, material: Material) -> File:
    """Return the file of an interface's own key."""
    own = interface.own_key
    content = "" if own else f"{material.text(interface.private_key)}\n"
    return File(private_key_path(interface), "0600", content, secret=True, made_there=own)


def _tunnel_environment(host: Host) -> str:
    """Return what a service needs to listen on the tunnel address and nowhere else (systemd's EnvironmentFile)."""
    return f"FARSHORE_ADDRESS={host.address}\nFARSHORE_ADDRESS6={host.address6}\n"

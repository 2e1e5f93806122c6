"""Where the program reads and writes, and what it never touches.

Pure, save `symlink_fault`.
"""

from __future__ import annotations

import os
import re
import stat

IDENTITY = "/etc/farshore/host"
PROGRAM = "/usr/local/sbin/farshore-host"
STATE = "/var/lib/farshore/host"
RECORD = f"{STATE}/confirmed.json"
MARKER = f"{STATE}/pending.json"
BIRTH = f"{STATE}/birth.json"
NEW = f"{STATE}/new"
OLD = f"{STATE}/old"
KEPT = f"{STATE}/kept"
LOCK = "/run/farshore-host.lock"
CLOSED_TABLE = "/etc/farshore/closed.nft"
TABLE = "/etc/farshore/farshore.nft"
USERS_LIST = "/etc/farshore/egress-users"
USERS_SCRIPT = "/usr/local/lib/farshore/egress-users"
NAMED_ENDPOINTS = "/etc/farshore/endpoints"
DOMAINS = "/etc/farshore/domains"
KEY_FOLDER = "/etc/farshore/keys/"
WIREGUARD = "/etc/wireguard/"
UNITS = "/etc/systemd/system/"
SYSCTLS = "/etc/sysctl.d/"
SSHD_FOLDER = "/etc/ssh/sshd_config.d/"
HAPROXY = "/etc/haproxy/haproxy.cfg"
HOST_KEYS = "/usr/local/lib/farshore/host-keys"
DATA_REFUSED = "/run/farshore-data-refused"

_FOLDERS = (
    "/etc/farshore/", WIREGUARD, UNITS, SSHD_FOLDER, SYSCTLS, "/etc/haproxy/", "/usr/local/lib/farshore/",
)  # fmt: skip
_PATH = re.compile(r"(/[A-Za-z0-9@%_:+][A-Za-z0-9@%._:+-]*)+")
_PATH_MAX = 200


def path_fault(path: object) -> str:
    """Return what is wrong with a path of a bundle; empty where nothing is."""
    if not isinstance(path, str) or len(path) > _PATH_MAX or not _PATH.fullmatch(path):
        return "no plain absolute path"
    if path != PROGRAM and not path.startswith(_FOLDERS):
        return "outside the folders of Farshore"
    return ""


def symlink_fault(path: str, seen: set[str]) -> str:
    """Return what stands in the way to a path: a symbolic link, or something that is no folder or file.

    Args:
        path: A plain absolute one.
        seen: Folders that are some, which are not looked at again; those of this path are added.
    """
    parts = path.split("/")
    for count in range(2, len(parts) + 1):
        place = "/".join(parts[:count])
        if place in seen:
            continue
        try:
            mode = os.lstat(place).st_mode
        except FileNotFoundError:
            return ""
        if not (stat.S_ISREG(mode) if count == len(parts) else stat.S_ISDIR(mode)):
            return "a symbolic link or another kind of thing is in the way"
        if count < len(parts):
            seen.add(place)
    return ""

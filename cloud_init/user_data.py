"""A bundle as a server's user data: a cloud-config, compressed, on one line.

Pure. cloud-init takes base64 of gzip only as ONE line without a newline at its end: with one, it ignores the whole
of it and says `done` (seen with 22.4.2), so tests assert on the effect.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import yaml

from cloud_init.bundle import File, render_bundle
from cloud_init.delivered import BIRTH_PATH, render_adopted
from cloud_init.material import placeholder
from cloud_init.nftables import BIRTH
from cloud_init.program import PROGRAM_PATH, SEED, render_program
from cloud_init.sshd import make_host_key
from cloud_init.systemd import LEFTOVERS_UNIT
from plan.faults import Fault, StackError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloud_init.bundle import Bundle
    from cloud_init.material import Material
    from plan.model import Host

MAX_USER_DATA_BYTES: Final = 32 * 1024  # Hetzner's API: of the string as it is sent
BORN: Final = "/var/lib/farshore/born"
# What `setup` may not say, because a host's safety rests on it.
OURS: Final = (
    "disable_root", "ssh_authorized_keys", "ssh_deletekeys", "ssh_genkeytypes", "ssh_keys", "ssh_pwauth",
)  # fmt: skip
# What comes after it would set the host up in a place that is not its volume.
_HALT: Final = f"test -e {BORN} || exit 1"
# gzip(1)'s header with nothing in it that depends on the machine: no time, unknown operating system (RFC 1952).
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


class RenderError(StackError):
    """Say all that can't be rendered."""


def draft_user_data(hosts: Sequence[Host]) -> dict[str, str]:
    """Return each host's cloud-config by its name, as long as it will be, before any key or address is known.

    Raises:
        RenderError: With the faults of all hosts: a `setup` that says what only Farshore may say, or is too long.
    """
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for host in hosts:
        try:
            texts[host.name], _ = _fitting(host, placeholder(host))
        except RenderError as error:
            faults += error.faults
    if faults:
        raise RenderError(faults)
    return texts


def render_user_data(host: Host, material: Material) -> str:
    """Return the user data of one host: base64 of gzip, one line, at most 32 KiB.

    Raises:
        RenderError: The host's `setup` says what only Farshore may say, or all of it is too long.
    """
    return _fitting(host, material)[1]


def _fitting(host: Host, material: Material) -> tuple[str, str]:
    """Return a host's cloud-config, and the same as user data.

    With the program's seed where delivery reaches the host, or where the whole does not fit. Where that does not
    either: without the generation that is not active; a shield, which is dialled from outside, without peers and
    domains. The first bundle brings the rest.
    """
    for seed in (False, True) if host.way is None else (True,):
        cloud_config = render_cloud_config(host, material, seed=seed)
        text = _packed(cloud_config)
        if len(text) <= MAX_USER_DATA_BYTES:
            return cloud_config, text
    for less in _less(host):
        alone = _packed(render_cloud_config(less, material, seed=True))
        if len(alone) <= MAX_USER_DATA_BYTES:
            return cloud_config, alone
    found, allowed = f"user data of {len(text)} bytes", f"{MAX_USER_DATA_BYTES} bytes at Hetzner"
    raise RenderError([Fault(host.key, found, allowed, _remedy(host, len(text)))])


def _less(host: Host) -> Iterator[Host]:
    """Yield a host with less to tell it at its birth, where it can be told the rest later."""
    if host.way is None:
        return
    if (in_use := host.in_use()) != host:
        yield in_use
    if host.role == "shield":
        yield host.alone()


def _packed(cloud_config: str) -> str:
    return base64.b64encode(_gzip(cloud_config.encode())).decode()


def _remedy(host: Host, size_bytes: int) -> str:
    """Return what makes too long user data shorter: less of what most of it is made of."""
    if host.setup is not None:
        bare = replace(host, setup=None)
        bare_bytes = len(_packed(render_cloud_config(bare, placeholder(bare), seed=True)))
        if bare_bytes <= MAX_USER_DATA_BYTES:
            return f"its setup makes {size_bytes - bare_bytes} of them: shorten it, or let it fetch what it needs"
    peers = sum(len(interface.peers) for interface in host.interfaces)
    part = f"about {100 * MAX_USER_DATA_BYTES // size_bytes} % of its {peers} peers"
    if host.role == "shield":
        where = "name in its ssh from where it can be told the rest, or " if host.way is None else ""
        return f"{part} and {len(host.sites)} domains fit; {where}put the rest behind further shields"
    return f"{part} fit, give it fewer shields and mesh links"


def render_cloud_config(host: Host, material: Material, *, seed: bool = False) -> str:
    """Return the same as plain YAML, for cloud-init's own checker and for people.

    Args:
        host: Whose it is.
        material: Keys and addresses.
        seed: In place of the host's whole program, which the first bundle brings then.
    """
    bundle = render_bundle(host, material)
    files = [
        replace(file, content=render_program(SEED)) if seed and file.path == PROGRAM_PATH else file
        for file in bundle.files
    ]
    own: dict[str, Any] = {
        "bootcmd": [["cloud-init-per", "once", "farshore-closed", "sh", "-c", _closing_script(bundle)]],
        "disable_root": False,
        "packages": list(bundle.packages),
        "runcmd": [["sh", "-c", _birth_script(host, bundle)], *([_HALT] if host.data else [])],
        "ssh_deletekeys": True,
        "ssh_keys": {
            "ecdsa_private": material.values[f"ssh-private:{host.name}"],
            "ecdsa_public": material.values[f"ssh-public:{host.name}"] + "\n",
        },
        "ssh_pwauth": False,
        "write_files": [
            {"path": file.path, "permissions": file.mode, "owner": "root:root", "content": file.content}
            for file in (*files, File(BIRTH_PATH, "0600", render_adopted(host, bundle) + "\n"))
        ],
    }
    body = yaml.dump(_merged(host, own), Dumper=_Dumper, sort_keys=True, width=1000, allow_unicode=True)
    return f"#cloud-config\n{body}"


def render_birth(host: Host) -> str:
    """Return what a host takes at its birth alone, and delivery changes nothing of: packages, and its own setup."""
    bundle = render_bundle(host, placeholder(host))
    data = {"data": True} if host.data else {}
    return yaml.safe_dump({"packages": list(bundle.packages), "setup": host.setup, **data}, sort_keys=True)


class _Dumper(yaml.SafeDumper):
    """Write files as a person reads them: a text of several lines as a literal block."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that stands twice in full, twice."""
        return data is not self


def _literal(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _literal)


def _merged(host: Host, own: dict[str, Any]) -> dict[str, Any]:
    """Return our cloud-config with the host's own after it: lists are joined, ours first."""
    if host.setup is None:
        return own
    theirs: dict[str, Any] = yaml.safe_load(host.setup)
    where = f"{host.key}.setup"
    forbidden = ", ".join(sorted(theirs.keys() & set(OURS)))
    faults = [Fault(where, forbidden, "any other key", "remove it, Farshore sets it")] if forbidden else []
    faults += [
        Fault(f"{where}.{key}", type(value).__name__, "a list", "Farshore adds to it")
        for key, value in theirs.items()
        if key in own and key not in OURS and not isinstance(value, list)
    ]
    faults += _hidden(host, theirs)
    if faults:
        raise RenderError(faults)
    joined = dict(own)
    for key, value in theirs.items():
        joined[key] = own.get(key, []) + value if key in own else value
    return joined


def _hidden(host: Host, theirs: dict[str, Any]) -> Iterator[Fault]:
    """Yield files of a setup that its data volume would hide: it is mounted after they are written."""
    written = theirs.get("write_files")
    for file in written if host.data and isinstance(written, list) else ():
        path = str(file.get("path", "")) if isinstance(file, dict) else ""
        if host.data and f"{path}/".startswith(f"{host.data.mount}/"):
            remedy = "its volume is mounted there later: write it somewhere else, and copy it by `runcmd`"
            yield Fault(f"{host.key}.setup.write_files", shown(path), f"a path outside {host.data.mount}", remedy)


def _closing_script(bundle: Bundle) -> str:
    """Return what runs first of all, before any package or file: close the host."""
    return f"systemctl mask --now {' '.join(bundle.masked)}\nnft -f - <<'EOF'\n{BIRTH}EOF\n"


def _birth_script(host: Host, bundle: Bundle) -> str:
    """Return what runs once the packages are there; writes the marker when all of it has succeeded."""
    units = " ".join(unit for unit in bundle.units if unit != LEFTOVERS_UNIT)
    return "\n".join(
        [
            "set -eu",
            "chmod 0700 /etc/farshore/keys /etc/wireguard /var/lib/farshore/host",
            "sysctl -q -p /etc/sysctl.d/60-farshore.conf || true",
            # One reload for all: each costs seconds on a small machine.
            f"systemctl enable --no-reload {units}",
            "systemctl daemon-reload",
            f"systemctl restart {units}",
            # The SSH host key that is believed after the first contact: no other place ever has its private half.
            *(make_host_key(generation) for generation in host.generations),
            "systemctl try-reload-or-restart ssh.service",
            # What was told at birth counts as applied and confirmed; what is left of it goes when this is over.
            f"{PROGRAM_PATH} adopt",
            f"systemctl enable --no-reload {LEFTOVERS_UNIT}",
            f"systemctl start --no-block {LEFTOVERS_UNIT}",
            f"install -D -m 0644 /dev/null {BORN}",
            "",
        ]
    )


def _gzip(data: bytes) -> bytes:
    """Return `data` as gzip(1) with a header that is the same on every Python."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    return _GZIP_HEADER + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)

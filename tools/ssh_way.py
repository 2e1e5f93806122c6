"""How ssh(1) is called for a host of a plan: by its way, with one key, and with nothing of the caller's own."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from plan import Host


def ssh_flags(host: str, identity: Path, options: Mapping[str, str]) -> list[str]:
    """Return ssh's flags for one host.

    Args:
        host: Its name, by which its own key is known.
        identity: The only key that is shown, private half.
        options: What is believed, and whatever else ssh_config(5) has.
    """
    always = {
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": host,
        "ConnectTimeout": "15",
        "LogLevel": "ERROR",
    }
    said = [word for name, value in (always | dict(options)).items() for word in ("-o", f"{name}={value}")]
    return ["-F", "none", "-i", str(identity), *said]


def believing(known_hosts: Path) -> dict[str, str]:
    """Return the options that believe the keys of one file, and no other."""
    return {"StrictHostKeyChecking": "yes", "UserKnownHostsFile": str(known_hosts)}


def ssh_command(
    host: Host,
    words: Sequence[str],
    *,
    shields: Mapping[str, str],
    flags: Sequence[str],
    flags_on_the_way: Callable[[str], Sequence[str]],
) -> list[str]:
    """Return the command that runs a program on a host: through a shield where it answers nowhere else.

    Args:
        host: One that has a way.
        words: The program.
        shields: Public address of each shield.
        flags: For the host.
        flags_on_the_way: For the shield that is on the way, by its name.
    """
    assert host.way is not None, f"{host.name}: the way was looked at before"
    through: list[str] = []
    if host.way.shields:
        shield = host.way.shields[0]
        jump = ["ssh", *flags_on_the_way(shield), "-W", f"{host.address}:22", f"root@{shields[shield]}"]
        through = ["-o", f"ProxyCommand={shlex.join(jump)}"]
    target = f"root@{host.address if host.way.shields else shields[host.name]}"
    return ["ssh", *flags, *through, target, *words]

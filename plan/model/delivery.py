"""How a running host is told a change.

Pure: frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ipaddress import IPv4Address


@dataclass(frozen=True, kw_only=True)
class Way:
    """How delivery reaches one host over SSH.

    Args:
        family: Of the public address that is dialled: the host's own, or that of a shield on the way.
        shields: Through which it is reached, any of them, in the order of their slots; none for a host that is dialled
            itself.
        opens: Tunnel addresses to whose SSH, and to nothing else, the host's own delivery key may be forwarded.
    """

    family: Literal["ipv4", "ipv6"]
    shields: tuple[str, ...]
    opens: tuple[IPv4Address, ...]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One host's turn.

    Args:
        host: Its name.
        through: The shield that is jumped through; None for a host that is dialled itself.
    """

    host: str
    through: str | None

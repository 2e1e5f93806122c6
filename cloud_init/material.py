"""What a plan's references stand for, once the deployment runs.

Pure. The values are secrets: this module's class never shows them.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, overload

from plan.model.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plan.model import Host


@dataclass(frozen=True)
class Material:
    """Keys and public addresses by the text of their reference (`str(ref)`).

    Args:
        values: WireGuard keys in wg(8)'s base64, SSH keys in OpenSSH's form, addresses as Hetzner's API writes them
            (`ipv6` is the network's base).
    """

    values: Mapping[str, str] = field(repr=False)

    def text(self, ref: Ref) -> str:
        """Return a key."""
        return self.values[str(ref)]

    def key(self, said: Ref | str) -> str:
        """Return a public key: a reference's, or the one that a device made itself."""
        return said if isinstance(said, str) else self.text(said)

    @overload
    def address(self, ref: Ref | IPv4Address | IPv6Address) -> IPv4Address | IPv6Address: ...

    @overload
    def address(self, ref: Ref | IPv4Address | IPv6Address | str) -> IPv4Address | IPv6Address | str: ...

    def address(self, ref: Ref | IPv4Address | IPv6Address | str) -> IPv4Address | IPv6Address | str:
        """Return a public address, or a name; a server is the first address of its IPv6 network."""
        if not isinstance(ref, Ref):
            return ref
        value = self.values[str(ref)]
        if ref.kind == "ipv4":
            return IPv4Address(value)
        return IPv6Network(value).network_address + 1


def placeholder(host: Host) -> Material:
    """Return material of the real length that no host accepts, to know before the deployment how long a text gets.

    The values are hashes of their references, so that they compress as badly as real keys.
    """
    return Material({str(ref): _stand_in(ref) for ref in host.references()})


def _stand_in(ref: Ref) -> str:
    """Return one value of the form and length of the real one."""
    if ref.kind == "ipv4":
        return f"192.0.2.{1 + len(ref.of)}"
    if ref.kind == "ipv6":
        return "2001:db8::"
    if ref.kind == "volume":
        return f"{10**8 + len(ref.of)}"
    noise = base64.b64encode(hashlib.sha512(str(ref).encode()).digest()).decode()
    if ref.kind == "ssh-private":
        body = "\n".join(f"{noise[:70]}" for _ in range(7))
        return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"
    if ref.kind == "ssh-public":
        return f"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB{noise}=="
    if ref.kind == "delivery-public":
        return f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{noise[:43]}"
    return base64.b64encode(hashlib.sha256(str(ref).encode()).digest()).decode()

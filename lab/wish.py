"""What the cloud wants to exist: the values that `lab.cloud` hands to the world behind it.

Pure: frozen values only. A world is told the whole list each time and converges on it, so nothing is lost
when a message is, and a restart needs no history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv4Network, IPv6Network


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of a cloud firewall, in the words of Hetzner's API.

    Args:
        direction: `in` rules allow; without any, nothing comes in. Without an `out` rule everything goes out.
        protocol: As the API names it.
        ports: First and last port, for tcp and udp; None is every port.
        addresses: Sources of an `in` rule, destinations of an `out` rule.
    """

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    ports: tuple[int, int] | None
    addresses: tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One server that shall exist.

    Args:
        server_id: Hetzner's id; also the SMBIOS serial and the cloud-init instance id.
        name: The server's name at the API: its first host name.
        image: Name of the image it was made from, as the API has it (`debian-12`).
        location: Hetzner's name of the location (`fsn1`).
        country: ISO 3166 code of the location.
        mac: Address of its public interface.
        ipv4: Public address, or None.
        ipv6: Public /64; the server is `<prefix>::1`. None without IPv6.
        user_data: As given to the API; the metadata service hands it out raw.
        public_keys: SSH public keys for the metadata service.
        running: Powered on.
        boot: Counts power-ons, resets and reboots asked for at the API: a higher number is a new boot.
        rebuild: Counts rebuilds: a higher number is a new, empty disk.
        firewall: The rules of all firewalls applied; None if none is applied, so that everything passes.
        own_image: Id of the project's own image that the disk is a copy of; None for the system image alone.
    """

    server_id: int
    name: str
    image: str
    location: str
    country: str
    mac: str
    ipv4: IPv4Address | None
    ipv6: IPv6Network | None
    user_data: str
    public_keys: tuple[str, ...]
    running: bool
    boot: int
    rebuild: int
    firewall: tuple[Rule, ...] | None
    own_image: int | None = None


@dataclass(frozen=True, kw_only=True)
class VolumeWish:
    """One volume that shall exist.

    Args:
        volume_id: Hetzner's id; the device's name in a machine is made of it.
        size_gb: In GB of 1024^3 bytes; it only grows.
        format: What it is formatted with when it is made; None leaves it empty.
        server_id: The server that it is plugged into, or None.
        automount: Mounted by itself in that server.
    """

    volume_id: int
    size_gb: int
    format: Literal["ext4", "xfs"] | None
    server_id: int | None
    automount: bool


@dataclass(frozen=True, kw_only=True)
class ImageWish:
    """One image that shall exist: a copy of a server's disk at the moment when the wish first was heard."""

    image_id: int
    server_id: int


@dataclass(frozen=True, kw_only=True)
class Stores:
    """All disks beside the servers' own that shall exist."""

    volumes: tuple[VolumeWish, ...] = ()
    images: tuple[ImageWish, ...] = ()

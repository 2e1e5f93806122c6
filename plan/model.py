"""What should exist, finished: every host, tunnel, address, port and rule of a deployment.

Pure: frozen values. What is not known before the hosts exist (keys, public addresses) stands here as a `Ref`; a
host's own list of references is everything that it will ever be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Literal

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
RefKind = Literal["private", "public", "psk", "ipv4", "ipv6", "ssh-private", "ssh-public"]


@dataclass(frozen=True, order=True)
class Ref:
    """Something that is only known when the deployment runs.

    Args:
        kind: `private` and `public` halves of a WireGuard key, `psk`, the public `ipv4` address and `ipv6` prefix
            of a host, its SSH host key's `ssh-private` and `ssh-public` halves.
        of: Whose: `host/interface` for keys, `shield/origin/generation` for a psk, else the host.
    """

    kind: RefKind
    of: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.of}"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a peer is dialled; `port` is UDP."""

    address: Ref
    port: int


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One [Peer] of wg(8); `keepalive_s` is None for the side that has no NAT before it."""

    name: str
    public_key: Ref
    preshared_key: Ref
    allowed_ips: tuple[Network, ...]
    endpoint: Endpoint | None
    keepalive_s: int | None


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One WireGuard interface of a host.

    Args:
        name: At most 15 characters (the kernel's IFNAMSIZ less one); all begin with `fs`.
        generation: The set of keys that it belongs to.
        addresses: The host's own tunnel addresses, as single addresses: routes are ours, not wg-quick's.
        listen_port: UDP.
        mtu_bytes: Of the packets inside.
        private_key: Its own key.
        peers: In the order of their names.
    """

    name: str
    generation: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    listen_port: int
    mtu_bytes: int
    private_key: Ref
    peers: tuple[Peer, ...]

    @property
    def public_key(self) -> Ref:
        """Return the other half of its own key."""
        return Ref("public", self.private_key.of)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """New connections that a host accepts inside the tunnel."""

    name: str
    protocol: Literal["tcp"]
    port: int
    sources: tuple[Address, ...]


@dataclass(frozen=True, kw_only=True)
class Firewall:
    """What a host's nftables lets in; everything else is dropped.

    Args:
        visitor_ports: TCP, from anywhere.
        wireguard_ports: UDP, from the peers' public addresses alone.
        peers: Public addresses of the peers.
        flows: Inside the tunnel.
        ssh_sources: Networks from which port 22 answers outside the tunnel.
        tunnel_networks: Never seen outside the tunnel, neither as source nor as destination.
    """

    visitor_ports: tuple[int, ...]
    wireguard_ports: tuple[int, ...]
    peers: tuple[Ref, ...]
    flows: tuple[Flow, ...]
    ssh_sources: tuple[Network, ...]
    tunnel_networks: tuple[IPv4Network, IPv6Network]


@dataclass(frozen=True, kw_only=True)
class CloudRule:
    """One inbound rule of the provider's firewall, the second layer."""

    description: str
    protocol: Literal["tcp", "udp"]
    port: int
    sources: tuple[Network | Ref, ...]


@dataclass(frozen=True, kw_only=True)
class Site:
    """One domain at a shield: who answers, and where its TLS ends."""

    domain: str
    origin: str
    service: str
    address: IPv4Address
    port: int
    tls: Literal["passthrough", "none"]


@dataclass(frozen=True, kw_only=True)
class Host:
    """One shield or origin, with all that it is told.

    Args:
        name: As in the stack file.
        server_name: At the provider's API, and its first host name; never mentions another host.
        address: Tunnel address.
        address6: The same in IPv6.
        interfaces: WireGuard.
        firewall: nftables.
        cloud_rules: The provider's firewall, never empty.
        sites: Domains that it answers (a shield's).
        setup: Its own cloud-config (an origin's).
        break_glass_key: The operator's SSH key.
        masked_units: Units of its system that may not run.
    """

    name: str
    role: Literal["shield", "origin"]
    slot: int
    account: str
    location: str
    country: str
    server_type: str
    image: str
    server_name: str
    address: IPv4Address
    address6: IPv6Address
    interfaces: tuple[Interface, ...]
    firewall: Firewall
    cloud_rules: tuple[CloudRule, ...]
    sites: tuple[Site, ...]
    setup: str | None
    break_glass_key: str | None
    masked_units: tuple[str, ...]

    @property
    def hidden(self) -> bool:
        """Tell whether its public address is a secret."""
        return self.role == "origin"

    def references(self) -> tuple[Ref, ...]:
        """Return everything that this host must be told, in order and once."""
        refs = {Ref("ssh-private", self.name), Ref("ssh-public", self.name), *self.firewall.peers}
        for interface in self.interfaces:
            refs.add(interface.private_key)
            for peer in interface.peers:
                refs |= {peer.public_key, peer.preshared_key}
                if peer.endpoint is not None:
                    refs.add(peer.endpoint.address)
        return tuple(sorted(refs))


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """One shield and one origin, in one generation."""

    shield: str
    origin: str
    generation: int
    psk: Ref
    shield_interface: str
    origin_interface: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole deployment, with no choice left.

    Args:
        project: Pulumi's project name.
        stack: Pulumi's stack name.
        accounts: Names of the accounts that hold hosts.
        shields: In the order of their slots.
        origins: In the order of their slots.
        tunnels: In the order of shield, origin and generation.
        addresses_kept: Public addresses are protected against every destroy.
        warnings: What a reader of the preview should know.
    """

    project: str
    stack: str
    accounts: tuple[str, ...]
    shields: tuple[Host, ...]
    origins: tuple[Host, ...]
    tunnels: tuple[Tunnel, ...]
    addresses_kept: bool
    warnings: tuple[str, ...]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Return shields, then origins."""
        return (*self.shields, *self.origins)

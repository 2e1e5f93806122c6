"""What should exist, finished: every host, tunnel, address, port and rule of a deployment.

Pure: frozen values. What is not known before the hosts exist (keys, public addresses) stands here as a `Ref`; a
host's own list of references is everything that it will ever be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
RefKind = Literal["private", "public", "psk", "ipv4", "ipv6", "ssh-private", "ssh-public"]
Protocol = Literal["tcp", "udp", "any"]


@dataclass(frozen=True, order=True)
class Ref:
    """Something that is only known when the deployment runs.

    Args:
        kind: `private` and `public` halves of a WireGuard key, `psk`, the public `ipv4` address and `ipv6` prefix
            of a host, its SSH host key's `ssh-private` and `ssh-public` halves.
        of: Whose: `host/interface` for keys, `near/far/generation` for a psk, a device's name for its own, else the
            host.
    """

    kind: RefKind
    of: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.of}"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a peer is dialled.

    Args:
        address: A host's own, one from the stack file, or a name that is looked up again when a handshake is stale.
        port: UDP.
    """

    address: Ref | Address | str
    port: int


@dataclass(frozen=True, kw_only=True)
class Route:
    """What goes into an interface.

    Args:
        destination: Network.
        source: The host's own address that its packets carry.
        mtu_bytes: Where it is less than the interface's.
    """

    destination: Network
    source: Address
    mtu_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One [Peer] of wg(8).

    Args:
        name: In the stack file.
        description: For people; None where nobody wrote one.
        public_key: A reference, or the key itself where a device made it.
        preshared_key: None where a device has none.
        allowed_ips: What it may send from, and what is sent to it.
        endpoint: Where it is dialled; None where it dials.
        keepalive_s: None sends none.
    """

    name: str
    public_key: Ref | str
    preshared_key: Ref | None
    allowed_ips: tuple[Network, ...]
    endpoint: Endpoint | None
    keepalive_s: int | None
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Interface:
    """One WireGuard interface of a host.

    Args:
        name: At most 15 characters (the kernel's IFNAMSIZ less one): `fs…` towards shields and origins, `fm…` in a
            mesh.
        generation: The set of keys that it belongs to.
        addresses: The host's own tunnel addresses, as single addresses: routes are ours, not wg-quick's.
        listen_port: UDP.
        mtu_bytes: Of the packets inside.
        private_key: Its own key.
        peers: In the order of their names.
        routes: In the order of their destinations.
    """

    name: str
    generation: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    listen_port: int
    mtu_bytes: int
    private_key: Ref
    peers: tuple[Peer, ...]
    routes: tuple[Route, ...] = ()

    @property
    def public_key(self) -> Ref:
        """Return the other half of its own key."""
        return Ref("public", self.private_key.of)


@dataclass(frozen=True, kw_only=True)
class Flow:
    """New connections that are accepted inside the tunnels.

    Args:
        name: `press/web`, `press/ssh`, or a LAN's.
        protocol: tcp, udp, or any for everything, ICMP too.
        ports: Empty for all.
        sources: Tunnel addresses and LANs, as networks.
        destinations: The same.
        because: Keys of the stack file that ask for it.
    """

    name: str
    protocol: Protocol
    ports: tuple[int, ...]
    sources: tuple[Network, ...]
    destinations: tuple[Network, ...]
    because: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Permit:
    """Something that a host's own programs may say to the Internet.

    Args:
        networks: Destinations; both `0.0.0.0/0` and `::/0` for anywhere.
        protocol: tcp or udp.
        ports: At least one.
        user: Whose programs may; None for everybody's.
        because: Key of the stack file, or the reason.
    """

    networks: tuple[Network, ...]
    protocol: Literal["tcp", "udp"]
    ports: tuple[int, ...]
    user: str | None
    because: str


@dataclass(frozen=True, kw_only=True)
class Expiry:
    """Addresses that nothing is accepted from after a day, whether or not anybody runs `up`."""

    addresses: tuple[Address, ...]
    until: date


@dataclass(frozen=True, kw_only=True)
class Firewall:
    """What a host's nftables lets in, through and out; everything else is dropped.

    Args:
        visitor_ports: TCP, from anywhere.
        wireguard_ports: UDP.
        peers: Public addresses that may use them.
        roaming: Devices dial from anywhere: these ports are open to everybody, and only a key opens more.
        accepts: To the host itself, inside the tunnels.
        forwards: Through the host: from tunnel to tunnel, and to and from LANs behind it.
        internet: Tunnel addresses of devices that use the Internet through this host, under its own address.
        masquerades: LANs behind it that know no way back.
        expiries: Addresses whose time ends.
        ssh_sources: Networks from which port 22 answers outside the tunnel.
        inside: Tunnel networks and LANs behind other hosts: never seen outside a tunnel, as source or destination.
        egress: What may be said to the Internet; None for everything.
    """

    visitor_ports: tuple[int, ...]
    wireguard_ports: tuple[int, ...]
    peers: tuple[Ref | Address, ...]
    roaming: bool
    accepts: tuple[Flow, ...]
    forwards: tuple[Flow, ...]
    internet: tuple[Network, ...]
    masquerades: tuple[Network, ...]
    expiries: tuple[Expiry, ...]
    ssh_sources: tuple[Network, ...]
    inside: tuple[Network, ...]
    egress: tuple[Permit, ...] | None


@dataclass(frozen=True, kw_only=True)
class CloudRule:
    """One inbound rule of the provider's firewall, the second layer."""

    description: str
    protocol: Literal["tcp", "udp"]
    port: int
    sources: tuple[Network | Address | Ref, ...]


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
        role: What it is.
        slot: Its number.
        account: Name of the account that holds it.
        location: Hetzner's name of the place.
        country: ISO 3166 code.
        company: Legal name of the company that its account is with.
        home: ISO 3166 code of that company's legal home.
        server_type: Hetzner's name of the machine.
        image: Hetzner's name of the operating system.
        families: Its public addresses.
        description: For people.
        server_name: At the provider's API, and its first host name; never mentions another host.
        address: Tunnel address.
        address6: The same in IPv6.
        interfaces: WireGuard.
        firewall: nftables.
        cloud_rules: The provider's firewall, never empty.
        lans: Networks behind it.
        sites: Domains that it answers (a shield's).
        setup: Its own cloud-config (an origin's).
        ssh: SSH answers somewhere; without, the host changes by replacement only.
        break_glass_key: The operator's SSH key.
        masked_units: Units of its system that may not run.
    """

    name: str
    role: Literal["shield", "origin"]
    slot: int
    account: str
    location: str
    country: str
    company: str
    home: str
    server_type: str
    image: str
    families: tuple[Literal["ipv4", "ipv6"], ...]
    description: str | None
    server_name: str
    address: IPv4Address
    address6: IPv6Address
    interfaces: tuple[Interface, ...]
    firewall: Firewall
    cloud_rules: tuple[CloudRule, ...]
    lans: tuple[Network, ...]
    sites: tuple[Site, ...]
    setup: str | None
    ssh: bool
    break_glass_key: str | None
    masked_units: tuple[str, ...]

    @property
    def hidden(self) -> bool:
        """Tell whether its public address is a secret."""
        return self.role == "origin"

    @property
    def forwards(self) -> bool:
        """Tell whether packets pass through it."""
        return bool(self.firewall.forwards or self.firewall.internet)

    def references(self) -> tuple[Ref, ...]:
        """Return everything that this host must be told, in order and once."""
        refs = {Ref("ssh-private", self.name), Ref("ssh-public", self.name)}
        refs |= {peer for peer in self.firewall.peers if isinstance(peer, Ref)}
        for interface in self.interfaces:
            refs.add(interface.private_key)
            for peer in interface.peers:
                told = (peer.public_key, peer.preshared_key, peer.endpoint.address if peer.endpoint else None)
                refs |= {ref for ref in told if isinstance(ref, Ref)}
        refs |= {source for rule in self.cloud_rules for source in rule.sources if isinstance(source, Ref)}
        return tuple(sorted(refs))


@dataclass(frozen=True, kw_only=True)
class Tunnel:
    """Two hosts and one generation of keys: a shield and an origin, or two hosts of a mesh.

    Args:
        near: A shield, or the first of the two by name.
        far: The other.
        generation: The set of keys that it belongs to.
        psk: Known to both and to nobody else.
        near_interface: At `near`.
        far_interface: At `far`.
    """

    near: str
    far: str
    generation: int
    psk: Ref
    near_interface: str
    far_interface: str


@dataclass(frozen=True, kw_only=True)
class DeviceTunnel:
    """A device's side of the tunnel to one shield: what its own file says beside its private key.

    Args:
        shield: Its name.
        addresses: Its own.
        peer: The shield.
        dns: Resolvers while it is connected.
        mtu_bytes: Of the packets inside.
    """

    shield: str
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    peer: Peer
    dns: tuple[Address, ...]
    mtu_bytes: int


@dataclass(frozen=True, kw_only=True)
class Device:
    """An operator's device, or a gateway to a site: not ours to make, and described by what it has to be told.

    Args:
        name: In the stack file.
        kind: What it is.
        slot: Its number.
        public_key: In base64.
        tunnels: One for each shield that it may dial; it uses one at a time.
        lans: Networks behind it.
        forwards: Through it: to and from the LANs behind it.
        masquerades: LANs behind it that know no way back.
        until: Last day on which it is let in.
        description: For people.
        takes_commands: Its file may have commands, which wg-quick(8) runs; apps refuse such a file.
    """

    name: str
    kind: Literal["operator", "gateway"]
    slot: int
    public_key: str
    tunnels: tuple[DeviceTunnel, ...]
    lans: tuple[Network, ...] = ()
    forwards: tuple[Flow, ...] = ()
    masquerades: tuple[Network, ...] = ()
    until: date | None = None
    description: str | None = None
    takes_commands: bool = False

    def references(self) -> tuple[Ref, ...]:
        """Return everything that its files say of hosts, in order and once."""
        told: list[object] = [tunnel.peer.public_key for tunnel in self.tunnels]
        told += [tunnel.peer.endpoint.address for tunnel in self.tunnels if tunnel.peer.endpoint]
        return tuple(sorted({ref for ref in told if isinstance(ref, Ref)}))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole deployment, with no choice left.

    Args:
        project: Pulumi's project name.
        stack: Pulumi's stack name.
        accounts: Names of the accounts that hold hosts.
        shields: In the order of their slots.
        origins: In the order of their slots.
        devices: In the order of their names.
        tunnels: In the order of near, far and generation.
        separate: What must differ between a shield and each origin behind it.
        waived: Pairs of shield and origin, and the rules that they may break.
        addresses_kept: Public addresses are protected against every destroy.
        warnings: What a reader of the preview should know.
    """

    project: str
    stack: str
    accounts: tuple[str, ...]
    shields: tuple[Host, ...]
    origins: tuple[Host, ...]
    devices: tuple[Device, ...]
    tunnels: tuple[Tunnel, ...]
    separate: tuple[str, ...]
    waived: frozenset[tuple[str, str, str]]
    addresses_kept: bool
    warnings: tuple[str, ...]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Return shields, then origins."""
        return (*self.shields, *self.origins)

    @property
    def everybody(self) -> tuple[Host | Device, ...]:
        """Return hosts, then devices."""
        return (*self.hosts, *self.devices)

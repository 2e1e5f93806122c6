"""What should exist, finished: every host, device and tunnel of a deployment.

Pure: frozen values. What is not known before the hosts exist (keys, public addresses) stands here as a `Ref`; a
host's own list of references is everything that it will ever be told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from plan.model.refs import Ref, delivery_ref, in_order

if TYPE_CHECKING:
    from datetime import date
    from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

    from plan.addresses import Address, Network
    from plan.model.data import Data
    from plan.model.delivery import Way
    from plan.model.firewall import CloudRule, Firewall, Flow
    from plan.model.wireguard import Interface, Peer, Tunnel


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
        stack: Pulumi's name of its stack; a host takes nothing that is meant for another.
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
        addresses_kept: They are protected against every destroy.
        description: For people.
        server_name: At the provider's API, and its first host name; never mentions another host.
        address: Tunnel address.
        address6: The same in IPv6.
        interfaces: WireGuard.
        firewall: nftables.
        cloud_rules: The provider's firewall, never empty.
        lans: Networks behind it.
        shields: That it stands behind (an origin's), in the order of their slots.
        sites: Domains that it answers (a shield's).
        setup: Its own cloud-config (an origin's).
        ssh: SSH answers somewhere.
        ssh_because: Key of the stack file that says from where it answers outside the tunnels.
        way: How it is told a change while it runs; None where it changes by replacement only.
        break_glass_key: The operator's SSH key.
        generations: Sets of keys that it has, the older first.
        active: The one that it sends by, and is told changes by.
        masked_units: Units of its system that may not run.
        data: Its disk that outlives its server (an origin's).
    """

    name: str
    stack: str
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
    addresses_kept: bool
    description: str | None
    server_name: str
    address: IPv4Address
    address6: IPv6Address
    interfaces: tuple[Interface, ...]
    firewall: Firewall
    cloud_rules: tuple[CloudRule, ...]
    lans: tuple[Network, ...]
    shields: tuple[str, ...]
    sites: tuple[Site, ...]
    setup: str | None
    ssh: bool
    ssh_because: str
    way: Way | None
    break_glass_key: str | None
    masked_units: tuple[str, ...]
    generations: tuple[int, ...]
    active: int
    data: Data | None = None

    @property
    def delivery_keys(self) -> tuple[Ref, ...]:
        """Return the public halves of the keys by which it is told changes, the older first."""
        return tuple(delivery_ref(self.name, generation) for generation in self.generations)

    @property
    def delivery_key(self) -> Ref:
        """Return that of the one that is in use: a host knows it before it is."""
        return delivery_ref(self.name, self.active)

    @property
    def key(self) -> str:
        """Return where the stack file describes it."""
        return f"farshore:{self.role}s.{self.name}"

    @property
    def hidden(self) -> bool:
        """Tell whether its public address is a secret."""
        return self.role == "origin"

    @property
    def forwards(self) -> bool:
        """Tell whether packets pass through it."""
        return bool(self.firewall.forwards or self.firewall.internet)

    def in_use(self) -> Host:
        """Return it with those peers alone that it sends to: what stands behind is left out."""
        kept = []
        for interface in self.interfaces:
            routes = tuple(route for route in interface.routes if not route.behind)
            used = {route.destination for route in routes}
            peers = tuple(peer for peer in interface.peers if used & set(peer.allowed_ips))
            if peers:
                kept.append(replace(interface, peers=peers, routes=routes))
        return replace(self, interfaces=tuple(kept))

    def alone(self) -> Host:
        """Return it as it is before it knows anybody: no peers, no domains, and nothing that passes."""
        return replace(
            self,
            interfaces=tuple(replace(interface, peers=(), routes=()) for interface in self.interfaces),
            firewall=replace(
                self.firewall, peers=(), accepts=(), forwards=(), internet=(), masquerades=(), expiries=()
            ),
            sites=(),
        )

    def references(self) -> tuple[Ref, ...]:
        """Return everything that this host must be told, in order and once."""
        refs = {Ref("ssh-private", self.name), Ref("ssh-public", self.name)}
        refs |= {peer for peer in self.firewall.peers if isinstance(peer, Ref)}
        if self.way is not None:
            refs |= set(self.delivery_keys)
        if self.data is not None:
            refs |= {self.data.volume, *([self.data.key] if self.data.key else [])}
        for interface in self.interfaces:
            if not interface.own_key:
                refs.add(interface.private_key)
            for peer in interface.peers:
                told = (peer.public_key, peer.preshared_key, peer.endpoint.address if peer.endpoint else None)
                refs |= {ref for ref in told if isinstance(ref, Ref)}
        refs |= {source for rule in self.cloud_rules for source in rule.sources if isinstance(source, Ref)}
        return in_order(refs)


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
        generation: Of the shields' keys that its files have.
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
    generation: int
    lans: tuple[Network, ...] = ()
    forwards: tuple[Flow, ...] = ()
    masquerades: tuple[Network, ...] = ()
    until: date | None = None
    description: str | None = None
    takes_commands: bool = False

    @property
    def key(self) -> str:
        """Return where the stack file describes it."""
        return f"farshore:{self.kind}s.{self.name}"

    def references(self) -> tuple[Ref, ...]:
        """Return everything that its files say of hosts, in order and once."""
        told: list[object] = [tunnel.peer.public_key for tunnel in self.tunnels]
        told += [tunnel.peer.endpoint.address for tunnel in self.tunnels if tunnel.peer.endpoint]
        return in_order({ref for ref in told if isinstance(ref, Ref)})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole deployment, with no choice left.

    Args:
        project: Pulumi's project name.
        stack: Pulumi's stack name.
        network: Of the tunnels.
        network6: The same in IPv6.
        accounts: Names of the accounts that hold hosts.
        shields: In the order of their slots.
        origins: In the order of their slots.
        devices: In the order of their names.
        tunnels: In the order of near, far and generation.
        generations: Sets of keys that stand side by side, the older first.
        active: The one by which hosts send to each other.
        separate: What must differ between a shield and each origin behind it.
        waived: Pairs of shield and origin, and the rules that they may break.
        delivers: Running hosts are told what it says.
        custody: Where keys of a generation that is staged are made.
        max_key_age_days: Older keys of hosts are to be rotated.
        warnings: What a reader of the preview should know.
    """

    project: str
    stack: str
    network: IPv4Network
    network6: IPv6Network
    accounts: tuple[str, ...]
    shields: tuple[Host, ...]
    origins: tuple[Host, ...]
    devices: tuple[Device, ...]
    tunnels: tuple[Tunnel, ...]
    generations: tuple[int, ...]
    active: int
    separate: tuple[str, ...]
    waived: frozenset[tuple[str, str, str]]
    delivers: bool
    custody: Literal["state", "host"]
    max_key_age_days: int
    warnings: tuple[str, ...]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Return shields, then origins."""
        return (*self.shields, *self.origins)

    @property
    def everybody(self) -> tuple[Host | Device, ...]:
        """Return hosts, then devices."""
        return (*self.hosts, *self.devices)

"""What the cloud remembers: one record per object, plain enough to be saved and loaded whole.

Pure. Records hold ids and text only; how they look to a client is each resource's own matter. They are
mutable: the API's verbs change them in place, and nothing outside `lab.cloud` holds one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ActionStatus = Literal["running", "success", "error"]
AddressType = Literal["ipv4", "ipv6"]


@dataclass(kw_only=True)
class Record:
    """What every object of a project has."""

    id: int
    name: str
    created: str
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class SshKey(Record):
    """A public key; `fingerprint` is MD5, as Hetzner shows it."""

    public_key: str
    fingerprint: str


@dataclass(kw_only=True)
class PrimaryIp(Record):
    """A public address: an IPv4 address or an IPv6 /64 (`2001:db8:1::/64`)."""

    type: AddressType
    ip: str
    location: str
    auto_delete: bool
    assignee_id: int | None = None
    delete_protected: bool = False
    dns_ptr: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class FloatingIp(Record):
    """A public address that moves between servers; IPv6 is a /64."""

    type: AddressType
    ip: str
    home_location: str
    description: str
    server: int | None = None
    delete_protected: bool = False
    dns_ptr: dict[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class FirewallRule:
    """One rule, in the words of the API; `port` is None for protocols without ports."""

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: str | None
    source_ips: list[str]
    destination_ips: list[str]
    description: str | None


@dataclass(kw_only=True)
class Firewall(Record):
    """Rules, and what they are applied to: servers by id and by label selector."""

    rules: list[FirewallRule]
    servers: list[int] = field(default_factory=list)
    selectors: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class PlacementGroup(Record):
    """A group of servers that stand on different hosts; servers name their group."""

    type: Literal["spread"]


@dataclass(kw_only=True)
class Subnet:
    """A part of a network, in one network zone."""

    type: Literal["cloud", "server"]
    ip_range: str
    network_zone: str


@dataclass(kw_only=True)
class NetworkRoute:
    """Where a network sends what is for `destination`."""

    destination: str
    gateway: str


@dataclass(kw_only=True)
class Network(Record):
    """A private network; servers name the networks that they are attached to."""

    ip_range: str
    subnets: list[Subnet] = field(default_factory=list)
    routes: list[NetworkRoute] = field(default_factory=list)
    expose_routes_to_vswitch: bool = False
    delete_protected: bool = False


@dataclass(kw_only=True)
class PrivateNet:
    """A server's interface in a network."""

    network: int
    ip: str
    mac_address: str
    alias_ips: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Server(Record):
    """A server; its addresses, volumes and firewalls are found in their own records.

    Args:
        server_type: Name of its type.
        image_id: Image that its disk was made from.
        location: Name of its location.
        user_data: As given; secret, so it stays out of `repr` and of every answer.
        public_keys: Copies of the keys named at creation: a key deleted later stays on the disk.
        running: Powered on.
        boot: Counts boots that were asked for.
        rebuild: Counts rebuilds.
        dead: Its last boot failed in silence: it runs by the API, not in the world.
        rescue: Its next boot is one of the rescue system.
        private_nets: Its interfaces in networks, in the order of their making.
    """

    server_type: str
    image_id: int
    location: str
    primary_disk_size: int
    user_data: str = field(default="", repr=False)
    public_keys: list[str] = field(default_factory=list)
    placement_group: int | None = None
    running: bool = False
    boot: int = 0
    rebuild: int = 0
    backup_window: str | None = None
    delete_protected: bool = False
    rebuild_protected: bool = False
    dead: bool = False
    rescue: bool = False
    private_nets: list[PrivateNet] = field(default_factory=list)


@dataclass(kw_only=True)
class Volume(Record):
    """A disk of its own, on at most one server of its location."""

    size: int
    location: str
    server: int | None = None
    format: Literal["ext4", "xfs"] | None = None
    automount: bool = False
    delete_protected: bool = False


@dataclass(kw_only=True)
class Image(Record):
    """An image that a project made of a server's disk; it has no name at the API, only a description.

    Args:
        type: A backup goes with its server, a snapshot stays.
        system: Name of the system image that the disk once was made from.
        disk_size: Of the server's disk, in GB.
        image_size: What the copy takes, in GB; None while it is made.
        created_from: Id and name of the server.
        bound_to: Id of the server, for a backup.
        deleted: When it was deleted; it is kept for as long as a server was made from it.
    """

    type: Literal["snapshot", "backup"]
    status: Literal["creating", "available"]
    system: str
    architecture: Literal["x86", "arm"]
    description: str
    disk_size: int
    image_size: float | None
    created_from: tuple[int, str]
    bound_to: int | None = None
    delete_protected: bool = False
    deleted: str | None = None


@dataclass(kw_only=True)
class DnsRecord:
    """One value of an RRset."""

    value: str
    comment: str = ""


@dataclass(kw_only=True)
class Rrset:
    """All records of one name and type in a zone; `ttl` None is the zone's."""

    name: str
    type: str
    ttl: int | None
    records: list[DnsRecord]
    labels: dict[str, str] = field(default_factory=dict)
    change_protected: bool = False


@dataclass(kw_only=True)
class Zone(Record):
    """A primary DNS zone; `rrsets` has them by their id at the API (`www/A`)."""

    ttl: int
    rrsets: dict[str, Rrset] = field(default_factory=dict)
    delete_protected: bool = False


@dataclass(kw_only=True)
class Action:
    """One thing under way: who it concerns, and how many looks it takes until it is over.

    Args:
        started_s: Clock of the start, in seconds since 1970.
        polls_left: Looks that still see it `running`.
        fault: Code and message it will end with; None ends in `success`.
        endless: It stays `running` for good.
        awaits_disk: It stays `running` until the world says that the disk is as asked.
    """

    id: int
    command: str
    status: ActionStatus
    started: str
    started_s: float
    finished: str | None = None
    resources: list[tuple[str, int]]  # kind and id; the first is what it is done to
    polls_left: int
    fault: tuple[str, str] | None = None
    endless: bool = False
    awaits_disk: bool = False


@dataclass(kw_only=True)
class Tables:
    """Everything that one project owns."""

    ssh_keys: dict[int, SshKey] = field(default_factory=dict)
    primary_ips: dict[int, PrimaryIp] = field(default_factory=dict)
    firewalls: dict[int, Firewall] = field(default_factory=dict)
    placement_groups: dict[int, PlacementGroup] = field(default_factory=dict)
    networks: dict[int, Network] = field(default_factory=dict)
    servers: dict[int, Server] = field(default_factory=dict)
    volumes: dict[int, Volume] = field(default_factory=dict)
    images: dict[int, Image] = field(default_factory=dict)
    floating_ips: dict[int, FloatingIp] = field(default_factory=dict)
    zones: dict[int, Zone] = field(default_factory=dict)
    actions: dict[int, Action] = field(default_factory=dict)


@dataclass(kw_only=True)
class Ledger:
    """What all projects share: counters, and which addresses were given out.

    Args:
        next_id: Id of the next object.
        next_action_id: Id of the next action.
        next_ipv6: Third group of the next IPv6 prefix.
        next_private_mac: Number of the next private interface.
        fresh_ipv4: Per range, how many of its addresses were ever given out.
        freed_ipv4: Per range, addresses that came back, the oldest first.
    """

    next_id: int = 1001
    next_action_id: int = 1
    next_ipv6: int = 1
    next_private_mac: int = 1
    fresh_ipv4: dict[str, int] = field(default_factory=dict)
    freed_ipv4: dict[str, list[str]] = field(default_factory=dict)


@dataclass(kw_only=True)
class State:
    """The whole cloud, as it is saved."""

    ledger: Ledger = field(default_factory=Ledger)
    projects: dict[str, Tables] = field(default_factory=dict)

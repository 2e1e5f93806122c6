"""The stack file as frozen models: every key, its type, its default and what it means.

Pure. What one value may be stands in `plan.values`; what values mean to each other is judged in `plan.rules`.
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic reads annotations at run time
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from plan.addresses import FIRST_HOST_SLOT, LAST_DEVICE_SLOT, LAST_HOST_SLOT
from plan.networks import Address, EndpointHost, Network, TunnelNetwork, UniqueLocal
from plan.values import (
    CloudConfig,
    Country,
    Day,
    DomainName,
    HostPair,
    Name,
    Names,
    PlaceName,
    Port,
    Ports,
    Regions,
    SshKey,
    Text,
    TypeName,
    UserName,
    WireguardKey,
    Within,
    at_least_one,
    once,
)

if TYPE_CHECKING:
    from typing import Any

TOKEN_LENGTH: Final = 64  # Hetzner's API tokens; the provider refuses any other length
MIN_MTU_BYTES: Final = 1280  # RFC 8200: the least that IPv6 may have
MAX_MTU_BYTES: Final = 1440  # 1500 less WireGuard over IPv4 (60): what fits an Ethernet at most
Rule = Literal["country", "account", "company", "home", "parent"]
RULES: Final[tuple[Rule, ...]] = ("country", "account", "company", "home", "parent")
Role = Literal["shield", "origin"]
Family = Literal["ipv4", "ipv6"]
Addresses = Literal["keep", "release"]
# Those that the tests deploy; docs/releases.md says what was seen on each.
Image = Literal["debian-12", "debian-13", "ubuntu-24.04"]
Ssh = Literal["off", "tunnel"] | Annotated[tuple[Network, ...], Field(min_length=1)]
PartyRole = Literal["state", "ci", "dns", "ca"]


class Strict(BaseModel):
    """Reject unknown keys and never change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Company(Strict):
    """A company, and the country whose courts it answers to.

    Args:
        company: Legal name.
        home: ISO 3166 code of its legal home.
    """

    company: Text
    home: Country


class Party(Company):
    """Whoever could be made to help a court or an attacker.

    Args:
        parent: The company that owns it, where there is one; judged like itself.
    """

    parent: Company | None = None


class Account(Party):
    """One cloud project: its company, and the country whose courts it answers to.

    Args:
        provider: Whose API makes the hosts.
    """

    provider: Literal["hcloud"] = "hcloud"


class Endpoint(Strict):
    """Where a host is dialled, where that is not its own address: behind a port forward or a 1:1 NAT.

    Args:
        host: An address, or a name that is looked up again when a handshake grows stale.
        port: UDP; the host's own where it is left out.
    """

    host: EndpointHost
    port: Port | None = None


class WireGuard(Strict):
    """A host's own choices for its tunnels; what is left out is chosen by the plan.

    Args:
        port: First of the UDP ports on which it listens.
        mtu_bytes: Of packets inside; both ends of a tunnel use the smaller of the two, 1280 to 1440.
        keepalive_s: Seconds between packets that keep a NAT open, 0 to 65535; 0 sends none.
        endpoint: Where others dial it: a place of its own, or `none` where nobody can.
    """

    port: Annotated[int, Within(1024, 65000, "choose one that nobody else needs")] | None = None
    mtu_bytes: (
        Annotated[int, Within(MIN_MTU_BYTES, MAX_MTU_BYTES, "IPv6 needs 1280, Ethernet and IPv4 leave 1440")] | None
    ) = None
    keepalive_s: Annotated[int, Within(0, 65535, "25 suits most NATs")] | None = None
    endpoint: Endpoint | Literal["none"] | None = None


class Server(Strict):
    """What a shield and an origin have in common.

    Args:
        slot: The host's number, for ever.
        account: Name of the account that holds it.
        location: Hetzner's name of the place (`fsn1`).
        country: ISO 3166 code; needed only for a location that is newer than our table.
        server_type: Hetzner's name of the machine.
        image: Hetzner's name of the operating system. Another one replaces the server. The default stays as it is
            when a release comes out: it would replace every server whose stack file names none.
        families: Its public addresses: `ipv4`, `ipv6` or both.
        description: For people.
        wireguard: Its own choices for its tunnels.
    """

    slot: int
    account: str
    location: PlaceName
    country: Country | None = None
    server_type: TypeName = "cx23"
    image: Image = "debian-12"
    families: Annotated[tuple[Family, ...], at_least_one("family, ipv4 or ipv6")] = ("ipv4", "ipv6")
    description: Text | None = None
    wireguard: WireGuard = WireGuard()


class Shield(Server):
    """A public host that visitors reach.

    Args:
        slot: 0 to 255: shield k is 10.0.k.1.
        edge: What answers visitors.
        ssh: From where SSH answers: named networks, `tunnel` (operators who may, through it), or `off`; left out, the
            networks of the break-glass key and the tunnel.
    """

    slot: Annotated[int, Within(0, 255, "choose a free one")]
    edge: Literal["haproxy"] = "haproxy"
    ssh: Ssh | None = None


class Service(Strict):
    """Something that a host's application offers at its tunnel address.

    Args:
        port: 1 to 65535.
        protocol: tcp or udp.
        sources: In the stack file `from`: who may reach it: `shields` (those that it stands behind), names of origins
            and of LANs. Operators are let in by their own `reach`.
    """

    port: Port
    protocol: Literal["tcp", "udp"] = "tcp"
    sources: Names = Field(default=("shields",), alias="from")


class Lan(Strict):
    """A network behind a host, which carries it for others.

    Args:
        network: Its prefix.
        nat: The gateway puts its own address before everybody's: for a LAN whose hosts know no way back.
        sources: In the stack file `from`: names of origins and of other LANs whose hosts may reach it.
        ports: Of tcp and udp, all where it is left out.
    """

    network: Network
    nat: bool = False
    sources: Names = Field(default=(), alias="from")
    ports: Ports = ()


class Destination(Strict):
    """Somewhere on the Internet that an origin may speak to.

    Args:
        to: A network, or `anywhere`.
        ports: At least one, 1 to 65535.
        protocol: tcp or udp.
        user: Name of the local user whose programs may; everybody where it is left out.
    """

    to: Network | Literal["anywhere"]
    ports: Annotated[Ports, Field(min_length=1)]
    protocol: Literal["tcp", "udp"] = "tcp"
    user: UserName | None = None


class Egress(Strict):
    """What a hidden host may say to the Internet beside packages, time and names.

    Args:
        allow: Nothing, unless named here.
    """

    allow: tuple[Destination, ...] = ()


class Origin(Server):
    """A hidden host that dials its shields.

    Args:
        slot: 2 to 254, or further if the network is larger: the origin is 10.0.0.<slot>.
        shields: Names of the shields that it stands behind.
        services: What its application offers, by name.
        lans: Networks behind it, by name.
        egress: What it may say to the Internet by itself; `open` for everything.
        ssh: `tunnel`: from its shields, for delivery, and operators who may; `off`: then it changes by replacement.
        setup: The origin's own cloud-config, as text; in the stack file the name of its file.
    """

    slot: Annotated[int, Within(FIRST_HOST_SLOT, LAST_HOST_SLOT, "choose a free one: 0 and 1 are the shields'")]
    shields: Annotated[tuple[str, ...], at_least_one("shield")]
    services: dict[Name, Service] = Field(default_factory=dict)
    lans: dict[Name, Lan] = Field(default_factory=dict)
    egress: Egress | Literal["open"] = Egress()
    ssh: Literal["tunnel", "off"] = "tunnel"
    setup: CloudConfig | None = None


class Device(Strict):
    """A device that is not ours to make: it made its own key, and dials.

    Args:
        slot: 2 to 254: the device is 10.0.k.<slot> at shield k.
        public_key: Of its WireGuard key, in base64; the private half never leaves it.
        shields: Those that it may dial; all where it is left out.
        description: For people.
        enabled: False takes it off every host and keeps its entry.
        keepalive_s: Seconds between packets that keep a NAT open.
        mtu_bytes: Of packets inside, 1280 to 1440.
    """

    slot: Annotated[int, Within(FIRST_HOST_SLOT, LAST_DEVICE_SLOT, "choose a free one: 0 and 1 are the shields'")]
    public_key: WireguardKey
    shields: Names = ()
    description: Text | None = None
    enabled: bool = True
    keepalive_s: Annotated[int, Within(0, 65535, "25 suits most NATs")] = 25
    mtu_bytes: Annotated[int, Within(MIN_MTU_BYTES, MAX_MTU_BYTES, "IPv6 needs 1280, Ethernet and IPv4 leave 1440")] = (
        1420
    )


class Operator(Device):
    """A person's device, on the road.

    Args:
        tunnel: `split`: only what `reach` names goes through; `full`: everything does, and leaves by the shield.
        reach: What it may reach: `press` (all its services), `press/web`, `press/ssh`, or the name of a LAN.
        dns: Resolvers that the device asks while it is connected; `full` needs some. One of ours is asked at the
            shields through which `reach` leads to it.
        system: What it runs. `linux`: its file has commands of wg-quick(8), and under a full tunnel no name is asked
            past it. `any`: no commands, which apps on phones, macOS and Windows refuse; they see to that themselves.
        until: Last day on which it is let in; afterwards it is left out of every plan.
    """

    tunnel: Literal["split", "full"] = "split"
    reach: Names = ()
    dns: tuple[Address, ...] = ()
    system: Literal["any", "linux"] = "any"
    until: Day | None = None


class Gateway(Device):
    """A site of its own, behind whatever NAT: it only dials out, and carries LANs.

    Args:
        lans: Networks behind it, by name.
    """

    lans: Annotated[dict[Name, Lan], Field(min_length=1)]


class MeshHost(Strict):
    """One host in a mesh; `port` is UDP, chosen by the plan where it is left out."""

    port: Annotated[int, Within(1024, 65000, "choose one that nobody else needs")] | None = None


class Mesh(Strict):
    """Tunnels straight between named hosts, beside those through shields: they learn each other's public address.

    Args:
        slot: 0 to 99: number of its interface, for ever.
        hosts: Names of shields and origins.
        links: Pairs that have a tunnel; every pair where it is left out.
    """

    slot: Annotated[int, Within(0, 99, "choose a free one")]
    hosts: Annotated[dict[str, MeshHost], Field(min_length=2)]
    links: tuple[HostPair, ...] | None = None


class Domain(Strict):
    """A name that visitors use.

    Args:
        origin: Who answers.
        service: Which of its services.
        tls: `passthrough`: the visitor's TLS ends at the origin, chosen by SNI, and port 80 redirects to it;
            `none`: plain HTTP on port 80.
    """

    origin: str
    service: str
    tls: Literal["passthrough", "none"] = "passthrough"


class Waiver(Strict):
    """A rule that is broken on purpose, for a while.

    Args:
        rule: Which rule of the policy: one of `separate`'s, `allow` or `avoid`.
        hosts: Names of the hosts, accounts or parties that it holds for; for a pair, both.
        reason: For whoever reads the preview.
        until: Last day on which it holds.
    """

    rule: Rule | Literal["allow", "avoid"]
    hosts: Annotated[tuple[str, ...], at_least_one("host")]
    reason: Text
    until: Day


class Policy(Strict):
    """Who may hold what.

    Args:
        separate: What must differ between a shield and each origin behind it; what is left out is a warning.
        allow: Countries and blocs in which hosts of a role may be, by role; the companies too, and their parents.
        avoid: Countries and blocs in which they may not.
        waivers: Breaches that are meant.
    """

    separate: Annotated[tuple[Rule, ...], AfterValidator(once)] = ("country", "account")
    allow: dict[Role | PartyRole, Regions] = Field(default_factory=dict)
    avoid: dict[Role | PartyRole, Regions] = Field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()


class BreakGlass(Strict):
    """The operator's own way in, for the day when nothing else works.

    Args:
        public_key: An ed25519 key in OpenSSH's form; admitted as root on every host.
        sources: Networks from which a shield answers SSH; origins answer through their shields alone.
    """

    public_key: SshKey
    sources: Annotated[tuple[Network, ...], Field(min_length=1)]


class Stack(Strict):
    """The whole stack file but its secrets, complete and free of contradictions.

    Args:
        project: Pulumi's project name.
        stack: Pulumi's stack name; names of servers begin with it.
        day: On which it is read: what ends by a date is judged by it.
        network: Tunnel network, private.
        network6: Unique local /48; derived from project and stack when left out.
        accounts: Cloud projects, each with its company.
        shields: Public hosts, which visitors reach.
        origins: Hidden hosts, which dial their shields.
        operators: People's devices.
        gateways: Sites with LANs, which only dial out.
        meshes: Tunnels straight between hosts.
        domains: Names that visitors use.
        parties: Who else could be made to help: the state's host, CI, DNS, the CA.
        policy: Who may hold what.
        addresses: `keep` protects public addresses against every destroy; `release` gives them back.
        break_glass: The way in for the day when nothing else works.
        psks: Names of the devices that have a preshared key among the secrets.
    """

    project: str
    stack: str
    day: date
    network: TunnelNetwork = IPv4Network("10.0.0.0/16")
    network6: UniqueLocal
    accounts: dict[Name, Account]
    shields: dict[Name, Shield]
    origins: dict[Name, Origin]
    operators: dict[Name, Operator] = Field(default_factory=dict)
    gateways: dict[Name, Gateway] = Field(default_factory=dict)
    meshes: dict[Name, Mesh] = Field(default_factory=dict)
    domains: dict[DomainName, Domain] = Field(default_factory=dict)
    parties: dict[PartyRole, Party] = Field(default_factory=dict)
    policy: Policy = Policy()
    addresses: Addresses = "keep"
    break_glass: BreakGlass | None = None
    psks: frozenset[str] = frozenset()


class Secrets(Strict):
    """What must not be read.

    Args:
        tokens: One API token for each account.
        psks: Preshared keys of devices, by name, in wg(8)'s base64; a device without one has none.
    """

    tokens: dict[str, SecretStr]
    psks: dict[str, SecretStr] = Field(default_factory=dict)


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of a model's keys as the stack file has them, in the order of their declaration."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def token_fault(value: Any) -> str:
    """Return what is wrong with a token, without it; empty when nothing is."""
    if not isinstance(value, str):
        return "no text"
    return "" if len(value) == TOKEN_LENGTH else f"{len(value)} characters"

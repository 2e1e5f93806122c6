"""Hosts in the stack file: shields, origins, and what an origin offers, carries and may say.

Pure.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from plan.addresses import FIRST_HOST_SLOT, LAST_HOST_SLOT
from plan.networks import EndpointHost, Network
from plan.stack.data import DataVolume
from plan.stack.strict import Strict
from plan.values import (
    CloudConfig,
    Country,
    Name,
    Names,
    PlaceName,
    Port,
    Ports,
    Text,
    TypeName,
    UserName,
    Within,
    at_least_one,
)

MIN_MTU_BYTES: Final = 1280  # RFC 8200: the least that IPv6 may have
MAX_MTU_BYTES: Final = 1440  # 1500 less WireGuard over IPv4 (60): what fits an Ethernet at most
Family = Literal["ipv4", "ipv6"]
Addresses = Literal["keep", "release"]
# Those that the tests deploy; docs/releases.md says what was seen on each.
Image = Literal["debian-12", "debian-13", "ubuntu-24.04"]
Ssh = Literal["off", "tunnel"] | Annotated[tuple[Network, ...], Field(min_length=1)]


class Endpoint(Strict):
    """Where a host is dialled, where that is not its own address: behind a port forward or a 1:1 NAT.

    Args:
        host: An address, or a name that is looked up again when a handshake grows stale.
        port: UDP; the host's own where it is left out. The next one is that of every other generation of keys.
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
        addresses: `keep` or `release` for this host alone; left out, what `farshore:addresses` says. A host whose
            addresses are kept can be taken out once they have been released by an `up`.
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
    addresses: Addresses | None = None
    description: Text | None = None
    wireguard: WireGuard = WireGuard()


class Shield(Server):
    """A public host that visitors reach.

    Args:
        slot: 0 to 255: shield k is 10.0.k.1.
        edge: What answers visitors.
        ssh: From where SSH answers: named networks, from which a change reaches it while it runs; `tunnel` (operators
            who may, through it), or `off`; left out, the networks of the break-glass key and the tunnel.
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
        data: A disk that outlives the server; without it, whatever replaces the server erases what it had.
    """

    slot: Annotated[int, Within(FIRST_HOST_SLOT, LAST_HOST_SLOT, "choose a free one: 0 and 1 are the shields'")]
    shields: Annotated[tuple[str, ...], at_least_one("shield")]
    services: dict[Name, Service] = Field(default_factory=dict)
    lans: dict[Name, Lan] = Field(default_factory=dict)
    egress: Egress | Literal["open"] = Egress()
    ssh: Literal["tunnel", "off"] = "tunnel"
    setup: CloudConfig | None = None
    data: DataVolume | None = None

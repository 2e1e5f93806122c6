"""The tunnels of a finished plan, in the words of wg(8): interfaces, peers, endpoints and routes.

Pure: frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plan.model.refs import Ref

if TYPE_CHECKING:
    from ipaddress import IPv4Interface, IPv6Interface

    from plan.addresses import Address, Network


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
        behind: Another interface's route to the same place goes before: of a generation that stands and is not active.
    """

    destination: Network
    source: Address
    mtu_bytes: int | None = None
    behind: bool = False


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
        own_key: The host has made that key, and nobody else has it; else it comes from the state.
        endpoint: Where those dial it who have every address family; None where nobody can.
        peers: In the order of their names.
        routes: In the order of their destinations.
    """

    name: str
    generation: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...]
    listen_port: int
    mtu_bytes: int
    private_key: Ref
    endpoint: Endpoint | None
    peers: tuple[Peer, ...]
    routes: tuple[Route, ...] = ()
    own_key: bool = False

    @property
    def public_key(self) -> Ref:
        """Return the other half of its own key."""
        return Ref("public", self.private_key.of)


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
        because: Key of the stack file that asks for it.
    """

    near: str
    far: str
    generation: int
    psk: Ref
    near_interface: str
    far_interface: str
    because: str

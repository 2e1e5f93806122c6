"""Devices that are not ours to make: what an operator's or a gateway's own file has to say.

Pure.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface
from typing import TYPE_CHECKING

from plan.addresses import ANYWHERE
from plan.endpoints import own_endpoint
from plan.interfaces import mtu_of
from plan.model import Device, DeviceTunnel
from plan.model.refs import Ref
from plan.model.wireguard import Peer
from plan.ports import parity, shield_interface, shield_port
from plan.resolvers import resolvers_at
from plan.stack.devices import Operator

if TYPE_CHECKING:
    from plan.interfaces import Tunnels
    from plan.model.firewall import Flow
    from plan.topology import Topology


def make_device(name: str, net: Topology, tunnels: Tunnels, forwards: tuple[Flow, ...]) -> Device:
    """Return an operator's device or a gateway, with all that it has to be told.

    Args:
        name: In the stack file.
        net: Who is connected to whom.
        tunnels: Of the same stack.
        forwards: Flows that pass through it, to and from the LANs behind it.
    """
    known = net.devices[name]
    lans = () if isinstance(known, Operator) else tuple(known.lans.values())
    return Device(
        name=name,
        kind="operator" if isinstance(known, Operator) else "gateway",
        slot=known.slot,
        public_key=known.public_key,
        tunnels=tuple(_tunnel(name, shield, net, tunnels) for shield in net.shields_of(name)),
        generation=net.generation_of(name),
        lans=tuple(lan.network for lan in lans),
        forwards=forwards,
        masquerades=tuple(lan.network for lan in lans if lan.nat),
        until=known.until if isinstance(known, Operator) else None,
        description=known.description,
        takes_commands=not isinstance(known, Operator) or known.system == "linux",
    )


def _tunnel(name: str, shield: str, net: Topology, tunnels: Tunnels) -> DeviceTunnel:
    known, near, generation = net.devices[name], net.shields[shield], net.generation_of(name)
    address, address6 = net.device_addresses(name, shield)
    full = isinstance(known, Operator) and known.tunnel == "full"
    return DeviceTunnel(
        shield=shield,
        addresses=(IPv4Interface(address), IPv6Interface(address6)),
        peer=Peer(
            name=shield,
            description=near.description,
            public_key=Ref("public", f"{shield}/{shield_interface(generation)}"),
            preshared_key=Ref("psk", name) if name in net.stack.psks else None,
            allowed_ips=ANYWHERE if full else tunnels.admitted(shield, name, net.addresses(shield)),
            endpoint=own_endpoint(shield, near, shield_port(near, generation), near.families, step=parity(generation)),
            keepalive_s=known.keepalive_s or None,
        ),
        dns=resolvers_at(net, name, shield) if isinstance(known, Operator) else (),
        mtu_bytes=min(known.mtu_bytes, mtu_of(near)),
    )

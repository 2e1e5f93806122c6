"""The firewalls' side of the plan: what each host lets in, through and out.

Pure. nftables and the provider's firewall (`plan.cloud_rules`) are both made from it.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from plan.addresses import ANYWHERE
from plan.endpoints import parse_host
from plan.model.firewall import Expiry, Firewall, Permit
from plan.model.refs import Ref, shared_ref
from plan.passages import SSH_PORT, single
from plan.stack.devices import Operator
from plan.stack.hosts import Endpoint
from plan.tables import hetzner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plan.addresses import Address, Network
    from plan.model.firewall import Flow
    from plan.model.wireguard import Interface
    from plan.passages import Passage
    from plan.stack.hosts import Origin, Shield
    from plan.topology import Topology

VISITOR_PORTS: Final = (80, 443)


class Admission:
    """What the hosts of one stack let pass.

    Args:
        net: Who is connected to whom.
        passages: All flows.
    """

    def __init__(self, net: Topology, passages: Sequence[Passage]) -> None:
        self.net = net
        self._accepts: dict[str, list[Flow]] = {}
        self._forwards: dict[str, list[Flow]] = {}
        for passage in passages:
            self._note(passage)

    def of_shield(self, name: str, facts: Shield, interfaces: Sequence[Interface]) -> Firewall:
        """Return what a shield lets in and through; it may say everything."""
        net, devices = self.net, self.net.dialling[name]
        return Firewall(
            visitor_ports=VISITOR_PORTS,
            wireguard_ports=_ports(interfaces),
            peers=self._peers(name),
            roaming=bool(devices) or any(self._roams(peer) for peer in self._neighbours(name)),
            accepts=tuple(self._accepts.get(name, ())),
            forwards=tuple(self._forwards.get(name, ())),
            internet=tuple(
                network
                for device in devices
                if isinstance(said := net.devices[device], Operator) and said.tunnel == "full"
                for network in single(*net.device_addresses(device, name))
            ),
            masquerades=(),
            expiries=tuple(
                Expiry(addresses=net.device_addresses(device, name), until=said.until)
                for device in devices
                if isinstance(said := net.devices[device], Operator) and said.until is not None
            ),
            ssh_sources=self.ssh_sources(facts),
            inside=self._inside(name),
            egress=None,
        )

    def of_origin(self, name: str, facts: Origin, interfaces: Sequence[Interface]) -> Firewall:
        """Return what an origin lets in, through and out."""
        return Firewall(
            visitor_ports=(),
            wireguard_ports=_ports(interfaces),
            peers=self._peers(name),
            roaming=any(self._roams(peer) for peer in self._neighbours(name)),
            accepts=tuple(self._accepts.get(name, ())),
            forwards=tuple(self._forwards.get(name, ())),
            internet=(),
            masquerades=tuple(lan.network for lan in facts.lans.values() if lan.nat),
            expiries=(),
            ssh_sources=(),
            inside=self._inside(name),
            egress=None if facts.egress == "open" else (*base_permits(), *_own_permits(name, facts)),
        )

    def forwards_of(self, name: str) -> tuple[Flow, ...]:
        """Return what passes through a host or a gateway."""
        return tuple(self._forwards.get(name, ()))

    def accepts_ssh(self, name: str) -> bool:
        """Tell whether any flow reaches a host's SSH through a tunnel."""
        return any(flow.ports == (SSH_PORT,) for flow in self._accepts.get(name, ()))

    def ssh_sources(self, facts: Shield) -> tuple[Network, ...]:
        """Return the networks from which a shield answers SSH outside the tunnel."""
        if isinstance(facts.ssh, tuple):
            return facts.ssh
        glass = self.net.stack.break_glass
        return glass.sources if facts.ssh is None and glass else ()

    def _note(self, passage: Passage) -> None:
        """Note a flow at each host that it enters or crosses."""
        if passage.from_lan:
            self._forwards.setdefault(passage.source, []).append(passage.flow)
        if passage.shield not in {None, passage.source, passage.destination}:
            self._forwards.setdefault(str(passage.shield), []).append(passage.flow)
        kept = self._forwards if passage.to_lan else self._accepts
        kept.setdefault(passage.destination, []).append(passage.flow)

    def _neighbours(self, name: str) -> tuple[str, ...]:
        """Return the hosts that one has a tunnel to, in order and once."""
        net = self.net
        near = net.behind[name] if name in net.shields else net.shields_of(name)
        mesh = (link.other(name) for link in net.links_of(name))
        return tuple(dict.fromkeys((*near, *mesh)))

    def _peers(self, name: str) -> tuple[Ref | Address, ...]:
        """Return the public addresses from which a host's neighbours speak."""
        found: list[Ref | Address] = []
        for family in ("ipv4", "ipv6"):
            for peer in self._neighbours(name):
                facts = self.net.server(peer)
                if family in facts.families:
                    found.append(shared_ref("ipv4" if family == "ipv4" else "ipv6", peer))
                said = facts.wireguard.endpoint
                own = parse_host(said.host) if isinstance(said, Endpoint) else None
                if isinstance(own, IPv4Address if family == "ipv4" else IPv6Address):
                    found.append(own)
        return tuple(found)

    def _roams(self, name: str) -> bool:
        """Tell whether nobody can know beforehand from where a host speaks: it stands behind a name."""
        said = self.net.server(name).wireguard.endpoint
        return isinstance(said, Endpoint) and isinstance(parse_host(said.host), str)

    def _inside(self, name: str) -> tuple[Network, ...]:
        """Return what this host may only see and say through a tunnel: all of ours but the LANs behind itself."""
        stack = self.net.stack
        elsewhere = (lan.network for key, lan in self.net.lans.items() if self.net.lan_owners[key] != name)
        return (stack.network, stack.network6, *elsewhere)


def base_permits() -> tuple[Permit, ...]:
    """Return what every host needs to stay sound: packages, time and names.

    By user, not by root alone: apt downloads as `_apt`, systemd-timesyncd runs as `systemd-timesync`.
    """
    resolvers = tuple(network for address in hetzner().resolvers for network in single(address))
    return (
        Permit(networks=resolvers, protocol="udp", ports=(53,), user=None, because="names"),
        Permit(networks=resolvers, protocol="tcp", ports=(53,), user=None, because="names"),
        Permit(networks=ANYWHERE, protocol="tcp", ports=VISITOR_PORTS, user="_apt", because="packages"),
        Permit(networks=ANYWHERE, protocol="udp", ports=(123,), user="systemd-timesync", because="time"),
    )


def _ports(interfaces: Sequence[Interface]) -> tuple[int, ...]:
    return tuple(interface.listen_port for interface in interfaces)


def _own_permits(name: str, facts: Origin) -> tuple[Permit, ...]:
    assert facts.egress != "open"
    return tuple(
        Permit(
            networks=ANYWHERE if said.to == "anywhere" else (said.to,),
            protocol=said.protocol,
            ports=tuple(sorted(set(said.ports))),
            user=said.user,
            because=f"farshore:origins.{name}.egress.allow",
        )
        for said in facts.egress.allow
    )

"""Decide everything: from a sound stack file to a finished plan.

Pure. Numbers that are not the operator's choice stand at the head of this module, each with its source.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final

from plan.addresses import origin_address, origin_address6, shield_address, shield_address6
from plan.jurisdiction import country_of
from plan.model import (
    CloudRule,
    Endpoint,
    Firewall,
    Flow,
    Host,
    Interface,
    Peer,
    Plan,
    Ref,
    Site,
    Tunnel,
)
from plan.stack import Origin, Server, Shield, Stack
from plan.tables import hetzner, images

WIREGUARD_PORT: Final = 51820  # wg(8)'s examples; the first of a pair, one for each parity of the generation
KEEPALIVE_S: Final = 25  # wg(8): shorter than the UDP time-out of common NATs
MTU_BYTES: Final = 1420  # 1500 less WireGuard over IPv6 (80): fits either underlay
SSH_PORT: Final = 22
FIRST_GENERATION: Final = 1
ANYWHERE: Final = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def make_plan(stack: Stack) -> Plan:
    """Return what should exist."""
    return _Planner(stack).plan()


def _parity(generation: int) -> int:
    """Return which of the two interfaces and ports a generation uses: 0 for the first, 1 for the second, and so on."""
    return (generation - FIRST_GENERATION) % 2


def shield_interface(generation: int) -> str:
    """Return the name of a shield's interface: one for all its origins."""
    return f"fs{_parity(generation)}"


def shield_port(generation: int) -> int:
    """Return the UDP port on which a shield listens."""
    return WIREGUARD_PORT + _parity(generation)


def origin_interface(shield_slot: int, generation: int) -> str:
    """Return the name of an origin's interface to one shield."""
    return f"fs{shield_slot}g{_parity(generation)}"


def origin_port(shield_slot: int, generation: int) -> int:
    """Return the UDP port from which an origin dials one shield (51820 to 52331)."""
    return WIREGUARD_PORT + 2 * shield_slot + _parity(generation)


class _Planner:
    """One planning of one stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.generations = (FIRST_GENERATION,)
        self.shields = dict(sorted(stack.shields.items(), key=lambda item: item[1].slot))
        self.origins = dict(sorted(stack.origins.items(), key=lambda item: item[1].slot))
        self.behind = {
            name: tuple(origin for origin, facts in self.origins.items() if name in facts.shields)
            for name in self.shields
        }

    def plan(self) -> Plan:
        hosts = (*self.stack.shields.values(), *self.stack.origins.values())
        return Plan(
            project=self.stack.project,
            stack=self.stack.stack,
            accounts=tuple(name for name in self.stack.accounts if any(host.account == name for host in hosts)),
            shields=tuple(self._shield(name, facts) for name, facts in self.shields.items()),
            origins=tuple(self._origin(name, facts) for name, facts in self.origins.items()),
            tunnels=tuple(
                self._tunnel(shield, origin, generation)
                for shield, origins in self.behind.items()
                for origin in origins
                for generation in self.generations
            ),
            addresses_kept=self.stack.addresses == "keep",
            warnings=tuple(self._warnings()),
        )

    def _tunnel(self, shield: str, origin: str, generation: int) -> Tunnel:
        return Tunnel(
            shield=shield,
            origin=origin,
            generation=generation,
            psk=Ref("psk", f"{shield}/{origin}/{generation}"),
            shield_interface=shield_interface(generation),
            origin_interface=origin_interface(self.shields[shield].slot, generation),
        )

    def _shield(self, name: str, facts: Shield) -> Host:
        origins = self.behind[name]
        peers = tuple(Ref(kind, origin) for kind in ("ipv4", "ipv6") for origin in origins)
        sites = tuple(
            Site(
                domain=domain,
                origin=said.origin,
                service=said.service,
                address=self._origin_addresses(said.origin)[0],
                port=self.origins[said.origin].services[said.service].port,
                tls=said.tls,
            )
            for domain, said in sorted(self.stack.domains.items())
            if said.origin in origins
        )
        ssh_sources = self.stack.break_glass.sources if self.stack.break_glass else ()
        ports = tuple(shield_port(generation) for generation in self.generations)
        return self._host(
            name,
            facts,
            addresses=(
                shield_address(self.stack.network, facts.slot),
                shield_address6(self.stack.network6, facts.slot),
            ),
            interfaces=tuple(self._shield_interface(name, facts, generation) for generation in self.generations),
            firewall=Firewall(
                visitor_ports=(80, 443),
                wireguard_ports=ports,
                peers=peers,
                flows=(),
                ssh_sources=ssh_sources,
                tunnel_networks=(self.stack.network, self.stack.network6),
            ),
            cloud_rules=(
                CloudRule(description="visitors, http", protocol="tcp", port=80, sources=ANYWHERE),
                CloudRule(description="visitors, https", protocol="tcp", port=443, sources=ANYWHERE),
                *(
                    CloudRule(description="tunnels", protocol="udp", port=port, sources=peers)
                    for port in ports
                    if peers
                ),
                *(
                    CloudRule(description="operator", protocol="tcp", port=SSH_PORT, sources=ssh_sources)
                    for _ in ssh_sources[:1]
                ),
            ),
            sites=sites,
        )

    def _origin(self, name: str, facts: Origin) -> Host:
        shields = {shield: self.shields[shield] for shield in self.shields if shield in facts.shields}
        sources = tuple(
            address
            for shield in shields.values()
            for address in (
                shield_address(self.stack.network, shield.slot),
                shield_address6(self.stack.network6, shield.slot),
            )
        )
        peers = tuple(Ref(kind, shield) for kind in ("ipv4", "ipv6") for shield in shields)
        dialled = [
            (shield, origin_port(shield.slot, generation), behind)
            for behind, shield in shields.items()
            for generation in self.generations
        ]
        return self._host(
            name,
            facts,
            addresses=self._origin_addresses(name),
            interfaces=tuple(
                self._origin_interface(name, shield, generation)
                for shield in shields
                for generation in self.generations
            ),
            firewall=Firewall(
                visitor_ports=(),
                wireguard_ports=tuple(port for _, port, _ in dialled),
                peers=peers,
                flows=(
                    *(
                        Flow(name=service, protocol="tcp", port=said.port, sources=sources)
                        for service, said in sorted(facts.services.items())
                    ),
                    Flow(name="delivery", protocol="tcp", port=SSH_PORT, sources=sources),
                ),
                ssh_sources=(),
                tunnel_networks=(self.stack.network, self.stack.network6),
            ),
            # Never empty: an empty list is not sent by the provider. The answers of a shield to what the origin
            # dialled are all that may come in.
            cloud_rules=tuple(
                CloudRule(
                    description="tunnels",
                    protocol="udp",
                    port=port,
                    sources=(Ref("ipv4", behind), Ref("ipv6", behind)),
                )
                for _, port, behind in dialled
            ),
            setup=facts.setup,
        )

    def _host(
        self,
        name: str,
        facts: Server,
        *,
        addresses: tuple[IPv4Address, IPv6Address],
        interfaces: tuple[Interface, ...],
        firewall: Firewall,
        cloud_rules: tuple[CloudRule, ...],
        sites: tuple[Site, ...] = (),
        setup: str | None = None,
    ) -> Host:
        country = country_of(facts)
        assert country is not None, f"{name}: the loader lets no host through without a country"
        return Host(
            name=name,
            role="shield" if isinstance(facts, Shield) else "origin",
            slot=facts.slot,
            account=facts.account,
            location=facts.location,
            country=country,
            server_type=facts.server_type,
            image=facts.image,
            server_name=f"{self.stack.stack}-{name}",
            address=addresses[0],
            address6=addresses[1],
            interfaces=interfaces,
            firewall=firewall,
            cloud_rules=cloud_rules,
            sites=sites,
            setup=setup,
            break_glass_key=self.stack.break_glass.public_key if self.stack.break_glass else None,
            masked_units=images()[facts.image].masked_units,
        )

    def _shield_interface(self, name: str, facts: Shield, generation: int) -> Interface:
        own = shield_interface(generation)
        return Interface(
            name=own,
            generation=generation,
            addresses=(
                IPv4Interface(shield_address(self.stack.network, facts.slot)),
                IPv6Interface(shield_address6(self.stack.network6, facts.slot)),
            ),
            listen_port=shield_port(generation),
            mtu_bytes=MTU_BYTES,
            private_key=Ref("private", f"{name}/{own}"),
            peers=tuple(
                Peer(
                    name=origin,
                    public_key=Ref("public", f"{origin}/{origin_interface(facts.slot, generation)}"),
                    preshared_key=Ref("psk", f"{name}/{origin}/{generation}"),
                    allowed_ips=_single(*self._origin_addresses(origin)),
                    # Whichever end comes up last begins: a lost first initiation would cost WireGuard's 5 s.
                    endpoint=Endpoint(address=Ref("ipv4", origin), port=origin_port(facts.slot, generation)),
                    keepalive_s=None,
                )
                for origin in sorted(self.behind[name])
            ),
        )

    def _origin_interface(self, name: str, shield: str, generation: int) -> Interface:
        slot = self.shields[shield].slot
        own = origin_interface(slot, generation)
        address, address6 = self._origin_addresses(name)
        return Interface(
            name=own,
            generation=generation,
            addresses=(IPv4Interface(address), IPv6Interface(address6)),
            listen_port=origin_port(slot, generation),
            mtu_bytes=MTU_BYTES,
            private_key=Ref("private", f"{name}/{own}"),
            peers=(
                Peer(
                    name=shield,
                    public_key=Ref("public", f"{shield}/{shield_interface(generation)}"),
                    preshared_key=Ref("psk", f"{shield}/{name}/{generation}"),
                    allowed_ips=_single(
                        shield_address(self.stack.network, slot), shield_address6(self.stack.network6, slot)
                    ),
                    endpoint=Endpoint(address=Ref("ipv4", shield), port=shield_port(generation)),
                    keepalive_s=KEEPALIVE_S,
                ),
            ),
        )

    def _origin_addresses(self, name: str) -> tuple[IPv4Address, IPv6Address]:
        slot = self.origins[name].slot
        return origin_address(self.stack.network, slot), origin_address6(self.stack.network6, slot)

    def _warnings(self) -> list[str]:
        table = hetzner()
        hosts = [
            *((f"shields.{n}", h) for n, h in self.shields.items()),
            *((f"origins.{n}", h) for n, h in self.origins.items()),
        ]
        return [
            f"farshore:{where}.server_type: {host.server_type!r} is not in our table of {table.day}; "
            "Hetzner will say whether it exists"
            for where, host in hosts
            if host.server_type not in table.server_types
        ] + [
            f"farshore:{where}.location: {host.location!r} is not in our table of {table.day}; "
            f"country {host.country!r} is taken from the stack file"
            for where, host in hosts
            if host.location not in table.locations
        ]


def _single(address: IPv4Address, address6: IPv6Address) -> tuple[IPv4Network, IPv6Network]:
    """Return two addresses as networks of one address each."""
    return IPv4Network(address), IPv6Network(address6)

"""Decide everything: from a sound stack file to a finished plan.

Pure. Who is connected to whom stands in `topology`, what flows in `passages`, WireGuard in `interfaces`, the firewalls
in `admission`; here they become hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.admission import Admission
from plan.cloud_rules import make_cloud_rules
from plan.delivery import origin_way, shield_way
from plan.devices import make_device
from plan.interfaces import Tunnels
from plan.jurisdiction import country_of, waived_pairs
from plan.model import Host, Plan, Site
from plan.model.data import make_data
from plan.passages import find_passages
from plan.stack.hosts import Origin, Shield
from plan.tables import images
from plan.topology import Topology
from plan.warnings import find_warnings

if TYPE_CHECKING:
    from plan.model.data import Data
    from plan.model.delivery import Way
    from plan.model.firewall import Firewall
    from plan.model.wireguard import Interface
    from plan.stack import Stack
    from plan.stack.hosts import Server


def make_plan(stack: Stack) -> Plan:
    """Return what should exist."""
    return _Planner(stack).plan()


class _Planner:
    """One planning of one stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.net = Topology(stack)
        passages = find_passages(self.net)
        self.tunnels = Tunnels(self.net, passages)
        self.admission = Admission(self.net, passages)
        self.crowded: dict[str, str] = {}
        self.ways: dict[str, Way | None] = {}

    def plan(self) -> Plan:
        used = {host.account for host in (*self.stack.shields.values(), *self.stack.origins.values())}
        shields = tuple(self._shield(name, facts) for name, facts in self.net.shields.items())
        origins = tuple(self._origin(name, facts) for name, facts in self.net.origins.items())
        return Plan(
            project=self.stack.project,
            stack=self.stack.stack,
            network=self.stack.network,
            network6=self.stack.network6,
            accounts=tuple(name for name in self.stack.accounts if name in used),
            shields=shields,
            origins=origins,
            devices=tuple(
                make_device(name, self.net, self.tunnels, self.admission.forwards_of(name)) for name in self.net.devices
            ),
            tunnels=self.tunnels.all(),
            generations=self.stack.generations,
            active=self.stack.active_generation,
            separate=self.stack.policy.separate,
            waived=frozenset(waived_pairs(self.stack)),
            delivers=self.stack.delivery == "ssh",
            custody=self.stack.custody,
            max_key_age_days=self.stack.max_key_age_days,
            warnings=find_warnings(self.stack, (*shields, *origins), crowded=self.crowded),
        )

    def _shield(self, name: str, facts: Shield) -> Host:
        interfaces = self.tunnels.of_shield(name)
        firewall = self.admission.of_shield(name, facts, interfaces)
        behind = self.net.behind[name]
        sites = tuple(
            Site(
                domain=domain,
                origin=said.origin,
                service=said.service,
                address=self.net.addresses(said.origin)[0],
                port=self.net.origins[said.origin].services[said.service].port,
                tls=said.tls,
            )
            for domain, said in sorted(self.stack.domains.items())
            if said.origin in behind
        )
        ssh = bool(firewall.ssh_sources) or self.admission.accepts_ssh(name)
        because = "farshore:break_glass.sources" if facts.ssh is None else f"farshore:shields.{name}.ssh"
        opens = [self.net.addresses(origin)[0] for origin in behind if self.net.origins[origin].ssh == "tunnel"]
        self.ways[name] = way = shield_way(facts.families, firewall.ssh_sources, opens)
        return self._host(
            name, facts, interfaces=interfaces, firewall=firewall, sites=sites, ssh=ssh, ssh_because=because, way=way
        )

    def _origin(self, name: str, facts: Origin) -> Host:
        interfaces = self.tunnels.of_origin(name)
        firewall = self.admission.of_origin(name, facts, interfaces)
        ssh = self.admission.accepts_ssh(name)
        because = f"farshore:origins.{name}.ssh"
        way = origin_way({shield: self.ways[shield] for shield in self.net.shields_of(name) if facts.ssh == "tunnel"})
        return self._host(
            name,
            facts,
            interfaces=interfaces,
            firewall=firewall,
            setup=facts.setup,
            data=make_data(name, facts.data) if facts.data else None,
            ssh=ssh,
            ssh_because=because,
            way=way,
        )

    def _host(
        self,
        name: str,
        facts: Server,
        *,
        interfaces: tuple[Interface, ...],
        firewall: Firewall,
        ssh: bool,
        ssh_because: str,
        way: Way | None,
        sites: tuple[Site, ...] = (),
        setup: str | None = None,
        data: Data | None = None,
    ) -> Host:
        country = country_of(facts)
        assert country is not None, f"{name}: the loader lets no host through without a country"
        rules, crowded = make_cloud_rules(firewall)
        if crowded:
            self.crowded[name] = crowded
        address, address6 = self.net.addresses(name)
        return Host(
            name=name,
            stack=self.stack.stack,
            role="shield" if isinstance(facts, Shield) else "origin",
            slot=facts.slot,
            account=facts.account,
            location=facts.location,
            country=country,
            company=self.stack.accounts[facts.account].company,
            home=self.stack.accounts[facts.account].home,
            server_type=facts.server_type,
            image=facts.image,
            families=facts.families,
            addresses_kept=(facts.addresses or self.stack.addresses) == "keep",
            description=facts.description,
            server_name=f"{self.stack.stack}-{name}",
            address=address,
            address6=address6,
            interfaces=interfaces,
            firewall=firewall,
            cloud_rules=rules,
            lans=tuple(lan.network for lan in facts.lans.values()) if isinstance(facts, Origin) else (),
            shields=self.net.shields_of(name) if isinstance(facts, Origin) else (),
            sites=sites,
            setup=setup,
            ssh=ssh,
            ssh_because=ssh_because,
            way=way,
            break_glass_key=self.stack.break_glass.public_key if self.stack.break_glass else None,
            masked_units=images()[facts.image].masked_units,
            generations=self.stack.generations,
            active=self.stack.active_generation,
            data=data,
        )

"""A stack file as far as it could be read: what is faulty or missing in an entry is None.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from ipaddress import IPv4Network

    from plan.stack import BreakGlass, Custody, Domain, Mesh
    from plan.stack.devices import Device, Gateway, Operator
    from plan.stack.hosts import Lan, Origin, Server, Shield
    from plan.stack.policy import Account, Party, PartyRole, Policy


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What could be read.

    Args:
        project: Pulumi's project name.
        stack: Pulumi's stack name.
        day: On which it is read.
        network: Tunnel network.
        declared: Names of each section, of faulty entries too: a reference to one of them is sound.
        generations: That stand side by side; None where nobody can tell.
        active: None where nobody can tell, or it is left out.
        break_glass: None where nobody can tell, or it is left out.
        custody: None where nobody can tell.
        psks: Names of the devices that have a preshared key.
        others: Values of all other keys.
    """

    project: str
    stack: str
    day: date
    network: IPv4Network
    declared: Mapping[str, tuple[str, ...]]
    accounts: Mapping[str, Account]
    shields: Mapping[str, Shield]
    origins: Mapping[str, Origin]
    operators: Mapping[str, Operator]
    gateways: Mapping[str, Gateway]
    meshes: Mapping[str, Mesh]
    domains: Mapping[str, Domain]
    parties: Mapping[PartyRole, Party]
    policy: Policy
    generations: tuple[int, ...] | None = (FIRST_GENERATION,)
    active: int | None = None
    break_glass: BreakGlass | None = None
    custody: Custody | None = "state"
    psks: frozenset[str] = frozenset()
    others: Mapping[str, Any] = field(default_factory=dict)

    def servers(self) -> Iterator[tuple[str, str, Server]]:
        """Yield the key, the name and the facts of each shield and origin."""
        yield from ((f"shields.{name}", name, shield) for name, shield in self.shields.items())
        yield from ((f"origins.{name}", name, origin) for name, origin in self.origins.items())

    def devices(self) -> Iterator[tuple[str, str, Device]]:
        """Yield the key, the name and the facts of each operator and gateway."""
        yield from ((f"operators.{name}", name, operator) for name, operator in self.operators.items())
        yield from ((f"gateways.{name}", name, gateway) for name, gateway in self.gateways.items())

    def lans(self) -> Iterator[tuple[str, str, str, Lan]]:
        """Yield the key, the name, the carrier and the facts of each LAN."""
        kinds: tuple[tuple[str, Mapping[str, Origin | Gateway]], ...] = (
            ("origins", self.origins),
            ("gateways", self.gateways),
        )
        for key, carriers in kinds:
            for owner, facts in carriers.items():
                for name, lan in (facts.lans or {}).items():
                    yield f"{key}.{owner}.lans.{name}", name, owner, lan

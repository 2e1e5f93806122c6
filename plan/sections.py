"""What a stack file has at its top, by key: mappings with a model for each entry, and single values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from plan.networks import TunnelNetwork, UniqueLocal
from plan.stack import BreakGlass, Custody, Delivery, Domain, Mesh
from plan.stack.devices import Gateway, Operator
from plan.stack.hosts import Addresses, Origin, Shield
from plan.stack.policy import Account, Party, PartyRole, Policy
from plan.values import DomainName, Generation, Generations, KeyAgeDays, Name

if TYPE_CHECKING:
    from pydantic import BaseModel

SECTIONS: Final[dict[str, tuple[type[BaseModel], Any]]] = {
    "accounts": (Account, Name),
    "shields": (Shield, Name),
    "origins": (Origin, Name),
    "operators": (Operator, Name),
    "gateways": (Gateway, Name),
    "meshes": (Mesh, Name),
    "domains": (Domain, DomainName),
    "parties": (Party, PartyRole),
}
VALUES: Final[dict[str, Any]] = {
    "network": TunnelNetwork,
    "network6": UniqueLocal,
    "policy": Policy,
    "generations": Generations,
    "active": Generation,
    "addresses": Addresses,
    "break_glass": BreakGlass,
    "delivery": Delivery,
    "custody": Custody,
    "max_key_age_days": KeyAgeDays,
}
KEYS: Final = (
    "network", "network6", "accounts", "secrets", "shields", "origins", "operators", "gateways", "meshes", "domains",
    "parties", "policy", "generations", "active", "addresses", "break_glass", "delivery",
    "custody", "max_key_age_days",
)  # fmt: skip

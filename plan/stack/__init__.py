"""The stack file as frozen models: every key, its type, its default and what it means.

Pure. What one value may be stands in `plan.values`; what values mean to each other is judged in `plan.rules`. Here is
the whole file and what joins its parts; `hosts`, `devices` and `policy` hold those.
"""

from __future__ import annotations

from datetime import date
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field, SecretStr

from plan.networks import Network, TunnelNetwork, UniqueLocal
from plan.stack.devices import Gateway, Operator
from plan.stack.hosts import Addresses, Origin, Shield
from plan.stack.policy import Account, Party, PartyRole, Policy
from plan.stack.strict import Strict
from plan.values import (
    FIRST_GENERATION,
    DomainName,
    Generation,
    Generations,
    HostPair,
    KeyAgeDays,
    Name,
    SshKey,
    Within,
)

if TYPE_CHECKING:
    from typing import Any

    from pydantic import BaseModel

TOKEN_LENGTH: Final = 64  # Hetzner's API tokens; the provider refuses any other length
Delivery = Literal["ssh", "none"]
Custody = Literal["state", "host"]


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
        generations: Sets of keys that stand side by side: one like `[1]`, or two while keys rotate, like `[1, 2]`.
        active: The generation by which hosts send to each other; the older one where it is left out.
        addresses: `keep` protects public addresses against every destroy; `release` gives them back.
        break_glass: The way in for the day when nothing else works.
        delivery: `ssh` tells running hosts each change; `none` connects to nobody, so that they stay what they are
            until it is `ssh` again: for an `up` from a network that no host answers.
        custody: Where hosts' WireGuard keys are made: `state` keeps them in the encrypted state; `host` has each host
            make its own for every generation that is staged while it runs, and only public halves leave it.
        max_key_age_days: How old a host's key may become before `farshore status` asks for a rotation, 1 to 3650.
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
    generations: Generations = (FIRST_GENERATION,)
    active: Generation | None = None
    addresses: Addresses = "keep"
    break_glass: BreakGlass | None = None
    delivery: Delivery = "ssh"
    custody: Custody = "state"
    max_key_age_days: KeyAgeDays = 365
    psks: frozenset[str] = frozenset()

    @property
    def active_generation(self) -> int:
        """Return the generation by which hosts send to each other."""
        return self.active or self.generations[0]


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

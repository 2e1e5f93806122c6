"""The stack file as frozen models: every key, its type, its default and what it means.

Pure. A validator says *allowed; remedy*; `plan.load` puts where and what was found before it.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv4Network, IPv6Network
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
)

from plan.addresses import FIRST_HOST_SLOT, LAST_HOST_SLOT, PRIVATE, SUBNET_PREFIX, TAKEN

TOKEN_LENGTH: Final = 64  # Hetzner's API tokens; the provider refuses any other length
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_SSH_KEY = re.compile(r"(?:ssh-ed25519|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/]+={0,2}(?: [\x20-\x7e]*)?")
_ADDRESS_TEXT = "an IPv4 network like 10.0.0.0/16"


class Strict(BaseModel):
    """Reject unknown keys and never change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _host_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("lower-case letters, digits and dashes, a letter first, at most 32; rename it")
    return name


def _domain_name(name: str) -> str:
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            "a domain name in lower case with at least one dot; write international names in their xn-- form"
        )
    return name


def _country(code: str) -> str:
    if not re.fullmatch("[A-Z]{2}", code):
        raise ValueError('an ISO 3166 code of two capital letters like FI; quote it where YAML reads a word ("NO")')
    return code


def _within(first: int, last: int, remedy: str) -> AfterValidator:
    """Return a validator of a whole number between two bounds, both allowed."""

    def check(value: int) -> int:
        if not first <= value <= last:
            raise ValueError(f"{first} to {last}; {remedy}")
        return value

    return AfterValidator(check)


def _tunnel_network(value: object) -> IPv4Network:
    try:
        interface = IPv4Interface(str(value))
    except ValueError:
        raise ValueError(f"{_ADDRESS_TEXT}; correct it") from None
    network = interface.network
    if interface.ip != network.network_address:
        raise ValueError(f"a network without host bits; write {network}")
    if not any(network.subnet_of(private) for private in PRIVATE):
        raise ValueError(
            f"a private network (in {', '.join(map(str, PRIVATE))}); a public one belongs to somebody else"
        )
    if network.prefixlen > SUBNET_PREFIX:
        raise ValueError(f"/{SUBNET_PREFIX} or larger; each shield needs a /{SUBNET_PREFIX} of its own")
    for taken, why in TAKEN.items():
        if network.overlaps(taken):
            raise ValueError(f"a network that does not overlap {taken}; {why}, choose another")
    return network


def _unique_local(network: IPv6Network) -> IPv6Network:
    if network.prefixlen != 48 or not network.subnet_of(IPv6Network("fd00::/8")):
        raise ValueError("a unique local /48 in fd00::/8; leave it out to have one derived")
    return network


def _cloud_config(text: str) -> str:
    what = "a file that begins with #cloud-config and holds a mapping; see cloud-init's documentation"
    if not text.startswith("#cloud-config"):
        raise ValueError(what)
    try:
        parsed: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        at = getattr(error, "problem_mark", None)
        line = f" (line {at.line + 1})" if at else ""
        raise ValueError(f"a #cloud-config in YAML; it does not parse{line}") from None
    if not isinstance(parsed, dict):
        raise ValueError(what)  # noqa: TRY004 - pydantic takes a ValueError for a fault
    return text


def _behind(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("at least one shield; name it")
    return tuple(dict.fromkeys(values))


def _separate_once(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


TypeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,63}$")]
Name = Annotated[str, AfterValidator(_host_name)]
DomainName = Annotated[str, AfterValidator(_domain_name)]
Country = Annotated[str, AfterValidator(_country)]
Port = Annotated[int, _within(1, 65535, "correct it")]
TunnelNetwork = Annotated[IPv4Network, BeforeValidator(_tunnel_network)]
UniqueLocal = Annotated[IPv6Network, AfterValidator(_unique_local)]
CloudConfig = Annotated[str, AfterValidator(_cloud_config)]
Addresses = Literal["keep", "release"]
# Those that the tests deploy; docs/releases.md says what was seen on each.
Image = Literal["debian-12", "debian-13", "ubuntu-24.04"]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Account(Strict):
    """One cloud project: its company, and the country whose courts it answers to.

    Args:
        company: Legal name of the provider's company that the contract is with.
        home: ISO 3166 code of that company's legal home.
        provider: Whose API makes the hosts.
    """

    company: Text
    home: Country
    provider: Literal["hcloud"] = "hcloud"


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
    """

    slot: int
    account: str
    location: str
    country: Country | None = None
    server_type: TypeName = "cx23"
    image: Image = "debian-12"


class Shield(Server):
    """A public host that visitors reach.

    Args:
        slot: 0 to 255: shield k is 10.0.k.1.
        edge: What answers visitors.
    """

    slot: Annotated[int, _within(0, 255, "choose a free one")]
    edge: Literal["haproxy"] = "haproxy"


class Service(Strict):
    """Something that an origin's application offers at its tunnel address; `port` is 1 to 65535, tcp."""

    port: Port


class Origin(Server):
    """A hidden host that dials its shields.

    Args:
        slot: 2 to 254: the origin is 10.0.0.<slot>.
        shields: Names of the shields that it stands behind.
        services: What its application offers, by name.
        setup: The origin's own cloud-config, as text; in the stack file the name of its file.
    """

    slot: Annotated[int, _within(FIRST_HOST_SLOT, LAST_HOST_SLOT, "choose a free one: 0 and 1 are the shields'")]
    shields: Annotated[tuple[str, ...], AfterValidator(_behind)]
    services: dict[Name, Service] = Field(default_factory=dict)
    setup: CloudConfig | None = None


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


class Policy(Strict):
    """What must differ between a shield and each origin behind it."""

    separate: Annotated[
        tuple[Literal["country", "account", "company", "home"], ...], AfterValidator(_separate_once)
    ] = ("country", "account")


class BreakGlass(Strict):
    """The operator's own way in, for the day when nothing else works.

    Args:
        public_key: An ed25519 key in OpenSSH's form; admitted as root on every host.
        sources: Networks from which a shield answers SSH; origins answer through their shields alone.
    """

    public_key: Annotated[str, StringConstraints(pattern=_SSH_KEY)]
    sources: Annotated[tuple[IPv4Network | IPv6Network, ...], Field(min_length=1)]


class Stack(Strict):
    """The whole stack file but its secrets, complete and free of contradictions.

    Args:
        project: Pulumi's project name.
        stack: Pulumi's stack name; names of servers begin with it.
        network: Tunnel network, private.
        network6: Unique local /48; derived from project and stack when left out.
        accounts: By name.
        shields: By name.
        origins: By name.
        domains: By name.
        policy: What must differ.
        addresses: `keep` protects public addresses against every destroy; `release` gives them back.
        break_glass: Optional.
    """

    project: str
    stack: str
    network: TunnelNetwork = IPv4Network("10.0.0.0/16")
    network6: UniqueLocal
    accounts: dict[Name, Account]
    shields: dict[Name, Shield]
    origins: dict[Name, Origin]
    domains: dict[DomainName, Domain]
    policy: Policy = Policy()
    addresses: Addresses = "keep"
    break_glass: BreakGlass | None = None


class Secrets(Strict):
    """What must not be read: one API token for each account, never shown."""

    tokens: dict[str, SecretStr]


def keys_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of a model's keys, in the order of their declaration."""
    return tuple(model.model_fields)


def token_fault(value: Any) -> str:
    """Return what is wrong with a token, without it; empty when nothing is."""
    if not isinstance(value, str):
        return "no text"
    return "" if len(value) == TOKEN_LENGTH else f"{len(value)} characters"

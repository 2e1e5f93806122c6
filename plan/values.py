"""The words that a stack file is made of: names, countries, ports, networks, keys.

Pure. A validator says *allowed; remedy*; `plan.load` puts where and what was found before it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Annotated, Any, Final

import yaml
from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core.core_schema import no_info_after_validator_function

from plan.addresses import PRIVATE, SUBNET_PREFIX, TAKEN
from plan.tables import blocs, countries

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_ADDRESS_TEXT = "an IPv4 network like 10.0.0.0/16"
SSH_KEY: Final = r"(?:ssh-ed25519|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/]+={0,2}(?: [\x20-\x7e]*)?"
WIREGUARD_KEY_BYTES: Final = 32  # Curve25519's
MEANT: Final = {"UK": "write GB", "EL": "write GR", "USA": "write US"}  # what people write instead
# Hosts, LANs and devices are called by these words as well.
RESERVED: Final = ("shields", "internet", "anywhere")


def _host_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("lower-case letters, digits and dashes, a letter first, at most 32; rename it")
    if name in RESERVED:
        raise ValueError(f"any name but {', '.join(RESERVED)}, which mean something else; rename it")
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
    if code not in countries():
        raise ValueError(f"an ISO 3166 code; {MEANT.get(code, 'look it up: no country has this one')}")
    return code


def _region(name: str) -> str:
    if name not in blocs() and name not in countries():
        raise ValueError(f"an ISO 3166 code or one of {', '.join(blocs())}; {MEANT.get(name, 'correct it')}")
    return name


@dataclass(frozen=True)
class Within:
    """Validate a whole number between two bounds, both allowed, and say them in the JSON schema.

    Args:
        first: The least.
        last: The most.
        remedy: What to do about another.
    """

    first: int
    last: int
    remedy: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.first, "maximum": self.last}

    def _check(self, value: int) -> int:
        if not self.first <= value <= self.last:
            raise ValueError(f"{self.first} to {self.last}; {self.remedy}")
        return value


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


def _day(value: object) -> object:
    # Pulumi hands over a date that is not quoted as Go writes a time.
    return str(value).removesuffix(" 00:00:00 +0000 UTC") if isinstance(value, str) else value


def is_key(text: str) -> bool:
    """Tell whether a text is a key of WireGuard's: 32 bytes in base64, written the one way that wg(8) takes."""
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(key) == WIREGUARD_KEY_BYTES and base64.b64encode(key).decode() == text


def _wireguard_key(text: str) -> str:
    if not is_key(text):
        raise ValueError("a public key as `wg pubkey` prints it: 44 characters of base64; copy it whole")
    if not any(base64.b64decode(text)):
        raise ValueError("a key that somebody has; make one with `farshore operator add`")
    return text


def _endpoint_host(text: str) -> str:
    try:
        IPv4Address(text)
    except ValueError:
        try:
            IPv6Address(text)
        except ValueError:
            return _domain_name(text)
    return text


def once(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return names in their order, each once."""
    return tuple(dict.fromkeys(values))


def at_least_one(what: str) -> AfterValidator:
    """Return a validator of a list of names that may not be empty; each name counts once."""

    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError(f"at least one {what}; name it")
        return once(values)

    return AfterValidator(check)


TypeName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,63}$")]
Name = Annotated[str, AfterValidator(_host_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})]
DomainName = Annotated[str, AfterValidator(_domain_name)]
EndpointHost = Annotated[str, AfterValidator(_endpoint_host)]
Country = Annotated[str, AfterValidator(_country), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"})]
Regions = Annotated[tuple[Annotated[str, AfterValidator(_region)], ...], AfterValidator(once)]
Port = Annotated[int, Within(1, 65535, "correct it")]
Day = Annotated[date, BeforeValidator(_day)]
TunnelNetwork = Annotated[IPv4Network, BeforeValidator(_tunnel_network)]
UniqueLocal = Annotated[IPv6Network, AfterValidator(_unique_local)]
CloudConfig = Annotated[str, AfterValidator(_cloud_config)]
WireguardKey = Annotated[
    str,
    AfterValidator(_wireguard_key),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"}),
]
SshKey = Annotated[str, StringConstraints(pattern=SSH_KEY)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Names = Annotated[tuple[str, ...], AfterValidator(once)]

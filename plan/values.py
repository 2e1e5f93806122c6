"""The words that a stack file is made of: names, countries, ports, keys; addresses stand in `plan.networks`.

Pure. A validator says *allowed; remedy*; `plan.load` puts where and what was found before it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, ValidationError, WithJsonSchema
from pydantic_core.core_schema import no_info_wrap_validator_function

from plan.faults import nearest
from plan.tables import blocs, countries

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema
    from pydantic_core.core_schema import ValidatorFunctionWrapHandler

T = TypeVar("T")

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_TYPE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,63}")
_USER_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TEXT_LENGTH = 200
_MOST_VALUES = 10_000  # far beyond what 32 KiB of user data can hold
SSH_KEY: Final = r"(?:ssh-ed25519|sk-ssh-ed25519@openssh\.com) [A-Za-z0-9+/]+={0,2}(?: [\x20-\x7e]*)?"
WIREGUARD_KEY_BYTES: Final = 32  # Curve25519's
FIRST_GENERATION: Final = 1
LAST_GENERATION: Final = 9999  # one a day for 27 years
MEANT: Final = {"UK": "write GB", "EL": "write GR", "USA": "write US"}  # what people write instead
# Hosts, LANs and devices are called by these words as well.
RESERVED: Final = ("shields", "internet", "anywhere")


def _host_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("lower-case letters, digits and dashes, a letter first, at most 32; rename it")
    if name in RESERVED:
        raise ValueError(f"any name but {', '.join(RESERVED)}, which mean something else; rename it")
    return name


def is_name(text: str) -> bool:
    """Tell whether a text can be a host's or an account's name, reserved or not."""
    return _NAME.fullmatch(text) is not None


def domain_name(name: str) -> str:
    """Return a domain name, or say what one is.

    Raises:
        ValueError: It is none; the text says what is allowed, and the remedy.
    """
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(
            "a domain name in lower case with at least one dot; write international names in their xn-- form"
        )
    return name


def _country(code: str) -> str:
    if code not in countries():
        raise ValueError(f"an ISO 3166 code of two capital letters like FI; {_meant_country(code)}")
    return code


def _meant_country(word: str) -> str:
    """Return the remedy for what is no country's code: another spelling of one, or its name."""
    names = {name.casefold(): code for code, name in countries().items()}
    upper = word.upper().replace(".", "")
    known = upper if upper in countries() else names.get(word.casefold())
    return MEANT.get(upper) or (f"write {known}" if known else "look it up: no country has this one")


def _region(name: str) -> str:
    if name not in blocs() and name not in countries():
        meant = nearest(name, tuple(blocs()))
        remedy = f"did you mean {meant!r}?" if meant else _meant_country(name)
        raise ValueError(f"an ISO 3166 code or one of {', '.join(blocs())}; {remedy}")
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
        return no_info_wrap_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.first, "maximum": self.last}

    def _check(self, value: Any, handler: ValidatorFunctionWrapHandler) -> int:
        allowed = f"{self.first} to {self.last}"
        try:
            number = None if isinstance(value, bool) else handler(value)
        except ValidationError:
            number = None
        if not isinstance(number, int):
            raise ValueError(f"{allowed}; write a whole number")  # noqa: TRY004 - pydantic takes a ValueError for a fault
        if not self.first <= number <= self.last:
            raise ValueError(f"{allowed}; {self.remedy}")
        return number


def _cloud_config(text: str) -> str:
    what = "a file that begins with #cloud-config and holds a mapping; see cloud-init's documentation"
    if not text.startswith("#cloud-config"):
        raise ValueError(what)
    try:
        parsed: object = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        at = getattr(error, "problem_mark", None)
        line = f" (line {at.line + 1})" if at else ""
        raise ValueError(f"a #cloud-config in YAML; it does not parse{line}") from None
    if _size(parsed) > _MOST_VALUES:
        raise ValueError(f"a #cloud-config of at most {_MOST_VALUES} values; an anchor in it may stand for too much")
    if not isinstance(parsed, dict):
        raise ValueError(what)  # noqa: TRY004 - pydantic takes a ValueError for a fault
    return text


def _size(value: object) -> int:
    """Return how many values there are in a value, or a number above the most that are counted: it may hold itself."""
    count, rest = 0, [value]
    while rest and count <= _MOST_VALUES:
        count, one = count + 1, rest.pop()
        rest += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return count


def _day(value: object) -> date:
    # Pulumi hands over a date that is not quoted as Go writes a time.
    text = str(value).removesuffix(" 00:00:00 +0000 UTC")
    try:
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise ValueError('a day like "2027-06-30"; correct it') from None


def _text(text: str) -> str:
    # What a terminal or a file format may take for a line's end, or for the direction of writing, is not printable.
    for character in text:
        if not character.isprintable():
            raise ValueError(f"characters that can be printed, on one line; remove {character!r}")
    if not text.strip():
        raise ValueError("a text; write one, or remove the key")
    if len(text) > _TEXT_LENGTH:
        raise ValueError(f"at most {_TEXT_LENGTH} characters; shorten it")
    return text


def matching(pattern: re.Pattern[str], said: str) -> AfterValidator:
    """Return a validator of a text that a pattern matches as a whole.

    Args:
        pattern: Of Python's.
        said: In words: what is allowed, and the remedy.
    """

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(said)
        return text

    return AfterValidator(check)


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


def _pair(value: object) -> object:
    if isinstance(value, (list, tuple)) and len(value) != 2:
        raise ValueError("two hosts; name both, and no third")
    return value


def _generations(values: tuple[int, ...]) -> tuple[int, ...]:
    if len(values) not in {1, 2} or (len(values) == 2 and values[1] != values[0] + 1):
        raise ValueError("one like [1], or two that follow each other like [1, 2]; see docs/rotation.md")
    return values


def once(values: tuple[T, ...]) -> tuple[T, ...]:
    """Return values in their order, each once."""
    return tuple(dict.fromkeys(values))


def at_least_one(what: str) -> AfterValidator:
    """Return a validator of a list of names that may not be empty; each name counts once."""

    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError(f"at least one {what}; name it")
        return once(values)

    return AfterValidator(check)


TypeName = Annotated[
    str,
    matching(_TYPE_NAME, "a name of Hetzner's like cx23; look it up at hetzner.com/cloud"),
    WithJsonSchema({"type": "string", "pattern": f"^{_TYPE_NAME.pattern}$"}),
]
PlaceName = Annotated[
    str,
    matching(_TYPE_NAME, "a name of Hetzner's like fsn1; look it up at hetzner.com/cloud"),
    WithJsonSchema({"type": "string", "pattern": f"^{_TYPE_NAME.pattern}$"}),
]
UserName = Annotated[
    str,
    matching(_USER_NAME, "the name of a local user like backup; correct it"),
    WithJsonSchema({"type": "string", "pattern": f"^{_USER_NAME.pattern}$"}),
]
Name = Annotated[str, AfterValidator(_host_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})]
DomainName = Annotated[str, AfterValidator(domain_name)]
Country = Annotated[str, AfterValidator(_country), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"})]
Regions = Annotated[tuple[Annotated[str, AfterValidator(_region)], ...], AfterValidator(once)]
Port = Annotated[int, Within(1, 65535, "correct it")]
Generation = Annotated[int, Within(FIRST_GENERATION, LAST_GENERATION, "count one further with each rotation")]
Generations = Annotated[tuple[Generation, ...], AfterValidator(_generations)]
KeyAgeDays = Annotated[int, Within(1, 3650, "count in days")]
Ports = Annotated[tuple[Port, ...], AfterValidator(once)]
HostPair = Annotated[tuple[str, str], BeforeValidator(_pair)]
Day = Annotated[date, BeforeValidator(_day)]
CloudConfig = Annotated[str, AfterValidator(_cloud_config)]
WireguardKey = Annotated[
    str,
    AfterValidator(_wireguard_key),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"}),
]
SshKey = Annotated[
    str,
    matching(
        re.compile(SSH_KEY), "an ed25519 public key on one line, as ssh-keygen prints it; copy the .pub file whole"
    ),
    WithJsonSchema({"type": "string", "pattern": SSH_KEY}),
]
Text = Annotated[
    str,
    AfterValidator(_text),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _TEXT_LENGTH}),
]
Names = Annotated[tuple[str, ...], AfterValidator(once)]

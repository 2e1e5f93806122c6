"""What can go wrong in a lab's world: one frozen value for each fault, with its units in its names.

Pure. A fault is told from others by its kind and by what it is done to: the same one again, with other figures,
changes it. What the cloud's API gets wrong is `lab.cloud.faults`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, fields
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from lab.internet.addresses import MTU_BYTES

SMALLEST_MTU_BYTES: Final = 1280  # RFC 8200, 5: below it a link has no IPv6, and the kernel takes it away
_STRICT: Final = ConfigDict(extra="forbid")

Mtu: TypeAlias = Annotated[int, Field(ge=SMALLEST_MTU_BYTES, lt=MTU_BYTES)]
Ratio: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Name: TypeAlias = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, config=_STRICT)
class Cut:
    """Unplug a host, or a place: nothing comes in or goes out, IPv4 and IPv6, its provider's services included.

    Args:
        host: A server's name or id, or a place.
    """

    host: Name
    _: KW_ONLY
    kind: Literal["cut"] = "cut"


@dataclass(frozen=True, config=_STRICT)
class Block:
    """Drop what two ends send each other, without a word, as a provider's filter does.

    Args:
        one: A server's name or id, or a place.
        other: The same; None is everybody.
        protocol: Only this one; None is every one.
        port: Only to or from this port; needs a protocol that has ports.
        family: Only this IP version.
    """

    one: Name
    other: Name | None = None
    _: KW_ONLY
    protocol: Literal["tcp", "udp", "icmp"] | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    family: Literal["ipv4", "ipv6"] | None = None
    kind: Literal["block"] = "block"

    def __post_init__(self) -> None:
        """Refuse a port without ports."""
        if self.port is not None and self.protocol not in {"tcp", "udp"}:
            raise ValueError(f"protocol: {self.protocol!r}, allowed with a port: 'tcp', 'udp'; name one")


@dataclass(frozen=True, config=_STRICT)
class Slow:
    """Make the way between two ends a long or a bad one. Every figure is for each direction.

    Args:
        one: A server's name or id, or a place.
        other: The same; None is everybody.
        latency_ms: Added to each packet.
        jitter_ms: The latency varies evenly by this much, up and down; packets keep their order.
        loss_ratio: Of packets that are lost.
        rate_mbit: Mbit/s that get through; 0 is as many as there are, up to about 150. Up to 200 ms of it wait in a
            queue; what comes on top is lost.
        reorder_ratio: Of packets that overtake: they have no latency at all.
    """

    one: Name
    other: Name | None = None
    _: KW_ONLY
    latency_ms: Annotated[float, Field(ge=0, le=10_000)] = 0
    jitter_ms: Annotated[float, Field(ge=0, le=10_000)] = 0
    loss_ratio: Ratio = 0
    rate_mbit: Annotated[float, Field(ge=0, le=10_000)] = 0
    reorder_ratio: Ratio = 0
    kind: Literal["slow"] = "slow"


@dataclass(frozen=True, config=_STRICT)
class Blackhole:
    """Lose larger packets from and to a host, and tell nobody: no ICMP comes back.

    Args:
        host: A server's name or id.
        larger_than_bytes: Largest IP packet that gets through.
    """

    host: Name
    _: KW_ONLY
    larger_than_bytes: Mtu
    kind: Literal["blackhole"] = "blackhole"


@dataclass(frozen=True, config=_STRICT)
class Narrow:
    """Give a host's way to the internet a smaller MTU, as an honest router does: it fragments, or says what fits.

    Args:
        host: A server's name or id.
        mtu_bytes: Largest IP packet that gets through whole.
    """

    host: Name
    _: KW_ONLY
    mtu_bytes: Mtu
    kind: Literal["narrow"] = "narrow"


@dataclass(frozen=True, config=_STRICT)
class Outage:
    """Take a provider's location off the internet: its servers run, and nobody reaches them.

    Args:
        location: The provider's name of it: `fsn1`. Servers that are ordered there later are in it as well.
    """

    location: Name
    _: KW_ONLY
    kind: Literal["outage"] = "outage"


@dataclass(frozen=True, config=_STRICT)
class HideMetadata:
    """Keep the metadata service from a host.

    Args:
        host: A server's name or id.
        answer: `silence` drops what is asked, `refusal` resets the connection at once.
    """

    host: Name
    _: KW_ONLY
    answer: Literal["silence", "refusal"] = "silence"
    kind: Literal["hide-metadata"] = "hide-metadata"


@dataclass(frozen=True, config=_STRICT)
class SilenceResolver:
    """Have the provider's resolvers answer a host nothing: each look-up waits until it gives up.

    Args:
        host: A server's name or id, or a place.
    """

    host: Name
    _: KW_ONLY
    kind: Literal["silence-resolver"] = "silence-resolver"


@dataclass(frozen=True, config=_STRICT)
class CutPower:
    """Take the data centre's power from a server: off at once, with no word to it, and off whatever its API is asked.

    The API goes on saying that it runs. Healed, it boots if the API says so still.

    Args:
        host: A server's name or id.
    """

    host: Name
    _: KW_ONLY
    kind: Literal["cut-power"] = "cut-power"


@dataclass(frozen=True, config=_STRICT)
class Reset:
    """Cut a server's power and give it back at once. It is over when it is done, and the API knows nothing of it.

    Args:
        host: A server's name or id.
    """

    host: Name
    _: KW_ONLY
    kind: Literal["reset"] = "reset"


@dataclass(frozen=True, config=_STRICT)
class Reboot:
    """Have a machine reboot cleanly, as its own administrator does. It is over when the next boot has begun.

    Args:
        host: A server's name or id.
    """

    host: Name
    _: KW_ONLY
    kind: Literal["reboot"] = "reboot"


@dataclass(frozen=True, config=_STRICT)
class FillDisk:
    """Fill a machine's disk; it stays so over reboots. The disk of whoever runs the lab is not filled.

    Args:
        host: A server's name or id.
        free_bytes: What root can still write, give or take 64 KiB; with 0 the next block is refused.
    """

    host: Name
    _: KW_ONLY
    free_bytes: Annotated[int, Field(ge=0)] = 0
    kind: Literal["fill-disk"] = "fill-disk"


@dataclass(frozen=True, config=_STRICT)
class SkewClock:
    """Set a virtual machine's clock wrong; a boot sets it right, since the hypervisor tells the time.

    Args:
        host: A server's name or id.
        skew_s: Seconds ahead of the time; behind it if negative.
    """

    host: Name
    _: KW_ONLY
    skew_s: Annotated[float, Field(ge=-(10**9), le=10**9)]
    kind: Literal["skew-clock"] = "skew-clock"


Fault: TypeAlias = (
    Cut
    | Block
    | Slow
    | Blackhole
    | Narrow
    | Outage
    | HideMetadata
    | SilenceResolver
    | CutPower
    | Reset
    | Reboot
    | FillDisk
    | SkewClock
)
# Over as soon as they are done: there is nothing to heal.
MOMENTARY: Final = (Reset, Reboot)
_DISCRIMINATED: Final[TypeAdapter[Fault]] = TypeAdapter(Annotated[Fault, Field(discriminator="kind")])
# What tells a fault from others of its kind; everything else can be changed while it lasts.
_WHERE: Final = ("host", "one", "other", "location", "protocol", "port", "family")


class FaultError(Exception):
    """A fault that can't be, or is not; the text says why."""


def parse_fault(text: bytes) -> Fault:
    """Return the fault that a JSON document tells.

    Raises:
        FaultError: It tells none.
    """
    try:
        return _DISCRIMINATED.validate_json(text)
    except ValidationError as error:
        raise FaultError(say_wrong(error)) from error


def say_wrong(error: ValidationError) -> str:
    """Return what is wrong with a fault in one line."""
    wrong = error.errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'fault'}: {one['input']!r}, {one['msg']}" for one in wrong)


def render_fault(fault: Fault) -> bytes:
    """Return a fault as a JSON document."""
    return _DISCRIMINATED.dump_json(fault)


def fault_name(fault: Fault) -> str:
    """Return the words that tell a fault from every other one that can be at the same time."""
    where = [getattr(fault, name, None) for name in _WHERE]
    return " ".join([fault.kind, *(str(word) for word in where if word is not None)])


def fault_figures(fault: Fault) -> dict[str, Any]:
    """Return what can be changed of a fault, as far as it is not nothing."""
    named = {field.name: getattr(fault, field.name) for field in fields(fault)}
    return {name: value for name, value in named.items() if name not in {*_WHERE, "kind"} and value not in {None, 0}}


def ends_of(fault: Fault) -> tuple[str, ...]:
    """Return the hosts and places that a fault is done to, as they were named."""
    return tuple(str(end) for name in ("host", "one", "other") if (end := getattr(fault, name, None)) is not None)

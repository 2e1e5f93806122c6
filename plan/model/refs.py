"""What is only known when the deployment runs, and how a finished plan names it.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterable

RefKind = Literal[
    "private", "public", "psk", "ipv4", "ipv6", "ssh-private", "ssh-public", "delivery-public", "volume", "data-key"
]


@dataclass(frozen=True)
class Ref:
    """Something that is only known when the deployment runs.

    Args:
        kind: `private` and `public` halves of a WireGuard key, `psk`, the public `ipv4` address and `ipv6` prefix
            of a host, the `ssh-private` and `ssh-public` halves of the SSH host key that it is born with, the
            `delivery-public` half of the key by which it is told changes, the provider's number of its data `volume`,
            and the `data-key` that opens that.
        of: Whose: `host/interface` for keys, `near/far/generation` for a psk, a device's name for its own, else the
            host; for a delivery key see `delivery_ref`.
    """

    kind: RefKind
    of: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.of}"


def delivery_ref(host: str, generation: int) -> Ref:
    """Return the public half of the key by which a host is told changes, of one generation.

    The first one's has no number: it was there before there were others, and by another name it would be another key.
    """
    return Ref("delivery-public", host if generation == FIRST_GENERATION else f"{host}/{generation}")


@lru_cache(maxsize=1 << 16)
def shared_ref(kind: RefKind, of: str) -> Ref:
    """Return a reference, the same object each time: what one host is known by stands at all of its neighbours."""
    return Ref(kind, of)


def in_order(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    """Return references by kind, then by whose they are."""
    return tuple(sorted(refs, key=attrgetter("kind", "of")))

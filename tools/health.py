"""What a host said of itself, and what of it somebody has to do something about.

Pure: the answer of `farshore-host status` in, findings out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

DAY_S: Final = 86_400
STALE_HANDSHAKE_S: Final = 180
"""After so long without a new handshake WireGuard sends nothing more (REJECT_AFTER_TIME of its paper)."""
MORE_SHOWN: Final = 3


@dataclass(frozen=True)
class Health:
    """One host.

    Args:
        host: Its name.
        unasked: Why it was not asked, or gave no answer; empty where it did.
        state: `confirmed`, `pending` (a change that nobody confirmed) or `unknown`.
        drift: What somebody changed by hand.
        handshake_age_s: Since the last handshake, by interface and peer; None where there was none.
        key_age_days: Of each key file, by its name.
        leftovers: Of user data, on its disk.
    """

    host: str
    unasked: str = ""
    state: str = ""
    drift: tuple[str, ...] = ()
    handshake_age_s: Mapping[tuple[str, str], int | None] = field(default_factory=dict)
    key_age_days: Mapping[str, int] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()

    @property
    def oldest_key_days(self) -> int | None:
        """Return the age of its oldest key."""
        return max(self.key_age_days.values(), default=None)

    def as_output(self) -> dict[str, Any]:
        """Return the same as JSON has it."""
        return {
            "answers": not self.unasked,
            "unasked": self.unasked,
            "state": self.state,
            "drift": list(self.drift),
            "handshake_age_s": {f"{name} {peer}": age for (name, peer), age in self.handshake_age_s.items()},
            "key_age_days": dict(self.key_age_days),
            "leftovers": list(self.leftovers),
        }


def read_health(host: str, said: Mapping[str, Any]) -> Health:
    """Return a host's health from its answer; a part that it does not know counts as none."""
    return Health(
        host=host,
        state=str(said.get("state", "unknown")),
        drift=tuple(said.get("drift", ())),
        handshake_age_s={
            (name, peer): age for name, peers in said.get("handshake_age_s", {}).items() for peer, age in peers.items()
        },
        key_age_days={PurePosixPath(path).name: age // DAY_S for path, age in said.get("key_age_s", {}).items()},
        leftovers=tuple(said.get("leftovers", ())),
    )


def findings(health: Health, *, max_key_age_days: int, hosts: Collection[str]) -> Iterator[str]:
    """Return what somebody has to do something about, each with what.

    Args:
        health: Of one host.
        max_key_age_days: The stack file's.
        hosts: Whose tunnels have to stand; a device may be away.
    """
    if health.unasked:
        yield health.unasked
        return
    if health.state == "pending":
        yield f"{health.host}: an unconfirmed change, allowed: none for long; run `up`, or it is taken back by itself"
    if health.drift:
        more = f" and {len(health.drift) - MORE_SHOWN} more" if len(health.drift) > MORE_SHOWN else ""
        yield (
            f"{health.host}: changed by hand ({'; '.join(health.drift[:MORE_SHOWN])}{more}), "
            "allowed: what it was told; `up` with --replace of its delivery, see docs/day2.md"
        )
    for (name, peer), age_s in health.handshake_age_s.items():
        if peer in hosts and (age_s is None or age_s > STALE_HANDSHAKE_S):
            found = "never" if age_s is None else f"{age_s} s ago"
            yield (
                f"{health.host}: last handshake of {name} with {peer} {found}, allowed: {STALE_HANDSHAKE_S} s; "
                "see that both run, and the way between them"
            )
    if (oldest := health.oldest_key_days) is not None and oldest > max_key_age_days:
        yield f"{health.host}: a key is {oldest} days old, allowed: {max_key_age_days}; farshore rotate"
    if health.leftovers:
        yield (
            f"{health.host}: user data on its disk ({', '.join(health.leftovers[:MORE_SHOWN])}), allowed: none; "
            "farshore-host wipe-leftovers there"
        )

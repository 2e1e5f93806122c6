"""Who could be made to help whom: a shield and each origin behind it, side by side.

Pure: models in, faults out. Judges every pair whose parts are sound, also in a stack file that has other faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.faults import Fault
from plan.tables import hetzner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from plan.stack import Account, Origin, Policy, Server, Shield, Stack

REMEDY = {
    "country": "move one of them to another country",
    "account": "put one of them into an account of its own",
    "company": "put one of them with another company",
    "home": "put one of them with a company of another legal home",
    "parent": "put one of them with a company that somebody else owns",
}


def country_of(host: Server) -> str | None:
    """Return the country that a host stands in; None where nothing says it."""
    known = hetzner().locations.get(host.location)
    return known.country if known else host.country


def judge_hosts(
    accounts: Mapping[str, Account],
    shields: Mapping[str, Shield],
    origins: Mapping[str, Origin],
    policy: Policy,
) -> Iterator[Fault]:
    """Yield a fault for each pair and rule of `separate` that a shield and an origin break."""
    for name, origin in origins.items():
        for behind in dict.fromkeys(origin.shields or ()):
            shield = shields.get(behind)
            if shield is None:
                continue
            for rule in policy.separate:
                ours, theirs = _property(rule, shield, accounts), _property(rule, origin, accounts)
                if ours is not None and ours == theirs:
                    yield Fault(
                        f"farshore:origins.{name}",
                        f"{rule} {theirs!r}, that of its shield {behind!r}",
                        f"another {rule} (farshore:policy.separate)",
                        REMEDY[rule],
                    )


def _property(rule: str, host: Server, accounts: Mapping[str, Account]) -> str | None:
    """Return the value that a rule compares; None where it is unknown."""
    if rule == "country":
        return country_of(host)
    if rule == "account":
        return host.account
    account = accounts.get(host.account)
    if account is None:
        return None
    if rule == "parent":
        return account.parent.company if account.parent else account.company
    return None if getattr(account, rule) is None else str(getattr(account, rule))


def waived_pairs(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield each shield, origin and rule for which a waiver holds on the day of reading."""
    for waiver in stack.policy.waivers:
        if waiver.until < stack.day:
            continue
        for shield in stack.shields.keys() & set(waiver.hosts):
            for origin in stack.origins.keys() & set(waiver.hosts):
                yield shield, origin, waiver.rule

"""Who could be made to help whom: where hosts stand, and the companies that hold them.

Pure: models in, breaches out. Judges every pair whose parts are sound, also in a stack file that has other faults. A
breach of what the policy demands is a fault, of the rest a warning; a waiver turns a fault into a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from plan.faults import Fault
from plan.stack.policy import RULES
from plan.tables import blocs, hetzner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from plan.rules.draft import Draft
    from plan.stack import Stack
    from plan.stack.hosts import Server
    from plan.stack.policy import Account, Party, PartyRole, Policy, Role, Waiver

    Judged = Draft | Stack

REMEDY = {
    "country": "move one of them to another country",
    "account": "put one of them into an account of its own",
    "company": "put one of them with another company",
    "home": "put one of them with a company of another legal home",
    "parent": "put one of them with a company that somebody else owns",
}


@dataclass(frozen=True, kw_only=True)
class Breach:
    """Something that a rule says should be otherwise.

    Args:
        fault: As a message.
        rule: Which rule.
        names: Of the hosts, or of the party, that it is about.
        demanded: By the policy; without, it is worth knowing.
    """

    fault: Fault
    rule: Literal["country", "account", "company", "home", "parent", "allow", "avoid"]
    names: tuple[str, ...]
    demanded: bool = True


def country_of(host: Server) -> str | None:
    """Return the country that a host stands in; None where nothing says it."""
    known = hetzner().locations.get(host.location)
    return known.country if known else host.country


def judge_places(judged: Judged) -> Iterator[Fault]:
    """Yield a fault for each breach that the policy does not allow and nobody has waived."""
    for breach in find_breaches(judged):
        if not breach.demanded:
            continue
        waiver = _waiver_of(breach, judged.policy)
        if waiver is None:
            yield breach.fault
        elif waiver.until < judged.day:
            fault = breach.fault
            yield Fault(fault.where, fault.found, fault.allowed, f"its waiver ended on {waiver.until}: {fault.remedy}")


def tell_places(judged: Judged) -> Iterator[str]:
    """Yield what a reader should know: breaches that nobody forbids, waivers, and parties that nobody named."""
    known = set()
    for breach in find_breaches(judged):
        waiver = _waiver_of(breach, judged.policy) if breach.demanded else None
        if waiver is not None:
            known.add(waiver)
            yield (
                f"farshore:policy.waivers: {breach.rule} of {' and '.join(breach.names)} is waived until "
                f"{waiver.until}: {waiver.reason}"
            )
        elif not breach.demanded:
            yield f"{breach.fault.where}: {breach.fault.found}; nothing in farshore:policy.separate forbids it"
    for waiver in judged.policy.waivers:
        if waiver not in known:
            yield f"farshore:policy.waivers: {waiver.rule} of {' and '.join(waiver.hosts)} is kept; remove the waiver"
    unknown = [role for role in ("state", "ci", "dns", "ca") if role not in judged.parties]
    if unknown:
        yield f"farshore:parties: who holds {', '.join(unknown)} is unknown; nothing judges them"


def waived_pairs(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield each shield, origin and rule for which a waiver holds on the day of reading."""
    for breach in find_breaches(stack) if stack.policy.waivers else ():
        waiver = _waiver_of(breach, stack.policy)
        if waiver is not None and waiver.until >= stack.day and len(breach.names) == 2:
            origin, shield = breach.names
            yield shield, origin, breach.rule


def find_breaches(judged: Judged) -> Iterator[Breach]:
    """Yield all that the rules find, demanded by the policy or not."""
    yield from _together(judged)
    policy = judged.policy
    kinds: tuple[tuple[Role, Mapping[str, Server]], ...] = (("shield", judged.shields), ("origin", judged.origins))
    for kind, hosts in kinds:
        for name, host in hosts.items():
            account = judged.accounts.get(host.account)
            values = [("country", country_of(host)), *_homes(account)]
            yield from _regions(policy, kind, f"{kind}s.{name}", name, values)
    for role, party in judged.parties.items():
        yield from _regions(policy, role, f"parties.{role}", role, _homes(party))


def _together(judged: Judged) -> Iterator[Breach]:
    """Compare each origin with each of its shields."""
    for name, origin in judged.origins.items():
        for behind in dict.fromkeys(origin.shields or ()):
            shield = judged.shields.get(behind)
            if shield is None:
                continue
            for rule in RULES:
                ours, theirs = (_property(rule, host, judged.accounts) for host in (shield, origin))
                if ours is None or ours != theirs:
                    continue
                if rule == "parent" and _property("company", shield, judged.accounts) == _property(
                    "company", origin, judged.accounts
                ):
                    continue  # one company is told of as one company
                fault = Fault(
                    f"farshore:origins.{name}",
                    f"{rule} {theirs!r}, that of its shield {behind!r}",
                    f"another {rule} (farshore:policy.separate)",
                    REMEDY[rule],
                )
                yield Breach(fault=fault, rule=rule, names=(name, behind), demanded=rule in judged.policy.separate)


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
        return account.parent.company if account.parent else account.company or None
    return getattr(account, rule) or None


def _homes(party: Party | None) -> list[tuple[str, str | None]]:
    """Return the countries whose courts a company and its owner answer to."""
    if party is None:
        return []
    owner = [("legal home of the parent company", party.parent.home)] if party.parent else []
    return [("legal home of the company", party.home), *owner]


def _regions(
    policy: Policy, role: Role | PartyRole, where: str, name: str, values: Iterable[tuple[str, str | None]]
) -> Iterator[Breach]:
    """Judge the countries of one host or party by `allow` and `avoid`."""
    allowed, avoided = policy.allow.get(role), policy.avoid.get(role, ())
    for what, country in values:
        if country is None:
            continue
        found = f"{what} {country!r}"
        if allowed is not None and not any(country in _members(region) for region in allowed):
            said = f"{', '.join(allowed) or 'nothing'} (farshore:policy.allow.{role})"
            fault = Fault(f"farshore:{where}", found, said, "choose another place or company, or waive it")
            yield Breach(fault=fault, rule="allow", names=(name,))
        hit = [region for region in avoided if country in _members(region)]
        if hit:
            said = f"nothing in {', '.join(hit)} (farshore:policy.avoid.{role})"
            fault = Fault(f"farshore:{where}", found, said, "choose another place or company, or waive it")
            yield Breach(fault=fault, rule="avoid", names=(name,))


def _members(region: str) -> frozenset[str]:
    return blocs().get(region, frozenset((region,)))


def _waiver_of(breach: Breach, policy: Policy) -> Waiver | None:
    """Return the waiver that lasts longest for a breach."""
    found = [w for w in policy.waivers if w.rule == breach.rule and set(breach.names) <= set(w.hosts)]
    return max(found, key=_end, default=None)


def _end(waiver: Waiver) -> date:
    return waiver.until

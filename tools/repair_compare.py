"""What state and accounts disagree about, and what is not as it should be where they agree.

Pure: a state, a list of objects and the program's wishes in, differences out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.repair_model import ACCOUNT_UNKNOWN, Difference
from tools.repair_wishes import is_early, why_not

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.repair_model import Found, Kind, Known, Pending, State, Wish


def orphans(stack: str, found: Iterable[Found], state: State) -> tuple[Found, ...]:
    """Return the stack's own objects that its state does not know.

    Args:
        stack: Its bare name; objects of other stacks, and those without a label, are nobody's business here.
        found: Everything in the accounts.
        state: What is known.
    """
    ids = {(row.kind, row.id) for row in state.known if not row.absent}
    return tuple(thing for thing in found if (thing.kind, thing.id) not in ids and _is_of(stack, thing))


def find_differences(
    stack: str, found: Iterable[Found], state: State, wishes: Mapping[tuple[str, str, str], Wish] | None = None
) -> tuple[Difference, ...]:
    """Return all that is to be said of a stack.

    Args:
        stack: Its bare name.
        found: Everything in the accounts.
        state: Everything in the state.
        wishes: What the program asks for and the state does not have, by account, kind and name; None where the
            program was not asked, and every orphan is to be removed.
    """
    things = tuple(found)
    at_account = {(thing.kind, thing.id): thing for thing in things}
    lost = orphans(stack, things, state)
    differences = [_orphan(thing, state, wishes) for thing in lost if thing.kind != "server"]
    coming = frozenset((one.found.kind, one.found.id) for one in differences if one.remedy == "adopt" and one.found)
    differences += [_orphan(thing, state, wishes, coming) for thing in lost if thing.kind == "server"]
    for row in state.known:
        differences += _of_row(row, at_account)
    return (*differences, *map(_interrupted, state.pending))


def _is_of(stack: str, thing: Found) -> bool:
    """Tell whether Farshore made an object for a stack: both labels, for either alone may be somebody else's."""
    return thing.stack == stack and bool(thing.host)


def _orphan(
    thing: Found,
    state: State,
    wishes: Mapping[tuple[str, str, str], Wish] | None,
    coming: frozenset[tuple[str, int]] = frozenset(),
) -> Difference:
    wish = None if wishes is None else wishes.get((thing.account, thing.kind, thing.name))
    why = "" if wishes is None else why_not(thing, wish, state, coming)
    adopted = wish is not None and not why  # without wishes there is none
    return Difference(
        wrong="orphan",
        remedy="adopt" if adopted else "remove",
        account=thing.account,
        kind=thing.kind,
        id=thing.id,
        name=thing.name,
        found=thing,
        wish=wish if adopted else None,
        why=why,
        early=adopted and wish is not None and is_early(wish),
    )


def _of_row(row: Known, at_account: Mapping[tuple[Kind, int], Found]) -> list[Difference]:
    """Return what is wrong with one resource: an object may lack several things."""
    thing = at_account.get((row.kind, row.id))
    if row.foreign:
        return []
    if row.absent:
        return [_unfinished(row, None, "deleted, its replacement not made yet")]
    if thing is None:
        return [Difference(wrong="gone", remedy="forget", account=row.account, kind=row.kind, id=row.id, name=row.name)]
    differences = []
    if thing.off:
        differences.append(_off(thing))
    missing = _missing(row, thing, at_account)
    if missing:
        differences.append(_bare(thing, missing))
    if row.unfinished:
        differences.append(_unfinished(row, thing, ""))
    return differences


def _missing(row: Known, thing: Found, at_account: Mapping[tuple[Kind, int], Found]) -> tuple[Found, ...]:
    """Return what a server was made with, that stands at its account, and that it has no more.

    What does not stand there any more is a difference of its own, and made anew by the program.
    """
    if row.kind != "server":
        return ()
    has = {("firewall", one) for one in thing.traits.get("firewallIds", ())}
    has |= {
        ("primary_ip", one[side])
        for one in thing.traits.get("publicNets", ())
        for side in ("ipv4", "ipv6")
        if one.get(side)
    }
    wanted: list[tuple[Kind, int]] = [
        *(("firewall", one) for one in row.firewalls),
        *(("primary_ip", one) for one in row.addresses),
    ]
    return tuple(at_account[key] for key in wanted if key not in has and key in at_account)


def _bare(thing: Found, missing: tuple[Found, ...]) -> Difference:
    names = ", ".join(f"{one.kind} {one.name}" for one in missing)
    return Difference(
        wrong="bare",
        remedy="attach",
        account=thing.account,
        kind=thing.kind,
        id=thing.id,
        name=thing.name,
        found=thing,
        why=names,
        missing=missing,
    )


def _off(thing: Found) -> Difference:
    return Difference(
        wrong="off",
        remedy="power on",
        account=thing.account,
        kind=thing.kind,
        id=thing.id,
        name=thing.name,
        found=thing,
    )


def _unfinished(row: Known, thing: Found | None, why: str) -> Difference:
    name = row.name if thing is None else thing.name
    account = row.account if thing is None else thing.account
    return Difference(
        wrong="unfinished", remedy="up", account=account, kind=row.kind, id=row.id, name=name, found=thing, why=why
    )


def _interrupted(operation: Pending) -> Difference:
    return Difference(
        wrong="interrupted",
        remedy="clear",
        account=operation.account if operation.account != ACCOUNT_UNKNOWN else "",
        kind=operation.kind,
        id=None,
        name=operation.name,
        why=operation.doing,
    )

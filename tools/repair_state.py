"""What a stack's state knows, and how that differs from what its accounts hold.

Pure: an exported state and a list of objects in, differences out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tools.repair_account import Found, Kind

TYPES: Final[dict[str, Kind]] = {
    "hcloud:index/server:Server": "server",
    "hcloud:index/primaryIp:PrimaryIp": "primary_ip",
    "hcloud:index/firewall:Firewall": "firewall",
    "hcloud:index/sshKey:SshKey": "ssh_key",
}
Wrong = Literal["orphan", "gone", "off", "unfinished", "interrupted"]
WORDS: Final[dict[Wrong, str]] = {
    "orphan": "at the account, but not in the state",
    "gone": "in the state, but not at the account",
    "off": "a server without power",
    "unfinished": "made, but a later step or change failed",
    "interrupted": "the engine ended while it was being made",
}


@dataclass(frozen=True, kw_only=True)
class Known:
    """One resource of the state.

    Args:
        id: The account's; None while it is being made.
        name: Pulumi's, the last part of the URN.
        unfinished: A step after its creation failed.
    """

    account: str
    kind: Kind
    id: int | None
    name: str
    unfinished: bool


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that is not as it should be.

    Args:
        found: The object, where there is one.
    """

    wrong: Wrong
    account: str
    kind: Kind
    id: int | None
    name: str
    found: Found | None = None


def read_state(export: Mapping[str, Any]) -> tuple[Known, ...]:
    """Return what an exported state knows of the accounts, what was being made last."""
    deployment = export.get("deployment") or {}
    rows = [(row, False) for row in deployment.get("resources") or ()]
    rows += [
        (operation["resource"], True)
        for operation in deployment.get("pending_operations") or ()
        if operation["type"] == "creating"
    ]
    return tuple(_known(row, pending=pending) for row, pending in rows if row["type"] in TYPES)


def find_differences(stack: str, found: Iterable[Found], known: Iterable[Known]) -> tuple[Difference, ...]:
    """Return what state and accounts disagree about, and what is not as it should be where they agree.

    Args:
        stack: Its bare name; objects of other stacks, and those without a label, are nobody's business here.
        found: Everything in the accounts.
        known: Everything in the state.
    """
    found, known = tuple(found), tuple(known)
    at_account = {(thing.account, thing.kind, thing.id): thing for thing in found}
    ids = {(row.account, row.kind, row.id) for row in known if row.id is not None}
    differences = [
        _of_found("orphan", thing) for key, thing in at_account.items() if key not in ids and _is_of(stack, thing)
    ]
    for row in known:
        thing = at_account.get((row.account, row.kind, row.id)) if row.id is not None else None
        if row.id is None:
            differences.append(_of_known("interrupted", row))
        elif thing is None:
            differences.append(_of_known("gone", row))
        elif thing.off:
            differences.append(_of_found("off", thing))
        elif row.unfinished:
            differences.append(_of_found("unfinished", thing))
    return tuple(differences)


def _is_of(stack: str, thing: Found) -> bool:
    """Tell whether Farshore made an object for a stack: both labels, for either alone may be somebody else's."""
    return thing.stack == stack and bool(thing.host)


def _known(row: Mapping[str, Any], *, pending: bool) -> Known:
    return Known(
        # The provider's name is farshore-<account>-provider: see components/deployment.py.
        account=row["provider"].split("::")[-2].removeprefix("farshore-").removesuffix("-provider"),
        kind=TYPES[row["type"]],
        id=int(row["id"]) if row.get("id") and not pending else None,
        name=row["urn"].split("::")[-1],
        unfinished=bool(row.get("initErrors")),
    )


def _of_found(wrong: Wrong, thing: Found) -> Difference:
    return Difference(wrong=wrong, account=thing.account, kind=thing.kind, id=thing.id, name=thing.name, found=thing)


def _of_known(wrong: Wrong, row: Known) -> Difference:
    return Difference(wrong=wrong, account=row.account, kind=row.kind, id=row.id, name=row.name)

"""What a program asks for that its state does not have, and whether an orphan is just that.

Pure. The wishes are read from a preview in JSON, which the engine made; nothing is decided from names of resources.

An orphan is adopted where Pulumi could go on with it as if it had made it: nothing that the program asks for would
replace it, and nothing is missing that only a creation gives. What differs and can be changed in place does not matter:
the next `up` changes it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tools.repair_model import TYPES, Wish
from tools.repair_state import account_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.repair_model import Found, Kind, State

SECRET: Final = "[secret]"  # noqa: S105 - what a preview shows in a secret's place
# What a preview shows in the place of what is not known yet: sdk/go/common/resource/plugin/rpc.go.
UNKNOWN: Final = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
# What makes another object of it when it changes: hcloud's resources, as recorded.
REPLACES: Final[dict[Kind, tuple[str, ...]]] = {
    "server": ("image", "location"),
    "primary_ip": ("type", "location"),
    "firewall": (),
    "ssh_key": ("publicKey",),
}
QUIET: Final = frozenset({"publicKey"})
"""Not to be printed: too long."""
BORN_WITH: Final = frozenset({"userData", "sshKeys"})
"""What a server is born with and never tells: the program ignores changes of both."""


LATER: Final = frozenset({"firewallIds", "publicNets"})
"""What a server is attached to: not known while it is an orphan as well."""


class WishError(Exception):
    """The engine did not say what the program asks for."""


def read_wishes(text: str) -> dict[tuple[str, str, str], Wish]:
    """Return what is to be created, by account, kind and name at the account.

    Args:
        text: What `preview --json` wrote.

    Raises:
        WishError: It is no preview.
    """
    try:
        preview: Any = json.loads(text)
    except ValueError as error:
        raise WishError("preview: no JSON, allowed: what `pulumi preview --json` writes") from error
    if not isinstance(preview, dict):
        raise WishError("preview: no steps in it, allowed: what `pulumi preview --json` writes")
    wishes: dict[tuple[str, str, str], Wish] = {}
    for step in preview.get("steps") or ():
        wish = _wish(step)
        if wish is not None:
            wishes[wish.account, wish.kind, str(wish.inputs.get("name"))] = wish
    return wishes


def faults_of(text: str) -> str:
    """Return why a preview in JSON failed, the text itself if it is none."""
    try:
        said = json.loads(text)["diagnostics"]
        faults = [str(one["message"]).strip() for one in said if one.get("severity") == "error"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    return "\n".join(faults) or "the preview failed"


def _wish(step: Any) -> Wish | None:
    if not isinstance(step, dict) or step.get("op") not in {"create", "create-replacement"}:
        return None
    row = step.get("newState")
    if not isinstance(row, dict) or row.get("type") not in TYPES or not isinstance(row.get("inputs"), dict):
        return None
    return Wish(
        account=account_of(row.get("provider")),
        kind=TYPES[row["type"]],
        urn=str(row.get("urn")),
        inputs=row["inputs"],
        row=row,
    )


def why_not(thing: Found, wish: Wish | None, state: State, coming: frozenset[tuple[str, int]] = frozenset()) -> str:
    """Return why an orphan can't be adopted for what the program asks; nothing if it can.

    Args:
        thing: The orphan.
        wish: What the program asks for by this name, if it does.
        state: Has the providers and the keys, and what an orphaned server may be attached to.
        coming: Kind and id of the orphans that are adopted before.
    """
    if wish is None:
        return "the program does not ask for it"
    if wish.row.get("provider") not in state.references or wish.row.get("parent") not in state.made:
        return "the state does not have its account's provider yet"
    unclear = _unclear(wish) - LATER
    if unclear:
        return f"what the program asks for is not known yet: {', '.join(sorted(unclear))}"
    for name in set(REPLACES[thing.kind]) - set(_strings(wish.row.get("ignoreChanges"))):
        wanted, has = wish.inputs.get(name), thing.traits.get(name)
        if wanted != has:
            return f"another {name}" if name in QUIET else f"{name}: {has!r}, the program asks for {wanted!r}"
    return _half_made(thing, wish, state, coming) if thing.kind == "server" else ""


def is_early(wish: Wish) -> bool:
    """Tell whether what a server is to be attached to has to be adopted first."""
    return bool(_unclear(wish) & LATER)


def _half_made(thing: Found, wish: Wish, state: State, coming: frozenset[tuple[str, int]]) -> str:
    """Return what a server lacks that it can't be given as safely as by making it again."""
    if thing.busy:
        return "it is half made"
    keys = [urn for urn in _strings(wish.row.get("dependencies")) if "pulumi:index:Stash" in urn]
    if any(urn not in state.made for urn in keys):
        return "its keys are not in the state"
    made = [time for urn in keys if (time := state.made[urn]) is not None]
    if thing.created is None or (made and thing.created.timestamp() < int(max(made).timestamp())):
        return "it is older than today's keys"
    has, wanted = _attached(thing.traits), _attached(wish.inputs)
    if is_early(wish):  # which ones they are to be is known when those are adopted; today they are at least the stack's
        if not has & coming:
            return f"what the program asks for is not known yet: {', '.join(sorted(_unclear(wish)))}"
        known = coming | {(row.kind, row.id) for row in state.known}
        return "" if has <= known else "it was made without the stack's own firewall and addresses"
    if not {one for one in wanted if one[0] == "firewall"} <= has:
        return "it was made without its firewall"
    if {one for one in wanted if one[0] != "firewall"} != {one for one in has if one[0] != "firewall"}:
        return "it was made without its addresses"
    return ""


def _unclear(wish: Wish) -> set[str]:
    """Return the inputs that are secret or not known yet, beside those that need not be known.

    A server never tells what it was born with, and rules are changed in place.
    """
    unseen = BORN_WITH if wish.kind == "server" else frozenset({"rules"} if wish.kind == "firewall" else ())
    return {name for name, value in wish.inputs.items() if name not in unseen and _blind(value)}


def _blind(value: Any) -> bool:
    """Tell whether something in a value is secret or not known yet."""
    return any(text == SECRET or text in UNKNOWN for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _attached(traits: Mapping[str, Any]) -> set[tuple[str, int]]:
    """Return the firewalls and addresses of a server, by kind and id."""
    blocks = traits.get("publicNets") or ()
    found = {("primary_ip", block[side]) for block in blocks for side in ("ipv4", "ipv6") if block.get(side)}
    return found | {("firewall", one) for one in traits.get("firewallIds") or ()}


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

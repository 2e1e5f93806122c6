"""What an exported state knows of the accounts, however odd the export is.

Pure. A row that can't be read is passed over: what it stands for then shows as an orphan, which names it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from tools.repair_model import ACCOUNT_UNKNOWN, TYPES, Known, Pending, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROVIDERS: Final = "pulumi:providers:"


class StateError(Exception):
    """What the engine wrote as the stack's state is none."""


def parse_export(text: str) -> dict[str, Any]:
    """Return what `stack export` wrote.

    Raises:
        StateError: It is no JSON, or no export.
    """
    try:
        export: Any = json.loads(text)
    except ValueError as error:
        raise StateError(f"state: no JSON at position {getattr(error, 'pos', 0)}, {_ALLOWED}") from error
    if not isinstance(export, dict) or not isinstance(export.get("deployment") or {}, dict):
        raise StateError(f"state: no deployment in it, {_ALLOWED}")
    return export


def plain(value: Any) -> Any:
    """Return a value of a state that was exported with its secrets."""
    return json.loads(value["plaintext"]) if isinstance(value, dict) and "plaintext" in value else value


_ALLOWED: Final = "allowed: what `pulumi stack export` writes; see that the backend is the right one: pulumi whoami -v"


def read_state(export: Mapping[str, Any]) -> State:
    """Return what an exported state knows of the accounts, and what was under way."""
    deployment = _mapping(export.get("deployment"))
    rows = [row for row in _mappings(deployment.get("resources")) if _text(row.get("urn")) and _text(row.get("type"))]
    pending = [
        _pending(operation, _mapping(operation.get("resource")))
        for operation in _mappings(deployment.get("pending_operations"))
    ]
    return State(
        known=tuple(known for row in rows if (known := _known(row)) is not None),
        pending=tuple(pending),
        made={row["urn"]: moment(row.get("created")) for row in rows},
        references=frozenset(f"{row['urn']}::{row.get('id')}" for row in rows if row["type"].startswith(PROVIDERS)),
    )


def account_of(provider: object) -> str:
    """Return the account whose provider a reference names, `?` where that can't be told.

    The provider's name is farshore-<account>-provider: see components/deployment.py.
    """
    parts = _text(provider).split("::")
    name = parts[-2] if len(parts) > 2 else ""
    account = name.removeprefix("farshore-").removesuffix("-provider")
    return account if account and account != name else ACCOUNT_UNKNOWN


def moment(text: object) -> datetime | None:
    """Return a time of the state or of the API, None where there is none that can be read."""
    try:
        found = datetime.fromisoformat(_text(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _known(row: Mapping[str, Any]) -> Known | None:
    kind = TYPES.get(row["type"])
    identity = _number(row.get("id"))
    if kind is None or identity is None:
        return None
    inputs = _mapping(row.get("inputs"))
    networks = _mappings(inputs.get("publicNets"))
    absent = bool(row.get("pendingReplacement"))
    return Known(
        account=account_of(row.get("provider")),
        kind=kind,
        id=identity,
        name=row["urn"].split("::")[-1],
        unfinished=bool(row.get("initErrors") or row.get("delete") or absent),
        absent=absent,
        foreign=bool(row.get("external")),
        firewalls=_numbers(inputs.get("firewallIds")),
        addresses=_numbers(network.get(side) for network in networks for side in ("ipv4", "ipv6")),
    )


def _pending(operation: Mapping[str, Any], row: Mapping[str, Any]) -> Pending:
    urn, token = _text(row.get("urn")), _text(row.get("type"))
    return Pending(
        doing=_text(operation.get("type")) or "unknown",
        account=account_of(row.get("provider")),
        kind=TYPES.get(token) or token.rpartition(":")[2] or "resource",
        name=urn.split("::")[-1],
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    """Return an id: the state has numbers as text, as integers and, after a detour by protobuf, as floats."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None


def _numbers(values: object) -> tuple[int, ...]:
    items: Iterable[object] = values if not isinstance(values, str | dict) and hasattr(values, "__iter__") else ()
    return tuple(number for item in items if (number := _number(item)))

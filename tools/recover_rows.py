"""The first rows of a state that is made anew: components, providers and keys, as Pulumi would have written them.

Pure. What stands at the accounts is adopted afterwards (tools/repair_adoption.py). The rows come from a preview, so
that nothing is decided from names of resources but which key is which.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from tools.recover_keys import RecoverError, fresh_key
from tools.repair_adoption import KEPT, MARK
from tools.repair_model import TYPES
from tools.repair_state import PROVIDERS, account_of, plain
from tools.repair_wishes import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

STASH: Final = "pulumi:index:Stash"
MORE: Final = ("replacementTrigger",)
HARMLESS: Final = frozenset({"same", "update", "read", "refresh"})


def founded(
    export: Mapping[str, Any],
    preview: str,
    *,
    keys: Mapping[str, Mapping[str, str]],
    tokens: Mapping[str, str],
    born: datetime,
    make_id: Callable[[], str],
    make_key: Callable[[str], Mapping[str, str]] = fresh_key,
) -> dict[str, Any]:
    """Return an empty state with the rows that everything else hangs on.

    Args:
        export: Of the empty state.
        preview: What `preview --json` wrote for it.
        keys: By the names of their resources.
        tokens: By account.
        born: When the keys were made at the latest: no server is younger than those that it was born with.
        make_id: Gives a new id for each row.
        make_key: Gives a key that is not among them, by the name of its resource.

    Raises:
        RecoverError: The preview asks for a key or a provider that nobody knows.
    """
    fresh = copy.deepcopy(dict(export))
    time = born.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    rows: list[dict[str, Any]] = []
    ids: dict[str, str] = {}
    for asked in _asked(preview):
        urn, kind = str(asked["urn"]), str(asked["type"])
        if kind != STASH and not kind.startswith(PROVIDERS) and asked.get("custom"):
            continue
        row: dict[str, Any] = {name: copy.deepcopy(asked[name]) for name in (*KEPT, *MORE) if name in asked}
        if kind == STASH:
            default = str(asked["provider"]).rpartition("::")[0]
            if default not in ids:  # the engine's own, of which a preview does not tell
                ids[default] = make_id()
                rows.append(_row({"urn": default, "custom": True, "type": _type_of(default)}, ids[default], time))
            row["provider"] = f"{default}::{ids[default]}"
            name = urn.rpartition("::")[2]
            value = _secret(keys[name] if name in keys else make_key(name))
            row |= {"inputs": {"input": value}, "outputs": {"input": value, "output": value}}
        elif asked.get("custom"):
            row["inputs"] = dict(_opened(asked, tokens))
            row["outputs"] = copy.deepcopy(row["inputs"])
        ids[urn] = make_id() if asked.get("custom") else ""
        rows.append(_row(row, ids[urn], time))
    fresh["deployment"]["resources"] = rows
    return fresh


def stashes_of(export: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the keys in a state that was exported with its secrets, by the names of their resources."""
    found = {}
    for row in export["deployment"].get("resources") or ():
        if row.get("type") == STASH:
            found[str(row["urn"]).rpartition("::")[2]] = dict(plain(row["outputs"]["output"]))
    return found


def disturbances(preview: str) -> list[str]:
    """Return what a preview would do to objects at the accounts, beyond changing them in place."""
    return [
        f"{step['op']} {row['type'].rpartition(':')[2]} {str(row['urn']).rpartition('::')[2]}"
        for step in _steps(preview)
        if isinstance(row := step.get("newState") or step.get("oldState"), dict)
        and row.get("type") in TYPES
        and step.get("op") not in HARMLESS
    ]


def _row(row: dict[str, Any], identity: str, time: str) -> dict[str, Any]:
    return row | ({"id": identity} if identity else {}) | {"created": time, "modified": time}


def _asked(preview: str) -> Iterator[dict[str, Any]]:
    for step in _steps(preview):
        row = step.get("newState")
        if step.get("op") == "create" and isinstance(row, dict):
            yield row


def _steps(preview: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(preview)["steps"])
    except (ValueError, KeyError, TypeError):
        raise RecoverError("preview: no steps in it, allowed: what `pulumi preview --json` writes") from None


def _opened(asked: Mapping[str, Any], tokens: Mapping[str, str]) -> Iterable[tuple[str, Any]]:
    """Yield a provider's inputs with its token in them, which a preview does not show."""
    for name, value in asked.get("inputs", {}).items():
        if value != SECRET:
            yield name, copy.deepcopy(value)
            continue
        account = account_of(f"{asked['urn']}::")
        if name != "token" or account not in tokens:
            raise RecoverError(f"provider {asked['urn']}: a secret {name}, allowed: an account's token")
        yield name, {**MARK, "plaintext": json.dumps(tokens[account])}


def _secret(value: Mapping[str, str]) -> dict[str, Any]:
    return {**MARK, "plaintext": json.dumps(dict(value), separators=(",", ":"))}


def _type_of(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]

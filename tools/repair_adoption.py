"""Take an orphan over into an exported state, as a row that Pulumi could have written itself.

Pure. Why not by the engine's own import: docs/decisions/0006-adopt-by-the-state.md.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from tools.repair_wishes import BORN_WITH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tools.repair_model import Difference, Found, Kind, Wish

# How Pulumi marks a secret in a state; `stack import` encrypts the plain text in it.
MARK: Final = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
SWITCHES: Final[dict[Kind, dict[str, bool]]] = {
    "server": {"keepDisk": False, "shutdownBeforeDeletion": False, "ignoreRemoteFirewallIds": False}
}
"""What only the provider knows of and a state has: without them the next preview would show a change of each."""
KEPT: Final = (
    "urn",
    "custom",
    "type",
    "parent",
    "provider",
    "protect",
    "dependencies",
    "propertyDependencies",
    "additionalSecretOutputs",
    "ignoreChanges",
    "replaceOnChanges",
    "retainOnDelete",
    "deletedWith",
    "customTimeouts",
)
"""What a row has from the program, beside its properties."""


def with_adopted(export: Mapping[str, Any], adopted: Iterable[Difference], now: datetime) -> dict[str, Any]:
    """Return a state that has the adopted orphans as well.

    A row whose object was deleted and whose replacement was due gives its place to what stands in for it.

    Args:
        export: From `stack export`; secrets stay as they are.
        adopted: Orphans, each with the wish that it fulfils.
        now: Time of the adoption.
    """
    fresh = copy.deepcopy(dict(export))
    rows: list[dict[str, Any]] = fresh["deployment"].setdefault("resources", [])
    for one in adopted:
        here = {str(old.get("urn")) for old in rows}
        assert one.found is not None, "an orphan is an object"
        assert one.wish is not None, "what is adopted was asked for"
        row = _without(adopted_row(one.found, one.wish, now), here)
        places = [place for place, old in enumerate(rows) if old.get("urn") == row["urn"]]
        if not places:
            rows.append(row)
        elif all(rows[place].get("pendingReplacement") for place in places):
            rows[places[0]] = row
    return fresh


def adopted_row(thing: Found, wish: Wish, now: datetime) -> dict[str, Any]:
    """Return the state's row of an orphan.

    What the account tells counts; what it does not tell is taken from the program. Addresses are left out: the next
    refresh fills them in, as secrets where they are to be secrets.

    Args:
        thing: The orphan.
        wish: What it stands for.
        now: Time of the adoption.
    """
    inputs = {name: value for name, value in wish.inputs.items() if name not in BORN_WITH and name != "__defaults"}
    inputs |= {name: value for name, value in thing.traits.items() if name in inputs}
    if "rules" in inputs:  # a hidden host's address can stand among them
        inputs["rules"] = {**MARK, "plaintext": json.dumps(inputs["rules"])}
    time = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    row = {name: copy.deepcopy(wish.row[name]) for name in KEPT if name in wish.row}
    return row | {
        "id": str(thing.id),
        "inputs": inputs,
        "outputs": {**SWITCHES.get(wish.kind, {}), **copy.deepcopy(inputs), "id": str(thing.id)},
        "created": time,
        "modified": time,
    }


def _without(row: dict[str, Any], here: set[str]) -> dict[str, Any]:
    """Return a row that names nothing which the state does not have: the engine would refuse the state."""
    if "dependencies" in row:
        row["dependencies"] = [urn for urn in row["dependencies"] if urn in here]
    if "propertyDependencies" in row:
        row["propertyDependencies"] = {
            name: [urn for urn in urns or () if urn in here] for name, urns in row["propertyDependencies"].items()
        }
    return row

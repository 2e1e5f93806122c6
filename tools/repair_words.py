"""What `farshore repair` says: a row for each difference, what mending erases, and the commands.

Pure. No address and no token: a hidden host's address is a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.repair_model import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tools.repair_model import Difference, Remedy

ERASED: Final = {
    "server": "with all the data on it",
    "primary_ip": "the address is given back and somebody else gets it",
    "firewall": "",
    "ssh_key": "",
}


def table(differences: Iterable[Difference]) -> list[str]:
    """Return a line for each difference, below a heading."""
    rows = [("account", "resource", "id", "found", "to mend")]
    for one in differences:
        found = f"{WORDS[one.wrong]}{f' ({one.why})' if one.remedy == 'clear' else ''}"
        rows.append((one.account, f"{one.kind} {one.name}", str(one.id or ""), found, _remedy(one)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def erased(differences: Iterable[Difference]) -> list[str]:
    """Return a line for each thing that mending takes away for good."""
    lines = []
    for one in differences:
        if one.remedy == "remove":
            what = ERASED.get(one.kind, "")
            lines.append(f"  account {one.account}: {one.kind} {one.name} ({one.id}){f', {what}' if what else ''}")
    return lines


def is_mendable(differences: Iterable[Difference]) -> bool:
    """Tell whether repair has anything to do: what is unfinished is the program's to finish."""
    return any(one.remedy != "up" for one in differences)


def _remedy(one: Difference) -> str:
    """Return what mending does to one thing."""
    told: dict[Remedy, str] = {
        "adopt": "adopt it: it is what the program asks for",
        "remove": ", ".join(["remove it", *filter(None, [ERASED.get(one.kind)])]) + (f": {one.why}" if one.why else ""),
        "forget": "forget it; up makes it anew",
        "power on": "power it on",
        "attach": f"attach {one.why}",
        "clear": "clear the mark",
        "up": "up finishes it" + (f": {one.why}" if one.why else ""),
    }
    return told[one.remedy]

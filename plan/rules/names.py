"""Each name means one thing: hosts, devices and LANs share their names, because `from` and `reach` use them all.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plan.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.rules.draft import Draft

_KINDS: Final = {"shields": "a shield", "origins": "an origin", "operators": "an operator", "gateways": "a gateway"}


def judge_names(draft: Draft) -> Iterator[Fault]:
    """Yield a fault for each name that is already somebody's."""
    owner: dict[str, str] = {}
    for key, kind in _KINDS.items():
        for name in draft.declared.get(key, ()):
            yield from _taken(owner, f"{key}.{name}", name, kind)
    for where, name, _, _ in draft.lans():
        yield from _taken(owner, where, name, "a LAN")


def _taken(owner: dict[str, str], where: str, name: str, kind: str) -> Iterator[Fault]:
    if name in owner:
        yield Fault(f"farshore:{where}", f"the name of {owner[name]}", "a name of its own", "rename one of them")
    owner.setdefault(name, kind)

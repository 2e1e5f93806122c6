"""What an operation was asked to do, beyond the program itself.

Pure: frozen values, and the one question of which resources are meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab.engine.urns import STACK_TYPE, is_provider_type, parse_urn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

Kind = Literal["update", "destroy", "refresh"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """One operation.

    Args:
        kind: What is done.
        preview: Only say what would be done.
        parallel: How many steps may run at once.
        targets: URNs or patterns that alone are touched; empty means all.
        target_dependents: What depends on the targets is touched too.
        excludes: URNs or patterns that are left alone.
        exclude_dependents: What depends on the excluded is left alone too.
        exclude_protected: A destroy leaves protected resources, and what they need.
        replaces: URNs or patterns that are replaced whatever the plugin says.
        continue_on_error: A failed step does not stop what does not depend on it.
        refresh: Look at every resource first.
        clear_pending_creates: A refresh forgets creations that a dead engine left behind.
    """

    kind: Kind = "update"
    preview: bool = False
    parallel: int = 8
    targets: tuple[str, ...] = ()
    target_dependents: bool = False
    excludes: tuple[str, ...] = ()
    exclude_dependents: bool = False
    exclude_protected: bool = False
    replaces: tuple[str, ...] = ()
    continue_on_error: bool = False
    refresh: bool = False
    clear_pending_creates: bool = False

    def wants(self, urn: str) -> bool:
        """Tell whether a resource is meant; providers and the stack always are."""
        kind = parse_urn(urn).type
        if kind == STACK_TYPE or is_provider_type(kind):
            return True
        if self.targets and not matches(self.targets, urn):
            return False
        return not matches(self.excludes, urn)


def matches(patterns: Iterable[str], urn: str) -> bool:
    """Tell whether a URN is one of the patterns: `*` is any text without `:`, `**` any text."""
    return any(_expression(pattern).fullmatch(urn) for pattern in patterns)


def unmatched(patterns: Iterable[str], urns: Collection[str]) -> list[str]:
    """Return the patterns that no URN matches."""
    return [pattern for pattern in patterns if not any(_expression(pattern).fullmatch(urn) for urn in urns)]


def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", pattern)
    wild = {"**": ".*", "*": "[^:]*"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts))

"""Steps: what an engine decides to do, in the order in which it will be done.

Pure: frozen values. A step's words are Pulumi's own, as its events and previews have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.engine.rows import Row

Op = Literal[
    "same",
    "create",
    "update",
    "delete",
    "replace",
    "create-replacement",
    "delete-replaced",
    "read",
    "read-replacement",
    "import",
    "remove-pending-replace",
    "refresh",
]

LOGICAL: Final[Mapping[str, str]] = {
    "create-replacement": "",
    "delete-replaced": "",
    "read-replacement": "",
    "remove-pending-replace": "",
}
"""Operations that are part of another one, which is the one that is counted."""

Kind = Literal["add", "add-replace", "delete", "delete-replace", "update", "update-replace"]


@dataclass(frozen=True)
class PropertyChange:
    """How one property differs; `input` says that inputs were compared."""

    kind: Kind
    input: bool = False


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A plugin's word on old and new inputs.

    Args:
        changed: None when it can't tell.
        replaces: Properties whose change needs a replacement.
        diffs: Properties that changed.
        detailed: Changes by property path, or None if the plugin gives none.
        stables: Outputs that an update leaves as they are.
        delete_before_replace: The old one must go first.
    """

    changed: bool | None
    replaces: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    detailed: Mapping[str, PropertyChange] | None = None
    stables: tuple[str, ...] = ()
    delete_before_replace: bool = False

    @property
    def replacing(self) -> bool:
        """Tell whether the change needs a replacement."""
        detailed = (self.detailed or {}).values()
        return bool(self.replaces) or any(change.kind.endswith("-replace") for change in detailed)


SAME: Final = Difference(changed=False)


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One thing to do to one resource.

    Args:
        op: What to do.
        urn: The resource.
        old: Its row before, if any.
        new: Its row after, as far as it is known beforehand; None when the step removes it.
        difference: Why, for updates and replacements.
        call: Ask the plugin; False only changes the state.
        keep_pending: A deletion whose row stays, its creation still due.
        registered: Comes from the program, so it is answered; False for deletions and refreshes.
    """

    op: Op
    urn: str
    old: Row | None = None
    new: Row | None = None
    difference: Difference = field(default=SAME)
    call: bool = True
    keep_pending: bool = False
    registered: bool = True

    @property
    def row(self) -> Row:
        """Return the row that says most: the new one, or that which goes."""
        row = self.new or self.old
        assert row is not None
        return row

"""How the program says no.

A message never holds a word of the input: a secret can stand anywhere in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Refused(Exception):  # noqa: N818 - it is no error of the program's
    """Say everything that speaks against what was asked.

    Args:
        faults: A line each: where: found, allowed; remedy.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))

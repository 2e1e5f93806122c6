"""A public host that visitors reach."""

from __future__ import annotations

from typing import Any

from components.machine import Machine


class Shield(Machine):
    """Make one shield."""

    def __init__(self, name: str, **parts: Any) -> None:
        super().__init__("Shield", name, **parts)

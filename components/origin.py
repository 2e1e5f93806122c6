"""A hidden host: its public addresses are secrets from here on."""

from __future__ import annotations

from typing import Any

from components.machine import Machine


class Origin(Machine):
    """Make one origin."""

    def __init__(self, name: str, **parts: Any) -> None:
        super().__init__("Origin", name, **parts)

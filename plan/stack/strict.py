"""What all models of the stack file have in common.

Pure.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """Reject unknown keys and never change after loading."""

    model_config = ConfigDict(frozen=True, extra="forbid")

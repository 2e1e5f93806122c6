"""What is known of a data volume that stands, as a stack's outputs keep it from one run to the next.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plan.model import Host


@dataclass(frozen=True, kw_only=True)
class DataTold:
    """What is known of a volume that stands.

    Args:
        size_gb: As it was ordered.
        mount: Where the server has it.
        encrypted: It was to be encrypted when it was formatted.
        used: The server that stands was born with it.
    """

    size_gb: int
    mount: str
    encrypted: bool
    used: bool = True

    def as_output(self) -> dict[str, Any]:
        """Return the same as a stack's outputs hold it."""
        return {
            "size_gb": self.size_gb,
            "mount": self.mount,
            "encrypted": self.encrypted,
            "used": self.used,
        }


def data_told(host: Host) -> DataTold | None:
    """Return what a server is told of its volume today."""
    data = host.data
    if data is None:
        return None
    return DataTold(size_gb=data.size_gb, mount=data.mount, encrypted=data.encrypted)


def read_data(said: object) -> DataTold | None:
    """Return what a stack's outputs say of a volume; nothing where that is missing or strange."""
    if not isinstance(said, dict):
        return None
    try:
        return DataTold(
            size_gb=int(said["size_gb"]),
            mount=str(said["mount"]),
            encrypted=said["encrypted"] is True,
            used=said["used"] is True,
        )
    except (KeyError, TypeError, ValueError):
        return None


def data_after(before: DataTold | None, now: DataTold | None, *, delivered: bool) -> DataTold | None:
    """Return what is known of a volume after a run that has left the server as it is.

    Args:
        before: What was known.
        now: What the plan says.
        delivered: The server was told that.
    """
    if now is None or before is None:
        return now and replace(now, used=False)
    return replace(now, used=before.used, mount=now.mount if delivered else before.mount)

"""An origin's data volume in a plan.

Pure: frozen values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plan.model.refs import Ref

if TYPE_CHECKING:
    from plan.stack.data import DataVolume


@dataclass(frozen=True, kw_only=True)
class Data:
    """A disk that outlives its server.

    Args:
        size_gb: Gigabytes of the provider's.
        mount: Where it is in the file system.
        volume: The provider's number of it.
        key: What opens it; None where nothing has to.
    """

    size_gb: int
    mount: str
    volume: Ref
    key: Ref | None

    @property
    def encrypted(self) -> bool:
        """Tell whether it can't be read without a key."""
        return self.key is not None


def make_data(host: str, said: DataVolume) -> Data:
    """Return the volume that a host's entry describes."""
    return Data(
        size_gb=said.size_gb,
        mount=said.mount,
        volume=Ref("volume", host),
        key=Ref("data-key", host) if said.encrypted else None,
    )

"""An origin's data volume in the stack file: how much, where, and whether what lies on it can be read without a key.

Pure.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema

from plan.stack.strict import Strict
from plan.values import Within

# https://docs.hetzner.cloud/reference/cloud#volumes-create-a-volume
MIN_SIZE_GB: Final = 10
MAX_SIZE_GB: Final = 10240
# A dash would have another name in systemd.unit(5): the unit of a mount is called after its place.
_MOUNT: Final = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9_.]*){1,8}")
_MOUNT_LENGTH: Final = 100
# What the system has there would be hidden; file-hierarchy(7).
SYSTEMS: Final = (
    "bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "root", "run", "sbin", "snap", "sys", "tmp",
    "usr", "var",
)  # fmt: skip


def _mount(path: str) -> str:
    if not _MOUNT.fullmatch(path) or len(path) > _MOUNT_LENGTH:
        raise ValueError("an absolute path of letters, digits, dots and underscores below /; choose one like /srv")
    if path.split("/")[1] in SYSTEMS:
        raise ValueError("a place where nothing of the system's would be hidden; choose one like /srv")
    return path


Mount = Annotated[
    str,
    AfterValidator(_mount),
    WithJsonSchema({"type": "string", "pattern": f"^(?!/(?:{'|'.join(SYSTEMS)})(?:/|$)){_MOUNT.pattern}$"}),
]


class DataVolume(Strict):
    """A disk of an origin's that outlives its server: what is on it is kept when the server is replaced or recreated.

    Args:
        size_gb: Gigabytes, 10 to 10240. It can grow while the host runs, and never shrinks.
        mount: Where it is in the file system; nothing of the system's may be there.
        encrypted: By LUKS, with a key that is kept with the volume. It is said once, before anything is on it.
    """

    size_gb: Annotated[int, Within(MIN_SIZE_GB, MAX_SIZE_GB, "Hetzner has no other volumes")]
    mount: Mount = "/srv"
    encrypted: bool = True

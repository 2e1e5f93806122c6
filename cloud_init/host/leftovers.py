"""What cloud-init leaves of user data on a disk, keys among it.

cloud-init keeps what it was given in a pickled object, and at the next boot trusts that instead of asking for it
again. The object stays, without its user data: a boot finds the same instance, with nothing to do that it has not
done. Were it removed, a boot at which the metadata does not answer would be a first one: other host keys.
"""

from __future__ import annotations

import glob
import os
import pickle  # root's own file, in a folder that only root can write
import sys

from cloud_init.host.durable import sync_folder

CLOUD = "/var/lib/cloud/instances"
_TEXTS = (
    f"{CLOUD}/*/user-data.txt*", f"{CLOUD}/*/cloud-config.txt", f"{CLOUD}/*/vendor-data*.txt*",
    f"{CLOUD}/*/vendor*-cloud-config.txt", f"{CLOUD}/*/combined-cloud-config*.json", f"{CLOUD}/*/scripts/*",
    "/run/cloud-init/instance-data-sensitive.json", "/run/cloud-init/combined-cloud-config.json",
)  # fmt: skip
_OBJECTS = f"{CLOUD}/*/obj.pkl"
_FIELDS = ("userdata_raw", "userdata", "vendordata_raw", "vendordata", "vendordata2_raw", "vendordata2")
# What a pickled object without user data can't hold, as our bundles all do.
_SIGNS = (b"/etc/farshore/", b"PRIVATE KEY")


def find_leftovers() -> list[str]:
    """Return the files that still hold user data."""
    found = [path for pattern in _TEXTS for path in glob.glob(pattern) if os.path.getsize(path)]
    for path in glob.glob(_OBJECTS):
        with open(path, "rb") as file:
            content = file.read()
        if any(sign in content for sign in _SIGNS) or not is_bare(content):
            found.append(path)
    return sorted(found)


def is_bare(content: bytes) -> bool:
    """Tell whether a pickled object has no user data; one that can't be read may have some."""
    try:
        found = pickle.loads(content)  # noqa: S301 - see the import
    except Exception:  # noqa: BLE001 - whatever a former version of cloud-init pickled
        return False
    return not any(getattr(found, field, None) for field in _FIELDS)


def wipe_leftovers() -> int:
    """Overwrite and empty all of it, and say what could not be."""
    for pattern in _TEXTS:
        for path in glob.glob(pattern):
            overwrite(path)
    for path in glob.glob(_OBJECTS):
        _strip(path)
    left = find_leftovers()
    print("\n".join(f"left: {path}" for path in left) or "nothing of the user data is left")
    return 1 if left else 0


def overwrite(path: str) -> None:
    """Write zeros over a file where it lies, which is what a disk without copies keeps, and empty it."""
    if os.path.islink(path) or not os.path.isfile(path):
        return
    with open(path, "r+b", buffering=0) as file:
        file.write(b"\0" * os.path.getsize(path))
        os.fsync(file.fileno())
        file.truncate(0)
        os.fsync(file.fileno())


def _strip(path: str) -> None:
    """Take user data out of a pickled object."""
    with open(path, "rb") as file:
        content = file.read()
    try:
        found = pickle.loads(content)  # noqa: S301 - see the import
        for field in _FIELDS:
            if getattr(found, field, None):
                setattr(found, field, None)
        bare = pickle.dumps(found)
    except Exception as error:  # noqa: BLE001 - whatever a former version of cloud-init pickled
        print(f"{path}: {type(error).__name__}, allowed: an object of this cloud-init", file=sys.stderr)
        return
    if bare != content:
        fresh = f"{path}.farshore"
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o400), "wb") as file:
            file.write(bare)
            file.flush()
            os.fsync(file.fileno())
        os.rename(path, f"{path}.former")
        os.rename(fresh, path)
        overwrite(f"{path}.former")
        os.unlink(f"{path}.former")
        sync_folder(os.path.dirname(path))

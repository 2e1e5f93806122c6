"""Give a lab what its virtual machines boot from: from the cache, or built once from the machines' image.

Beside the image and not in it: a lab under systemd-nspawn pays nothing for it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.machines.image import Image, ImageError, cache_folder, ensure_folder
from lab.machines.sources import SourceError, read_sources, read_transport_options

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOM: Final = Path(__file__).parent
_INGREDIENTS: Final = ("qemu_build.py", "qemu_layer.py", "qemu_agent.py", "qemu_wire.py", "steps.py")


@dataclass(frozen=True, kw_only=True)
class VirtualImage:
    """What a virtual machine boots from.

    Args:
        folder: Its cache folder; nothing in it ever changes.
    """

    folder: Path

    @property
    def disk(self) -> Path:
        """The disk that a machine's own lies over, raw."""
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        """The kernel, an ELF."""
        return self.folder / "vmlinux"

    @property
    def initrd(self) -> Path:
        """The initramfs."""
        return self.folder / "initrd.img"


def fingerprint(image: Image, *, room: Path = _ROOM) -> str:
    """Return the hash of everything that goes into a virtual machine's disk.

    The kernel's version is none of it, as no package's is: a cache is renewed by removing it.
    """
    whole = hashlib.sha256(image.folder.name.encode())
    for name in _INGREDIENTS:
        whole.update(hashlib.sha256((room / name).read_bytes()).digest())
    return whole.hexdigest()[:16]


def ensure_virtual_image(
    image: Image, *, release: str, cache: Path | None = None, say: Callable[[str], None] = print
) -> VirtualImage:
    """Return what virtual machines boot from, building it if the cache has none.

    Args:
        image: The machines' image; the caller keeps it in use.
        release: Debian's code name, for its kernel.
        cache: Where to keep it, if not at the user's usual place.
        say: Told of each phase.

    Raises:
        ImageError: With one message that says what to do; nothing is left behind.
    """
    if image.release.distribution != "debian":
        raise ImageError(
            f"image {image.release.image!r}: the lab has no kernel of it for virtual machines, "
            "allowed there: Debian's; run it under systemd-nspawn (--machines nspawn)"
        )
    images = (cache or cache_folder().with_name("virtual-images")) / image.variant
    folder = images / f"{image.release.image}-{fingerprint(image)}"
    try:
        asked = {
            "layers": [str(layer) for layer in image.system_layers],
            "sources": [source.line for source in read_sources(release)],
            "apt_options": read_transport_options(),
        }
    except SourceError as error:
        raise ImageError(str(error)) from error
    ensure_folder(folder, program="lab.machines.qemu_build", asked=asked, say=say)
    return VirtualImage(folder=folder)

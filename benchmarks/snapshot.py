"""A provisioned pair of virtual machines: made from nothing, beside stood up again from a snapshot.

Both in one run on one machine, each from the command to the first page of every domain. The image is there already.
Run as root where `./setup vm` was run once.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from benchmarks.first_light import farshore, row, timed
from lab.machines import recipe
from lab.machines.image import ensure_image
from lab.machines.qemu_command import find_accelerator
from lab.machines.qemu_image import ensure_virtual_image
from lab.refusals import VIRTUAL_PROGRAMS

ROUNDS = 3


def main() -> None:
    """Measure, and print a table."""
    missing = [program for program in VIRTUAL_PROGRAMS if shutil.which(program) is None]
    if missing:
        print(f"snapshot: not measured, {', '.join(missing)} not found; run: ./setup vm", flush=True)
        return
    ensure_virtual_image(
        ensure_image("fast", say=lambda _: None), release=recipe.DEBIAN_12.codename, say=lambda _: None
    )
    with tempfile.TemporaryDirectory(prefix="farshore-snapshot-") as scratch:
        saved = Path(scratch) / "saved"
        try:
            cold_s = timed(lambda: farshore("up", "--machines", "vm"))
            row(f"pair of virtual machines, cold ({find_accelerator()})", cold_s, "")
            save_s = timed(lambda: farshore("snapshot", str(saved)))
            size_mib = sum(path.stat().st_blocks for path in saved.rglob("*")) * 512 >> 20
            row("the pair saved as it runs", save_s, f"{save_s / cold_s:.3f} x cold, {size_mib} MiB")
            for number in range(ROUNDS):
                farshore("down")
                warm_s = timed(lambda: farshore("restore", str(saved)))
                row(f"the pair restored, to its first page ({number + 1})", warm_s, f"{warm_s / cold_s:.3f} x cold")
        finally:
            farshore("down")


if __name__ == "__main__":
    main()

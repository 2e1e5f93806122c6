"""Run the program against a disk of its own, as a process of its own: started by `test_disk`, never collected.

Arguments: folder of the mounted disk, `safe` or `careless`, point to stop before (0 for none), and the program's own.
The programs that it would start are left out, since there is no systemd on such a disk: what is looked at is the disk.
"""

from __future__ import annotations

import os
import signal
import sys
from types import ModuleType
from typing import Any

from cloud_init.program import render_program


def main() -> None:
    """Do it, and exit as the program does."""
    disk, how, at, *words = sys.argv[1:]
    module = sys.modules["farshore_host"] = ModuleType("farshore_host")
    names = vars(module)
    exec(compile(render_program(), "farshore-host", "exec"), names)  # noqa: S102 - the program is what is tested
    b"", b"".decode("ascii")  # codecs, while they can be found
    names["run"] = lambda *_: names["Said"](0, "", "")
    if how == "careless":
        for name in ("fsync", "sync"):
            setattr(os, name, lambda *_: None)
    count = 0

    def counted(real: Any) -> Any:
        def point(*given: Any, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == int(at):
                os.write(1, b"stopped\n")
                signal.pause()
            return real(*given, **more)

        return point

    for name in ("open", "rename", "unlink", "fsync", "mkdir", "rmdir", "sync"):
        setattr(os, name, counted(getattr(os, name)))
    os.chroot(disk)
    os.chdir("/")
    code = names["main"](words)
    sys.stdout.flush()
    os.write(1, f"points: {count}\n".encode())
    os._exit(code)


if __name__ == "__main__":
    main()

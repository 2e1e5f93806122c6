"""The SSH host keys that were born on this host: one for each generation that its sshd is told of.

Two stand side by side while keys rotate, of two algorithms, for a server offers one key of each. They are made when a
bundle that names them is confirmed, and go when one that does not is: until then either bundle finds its own. A
program of its own, so that a host which never rotated carries none of it.
"""

from __future__ import annotations

import glob
import os
import re
import sys

from cloud_init.host.commands import Command, Deadline, run
from cloud_init.host.durable import read_text, sync_folder
from cloud_init.host.faults import Refused

SSHD_FILE = "/etc/ssh/sshd_config.d/10-farshore.conf"
FIRST_KEY = "/etc/ssh/ssh_host_ed25519_key"
_LATER_KEYS = "/etc/ssh/farshore_host_g*_key"
_BORN_HERE = re.compile(rf"^HostKey ({FIRST_KEY}|/etc/ssh/farshore_host_g(\d+)_key)$", re.MULTILINE)
_KINDS = (("-t", "ecdsa", "-b", "384"), ("-t", "ed25519"))  # of even generations, and of odd ones


def keep_keys(words: list[str]) -> int:
    """Run one verb, `show` or `settle`, and return what the process ends with."""
    os.umask(0o077)
    if words not in (["show"], ["settle"]):
        print("host-keys: other words, allowed: show, settle", file=sys.stderr)
        return 2
    try:
        if words == ["settle"]:
            settle_keys()
    except Refused as refused:
        print("\n".join(refused.faults), file=sys.stderr)
        return 1
    show_keys()
    return 0


def wanted_keys() -> dict[str, int]:
    """Return the private halves that sshd is told of, with their generations."""
    return {found[1]: int(found[2] or 1) for found in _BORN_HERE.finditer(read_text(SSHD_FILE) or "")}


def show_keys() -> None:
    """Print the public halves, a line each: algorithm and key."""
    for path in wanted_keys():
        public = read_text(f"{path}.pub")
        if public:
            print(*public.split()[:2])


def settle_keys() -> None:
    """Make those that are missing, and take away those that nobody is told of any more.

    Raises:
        Refused: One can't be made.
    """
    wanted, deadline = wanted_keys(), Deadline(30)
    missing = [path for path in wanted if not read_text(f"{path}.pub")]
    for path in missing:
        kind = _KINDS[wanted[path] % 2]
        said = run(Command("", ("ssh-keygen", "-q", *kind, "-N", "", "-C", "", "-f", path), given="y\n"), deadline)
        if said.code != 0:
            raise Refused([f"{path}: ssh-keygen: {said.err.strip()[:200]}, allowed: a new key; confirm again"])
    if missing:
        os.sync()
        run(Command("", ("systemctl", "try-reload-or-restart", "ssh.service")), deadline)
    gone = {FIRST_KEY, *glob.glob(_LATER_KEYS)} - set(wanted) if wanted else set()
    for path in gone:
        _wipe(path)
        _wipe(f"{path}.pub")
    sync_folder(os.path.dirname(FIRST_KEY))


def _wipe(path: str) -> None:
    """Write zeros over a file where it lies, and take it away."""
    if os.path.isfile(path) and not os.path.islink(path):
        with open(path, "r+b", buffering=0) as file:
            file.write(b"\0" * os.path.getsize(path))
            os.fsync(file.fileno())
        os.unlink(path)


if __name__ == "__main__":
    sys.exit(keep_keys(sys.argv[1:]))

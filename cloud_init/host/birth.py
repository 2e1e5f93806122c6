"""Waiting for a host's birth to be over: whoever connects in its first minutes comes too early."""

from __future__ import annotations

import os
import time

from cloud_init.host.commands import Deadline, ask
from cloud_init.host.durable import read_text
from cloud_init.host.faults import Refused
from cloud_init.host.places import DATA_REFUSED, HOST_KEYS

BORN = "/var/lib/farshore/born"
BIRTH_OVER = "/run/cloud-init/result.json"
BIRTH_WITHIN_S = 600.0
OWN_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


def await_birth(within_s: float) -> int:
    """Return once a boot, and with it the birth, is over: at once, save in a host's first minutes.

    Prints the public halves of the SSH host keys that were born here, a line each: algorithm and key.

    Raises:
        Refused: Its birth is over, or takes too long, and it is not.
    """
    until = time.monotonic() + within_s
    while time.monotonic() < until and not os.path.exists(BIRTH_OVER):
        time.sleep(0.2)
    if not os.path.exists(BORN):
        said = "birth: not finished, allowed: finished"
        why = (read_text(DATA_REFUSED) or "").splitlines()
        raise Refused([*why, f"{said}; see /var/log/cloud-init-output.log on this host, or replace its server"])
    if os.path.exists(HOST_KEYS):
        print(ask((HOST_KEYS, "show"), Deadline(10)), end="")
    else:
        with open(OWN_KEY, encoding="ascii") as file:
            print(*file.read().split()[:2])
    return 0

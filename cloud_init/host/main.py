"""The command: verbs, exit codes, and an end to everything.

0: done. 1: something that was looked at is not as it should be. 2: refused, nothing was touched.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from cloud_init.host.apply import apply, confirm, lacks, roll_back
from cloud_init.host.deliver import serve
from cloud_init.host.faults import Refused
from cloud_init.host.journal import adopt
from cloud_init.host.leftovers import wipe_leftovers
from cloud_init.host.lock import only_one
from cloud_init.host.prove import prove, unproven
from cloud_init.host.status import status

USAGE = (
    "farshore-host apply [--confirm-within-s N] | confirm DIGEST | rollback | prove | status [--json] | wipe-leftovers"
)
CONFIRM_WITHIN_S = 300


def main(words: list[str]) -> int:
    """Run one verb, and return what the process ends with."""
    os.umask(0o077)
    # A connection that is cut does not stop a switch in its middle.
    for one in (signal.SIGHUP, signal.SIGPIPE):
        signal.signal(one, signal.SIG_IGN)
    try:
        return _run(words)
    except Refused as refused:
        print("\n".join(refused.faults), file=sys.stderr)
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        print(f"farshore-host: {error.strerror}, allowed: room on the disk; run it again", file=sys.stderr)
        return 2


def _run(words: list[str]) -> int:
    lack = lacks()
    if lack:
        raise Refused([lack])
    match words:
        case ["apply"]:
            return apply(CONFIRM_WITHIN_S, unproven)
        case ["apply", "--confirm-within-s", seconds] if seconds.isdecimal() and 10 <= int(seconds) <= 86400:
            return apply(int(seconds), unproven)
        case ["confirm", digest]:
            return confirm(digest)
        case ["rollback"]:
            return roll_back("", at_boot=False)
        case ["rollback", "--armed", digest]:
            return roll_back(digest, at_boot=False)
        case ["rollback", "--boot"]:
            return roll_back("", at_boot=True)
        case ["prove"]:
            return prove()
        case ["status"] | ["status", "--json"]:
            print(json.dumps(status(), indent=2, sort_keys=True))
            return 0
        case ["adopt"]:
            with only_one("adopt"):
                adopt()
            return 0
        case ["ssh"]:
            return serve(os.environ.get("SSH_ORIGINAL_COMMAND", ""))
        case ["wipe-leftovers"]:
            return wipe_leftovers()
        case _:
            raise Refused([f"farshore-host: other words, allowed: {USAGE}; use one of them"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`farshore recover`: a new state for a deployment that runs and whose state, or its passphrase, is lost."""

from pathlib import Path
from typing import Annotated

import typer

from tools.device_commands import ConfigFile, InLab, StackName, refusing
from tools.recover_keys import RecoverError
from tools.recovery import Recovery
from tools.repair_account import AccountError
from tools.repair_stack import BusyError
from tools.repair_state import StateError
from tools.repair_wishes import WishError
from tools.target import find_target

Identity = Annotated[
    Path | None, typer.Option(help="The break-glass key, private half; one with a passphrase: ssh-add it.")
]
NewHosts = Annotated[
    bool, typer.Option("--new-hosts", help="Without a break-glass key: new keys for all; only what is no server stays.")
]
HostKeys = Annotated[
    Path | None,
    typer.Option("--yes-host-keys", help="File with the hosts' own SSH keys, a line each: NAME ssh-ed25519 AAAA…"),
]
Yes = Annotated[bool, typer.Option("--yes", help="Recover without asking; host keys are asked for all the same.")]


def recover(
    *,
    identity: Identity = None,
    stack: StackName = "prod",
    config_file: ConfigFile = None,
    lab: InLab = None,
    yes_host_keys: HostKeys = None,
    new_hosts: NewHosts = False,
    yes: Yes = False,
) -> None:
    """Make a new state of what runs, from the stack file, the accounts and the hosts: docs/recovery.md."""
    with refusing(RecoverError, AccountError, StateError, WishError, BusyError, OSError):
        target = find_target(stack, config_file, lab)
        target.prepare()
        recovery = Recovery(target, yes=yes)
        if new_hosts:
            recovery.without_hosts()
        elif identity is None or not identity.is_file():
            raise RecoverError("--identity: missing, allowed: the break-glass key; without one: docs/recovery.md")
        else:
            recovery.run(identity.absolute(), yes_host_keys)

"""`farshore host-keys`: who a deployment's hosts are, to be kept for the day on which its state is lost."""

import sys

from tools.device_commands import ConfigFile, InLab, StackName, refusing
from tools.repair_state import StateError
from tools.rotation_hosts import met_name, told_ssh
from tools.target import find_target


def host_keys(*, stack: StackName = "prod", config_file: ConfigFile = None, lab: InLab = None) -> None:
    """Print the SSH host keys that were born on the hosts, a line each, for `farshore recover --yes-host-keys`."""
    with refusing(StateError):
        target = find_target(stack, config_file, lab)
        told = told_ssh(target.work)
        for host in target.plan().hosts:
            key = told.get(met_name(host))
            if key:
                sys.stdout.write(f"{host.name} {key.strip()}\n")
            else:
                sys.stderr.write(f"{host.name}: delivery has not met it, so its key is not known\n")

"""`farshore host-keys`: who a deployment's hosts are, to be kept for the day on which its state is lost."""

import sys

from tools.device_commands import ConfigFile, InLab, StackName, refusing
from tools.repair_state import StateError
from tools.rotation_hosts import host_keys_of, told_ssh
from tools.target import find_target


def host_keys(*, stack: StackName = "prod", config_file: ConfigFile = None, lab: InLab = None) -> None:
    """Print the SSH host keys that were born on the hosts, a line each, for `farshore recover --yes-host-keys`."""
    with refusing(StateError):
        target = find_target(stack, config_file, lab)
        told, outputs = told_ssh(target.work), target.work.outputs()
        for host in target.plan().hosts:
            keys = host_keys_of(host, told, outputs)
            for key in keys:
                sys.stdout.write(f"{host.name} {key}\n")
            if not keys:
                sys.stderr.write(f"{host.name}: delivery has not met it, so its key is not known\n")

"""The SSH server in sshd_config(5)'s format, and who may come in as root: keys only, and of people ed25519 only.

Pure. The file sorts before cloud-init's own, and sshd takes the first value that it reads. Root's keys are ours alone:
what the provider or cloud-init leaves in root's home opens nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plan.host_keys import host_key_algorithm
from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from cloud_init.material import Material
    from plan.model import Host

ROOT_KEYS_PATH: Final = "/etc/farshore/root-keys"
DELIVERY_COMMAND: Final = "/usr/local/sbin/farshore-host ssh"
SSH_PORT: Final = 22
OWN_KEY_PATH: Final = "/etc/ssh/ssh_host_ed25519_key"
HOST_KEYS_PATH: Final = "/usr/local/lib/farshore/host-keys"
HOST_KEYS_PROGRAM: Final = ("faults", "commands", "durable", "host_keys")

# `port-forwarding` of a key would open the host's own sockets and listening ports as well, hence the server's settings.
_SSHD: Final = f"""\
# Farshore's own file. Change the stack file, not this file: it is written again.
# Born on this host, and believed by whoever knows it.
{{own_keys}}
# From user data, which its provider can read: believed for the first contact alone.
HostKey /etc/ssh/ssh_host_ecdsa_key
HostKeyAlgorithms {{algorithms}},ecdsa-sha2-nistp256
PubkeyAcceptedAlgorithms ssh-ed25519,sk-ssh-ed25519@openssh.com
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin prohibit-password
AllowAgentForwarding no
AllowStreamLocalForwarding no
AllowTcpForwarding local
X11Forwarding no
MaxAuthTries 3
LoginGraceTime 20
Match User root
  AuthorizedKeysFile {ROOT_KEYS_PATH}
"""


def own_key_path(generation: int) -> str:
    """Return where the private half of the SSH host key of a generation is, which is born on the host."""
    return OWN_KEY_PATH if generation == FIRST_GENERATION else f"/etc/ssh/farshore_host_g{generation}_key"


def render_sshd(host: Host) -> str:
    """Return sshd's settings: the host keys of every generation that stands, and who may come in how."""
    keys = "\n".join(f"HostKey {own_key_path(generation)}" for generation in host.generations)
    algorithms = ",".join(host_key_algorithm(generation) for generation in host.generations)
    return _SSHD.format(own_keys=keys, algorithms=algorithms)


def make_host_key(generation: int) -> str:
    """Return the shell command by which a host makes its key of a generation, if it has none."""
    path = own_key_path(generation)
    kind = "ed25519" if host_key_algorithm(generation) == "ssh-ed25519" else "ecdsa -b 384"
    return f"test -s {path} || ssh-keygen -q -t {kind} -N '' -C '' -f {path}"


def render_root_keys(host: Host, material: Material) -> str:
    """Return who may come in as root, in sshd(8)'s format: delivery for one program, break-glass for everything.

    A shield lets delivery pass to the SSH of its origins, by their tunnel addresses, and to nothing else.
    """
    lines = ["# Farshore's own file. Change the stack file, not this file: it is written again."]
    if host.way is not None:
        opens = [f'permitopen="{address}:{SSH_PORT}"' for address in host.way.opens]
        options = ["restrict", *(["port-forwarding", *opens] if opens else []), f'command="{DELIVERY_COMMAND}"']
        lines += [f"{','.join(options)} {material.text(key)} delivery" for key in host.delivery_keys]
    if host.break_glass_key:
        lines.append(host.break_glass_key)
    return "\n".join(lines) + "\n"

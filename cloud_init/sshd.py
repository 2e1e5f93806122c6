"""The SSH server in sshd_config(5)'s format: keys only, ed25519 only.

Pure. The file sorts before cloud-init's own, and sshd takes the first value that it reads.
"""

from __future__ import annotations

from typing import Final

SSHD: Final = """\
# Farshore's own file. Change the stack file, not this file: it is written again.
HostKey /etc/ssh/ssh_host_ed25519_key
HostKeyAlgorithms ssh-ed25519
PubkeyAcceptedAlgorithms ssh-ed25519,sk-ssh-ed25519@openssh.com
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin prohibit-password
AllowAgentForwarding no
X11Forwarding no
MaxAuthTries 3
LoginGraceTime 20
"""

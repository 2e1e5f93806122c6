"""Units and kernel settings of a host.

Pure. The firewall is up before the network and stays when its unit stops: the static fallback is loaded first, so
that a table which is refused leaves the host closed and never open.
"""

from __future__ import annotations

from typing import Final

from cloud_init.program import PROGRAM_PATH
from cloud_init.wireguard import KEYS

CLOSED_PATH: Final = "/etc/farshore/closed.nft"
NFTABLES_PATH: Final = "/etc/farshore/farshore.nft"
USERS_PATH: Final = "/etc/farshore/egress-users"
LOOK_UP_PATH: Final = "/usr/local/lib/farshore/egress-users"
FIREWALL_UNIT: Final = "farshore-nftables.service"
ROLLBACK_UNIT: Final = "farshore-rollback.service"
LEFTOVERS_UNIT: Final = "farshore-leftovers.service"
USERS_UNIT: Final = "farshore-users.service"
USERS_WATCH: Final = "farshore-users.path"

# What no part of the program's needs.
_CAGE: Final = """\
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelModules=yes
MemoryDenyWriteExecute=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""

FIREWALL: Final = f"""\
[Unit]
Description=Farshore firewall
Documentation=man:nft(8)
DefaultDependencies=no
Wants=network-pre.target {ROLLBACK_UNIT}
Before=network-pre.target shutdown.target
After=local-fs.target {ROLLBACK_UNIT}
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {CLOSED_PATH}
ExecStart=/usr/sbin/nft -f {NFTABLES_PATH}
ExecReload=/usr/sbin/nft -f {NFTABLES_PATH}

[Install]
WantedBy=sysinit.target
"""

# Nothing that was unconfirmed when the host went down comes up again: before the firewall, kernel settings and network.
# The program that is run is the one that made the switch; it is there for as long as there is something to take back.
ROLLBACK: Final = f"""\
[Unit]
Description=Farshore: take back what nobody confirmed before this boot
DefaultDependencies=no
ConditionPathExists=/var/lib/farshore/host/pending.json
After=local-fs.target
Before={FIREWALL_UNIT} systemd-sysctl.service network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -I -B /var/lib/farshore/host/old/program rollback --boot
TimeoutStartSec=180
{_CAGE}ReadWritePaths=/etc /run /var/lib/farshore /usr/local
PrivateNetwork=yes
"""

# cloud-init keeps what it was told on the disk, and may be told it again at every boot. It ends after
# multi-user.target: what waits for it can't be wanted there.
LEFTOVERS: Final = f"""\
[Unit]
Description=Farshore: wipe what cloud-init leaves of user data
After=cloud-final.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={PROGRAM_PATH} wipe-leftovers
{_CAGE}ReadWritePaths=-/var/lib/cloud -/run/cloud-init
PrivateNetwork=yes

[Install]
WantedBy=cloud-init.target
"""

# At hosts that permit something to a user by name; without the look-up the permit waits, and the table holds.
LOOK_UP_DROP_IN: Final = f"""\
[Service]
ExecStart=-{LOOK_UP_PATH} {USERS_PATH}
ExecReload=-{LOOK_UP_PATH} {USERS_PATH}
"""

# A user that a package or the host's own setup makes later gets its permits within a moment.
WATCH: Final = f"""\
[Unit]
Description=Farshore firewall: watch for users that egress names
After={FIREWALL_UNIT}

[Path]
PathChanged=/etc/passwd
Unit={USERS_UNIT}

[Install]
WantedBy=multi-user.target
"""

# No limit of starts: whoever adds ten users at once changes the file ten times.
USERS: Final = f"""\
[Unit]
Description=Farshore firewall: look up the users that egress names
After={FIREWALL_UNIT}
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart={LOOK_UP_PATH} {USERS_PATH}
"""

# One transaction: a set is never seen empty while its user exists.
LOOK_UP: Final = """\
#!/bin/sh
# Farshore: tell the firewall the numbers of the users that egress names; one line each: set, user.
set -eu
while read -r set user; do
  echo "flush set inet farshore $set"
  if uid=$(id -u -- "$user" 2>/dev/null); then
    echo "add element inet farshore $set { $uid }"
  else
    echo "farshore: egress: user $user: not on this host; what it is permitted waits for it" >&2
  fi
done <"$1" | /usr/sbin/nft -f -
"""

# Before a tunnel's keys are read they must be where only root can read them.
TUNNEL_DROP_IN: Final = f"""\
[Unit]
After={FIREWALL_UNIT}
Wants={FIREWALL_UNIT}
AssertPathExists={KEYS}
"""

# haproxy takes as many connections as half its descriptors: about 32,000.
EDGE_DROP_IN: Final = f"""\
[Unit]
After={FIREWALL_UNIT}
Wants={FIREWALL_UNIT}

[Service]
LimitNOFILE=65536
"""

# Two generations of one tunnel carry the two directions of a connection for a moment: a strict reverse path filter
# would drop them. A service may listen on the tunnel address before the tunnel is up.
_SYSCTL: Final = """\
net.ipv4.conf.all.rp_filter = 2
net.ipv4.conf.default.rp_filter = 2
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv4.ip_nonlocal_bind = 1
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
net.ipv6.ip_nonlocal_bind = 1
"""

# A router listens to no router's advertisements unless told to (2); a provider may give addresses by them.
_FORWARDING: Final = """\
net.ipv4.ip_forward = 1
net.ipv6.conf.all.accept_ra = 2
net.ipv6.conf.default.accept_ra = 2
net.ipv6.conf.all.forwarding = 1
"""


def render_sysctl(*, forwards: bool) -> str:
    """Return the kernel's settings; packets pass through a host only where a flow of the plan does."""
    return _SYSCTL + (_FORWARDING if forwards else "")

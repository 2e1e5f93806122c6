"""Units and kernel settings of a host.

Pure. The firewall is up before the network and stays when its unit stops: the static fallback is loaded first, so
that a table which is refused leaves the host closed and never open.
"""

from __future__ import annotations

from typing import Final

from cloud_init.wireguard import KEYS

FALLBACK_PATH: Final = "/etc/farshore/closed.nft"
NFTABLES_PATH: Final = "/etc/farshore/farshore.nft"
FIREWALL_UNIT: Final = "farshore-nftables.service"

FIREWALL: Final = f"""\
[Unit]
Description=Farshore firewall
Documentation=man:nft(8)
DefaultDependencies=no
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {FALLBACK_PATH}
ExecStart=/usr/sbin/nft -f {NFTABLES_PATH}
ExecReload=/usr/sbin/nft -f {NFTABLES_PATH}

[Install]
WantedBy=sysinit.target
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
SYSCTL: Final = """\
net.ipv4.conf.all.rp_filter = 2
net.ipv4.conf.default.rp_filter = 2
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.ip_nonlocal_bind = 1
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
net.ipv6.ip_nonlocal_bind = 1
"""

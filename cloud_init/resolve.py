"""Endpoints that are names, looked up when their handshake is stale: WireGuard itself looks a name up once.

They stand in no interface's file: wg(8) tries a name for minutes and then refuses the whole file, and an interface must
come up while no resolver answers. It asks for the first look-up itself as it comes up; a timer does the rest.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloud_init.material import Material
    from plan.model import Host

ENDPOINTS_PATH: Final = "/etc/farshore/endpoints"
SCRIPT_PATH: Final = "/usr/local/lib/farshore/resolve"
SERVICE: Final = "farshore-resolve.service"
TIMER: Final = "farshore-resolve.timer"
# WireGuard gives a session up after 180 s (REJECT_AFTER_TIME) and renews it after 120 s: one older than 135 s is not
# being renewed, as in contrib/reresolve-dns of wireguard-tools.
STALE_AFTER_S: Final = 135
EVERY_S: Final = 30

SCRIPT: Final = f"""\
#!/bin/sh
# Farshore's own file: look up endpoints that are names, where the last handshake is stale.
set -eu
now=$(date +%s)
while read -r interface peer endpoint; do
  last=$(wg show "$interface" latest-handshakes | awk -v peer="$peer" '$1 == peer {{ print $2 }}') || continue
  if [ $((now - ${{last:-0}})) -gt {STALE_AFTER_S} ]; then
    wg set "$interface" peer "$peer" endpoint "$endpoint" || echo "$interface: $endpoint can't be looked up" >&2
  fi
done <{ENDPOINTS_PATH}
"""

SERVICE_UNIT: Final = f"""\
[Unit]
Description=Farshore: look up endpoints that are names
After=network-online.target

[Service]
Type=oneshot
Environment=WG_ENDPOINT_RESOLUTION_RETRIES=1
ExecStart=/bin/sh {SCRIPT_PATH}
"""

TIMER_UNIT: Final = f"""\
[Unit]
Description=Farshore: look up endpoints that are names

[Timer]
OnBootSec={EVERY_S}s
OnUnitActiveSec={EVERY_S}s
AccuracySec=1s

[Install]
WantedBy=timers.target
"""


def render_endpoints(host: Host, material: Material) -> str:
    """Return the endpoints of one host that are names: interface, public key, name and port, a line each."""
    return "".join(
        f"{interface.name} {material.key(peer.public_key)} {peer.endpoint.address}:{peer.endpoint.port}\n"
        for interface in host.interfaces
        for peer in interface.peers
        if peer.endpoint is not None and isinstance(peer.endpoint.address, str)
    )

"""A look at what listens on every address of a hidden host, where only its tunnel address should answer.

Pure. The firewall keeps such a port closed; but nothing does on the day when the firewall is off, and it answers on
networks that were added later. So it is said: by the journal an hour at most after it was opened.
"""

from __future__ import annotations

from typing import Final

SCRIPT_PATH: Final = "/usr/local/lib/farshore/listeners"
SERVICE: Final = "farshore-listeners.service"
TIMER: Final = "farshore-listeners.timer"

# SSH is ours: sshd listens everywhere, and its port is opened to shields alone. So are the tunnels' ports and DHCP's
# client; any other UDP port below those that the kernel lends to clients is a service's. A unit's name is the last part
# of its control group; what systemd itself holds for a .socket unit is found by its port.
SCRIPT: Final = """\
#!/bin/sh
# Farshore's own file: name what listens on every address of this host beside SSH and tunnels, one line each.
set -eu
. /etc/farshore/tunnel.env
ours=$(wg show all listen-port | awk '{ printf "%s ", $2 }')
clients=$(cut -f1 /proc/sys/net/ipv4/ip_local_port_range)
ss -Hltunp | while read -r protocol _ _ _ local _ users; do
  port=${local##*:}
  case $local in
    *%lo:*) continue ;;
    0.0.0.0* | '[::]'* | '*'*) ;;
    *) continue ;;
  esac
  case $protocol in
    tcp) [ "$port" != 22 ] || continue ;;
    udp)
      [ "$port" -lt "$clients" ] || continue
      case " $ours 68 546 " in *" $port "*) continue ;; esac
      ;;
  esac
  pid=${users#*pid=}
  pid=${pid%%,*}
  unit=$(sed -n '$s,.*/,,p' "/proc/$pid/cgroup" 2>/dev/null) || unit=
  [ "$pid" != 1 ] || unit=$(systemctl list-sockets --no-legend | sed -n "s/^[^ ]*:$port  *\\([^ ]*\\).*/\\1/p")
  echo "listener: $local/$protocol of ${unit:-an unknown unit}, allowed: $FARSHORE_ADDRESS or $FARSHORE_ADDRESS6;" \\
    "bind it to FARSHORE_ADDRESS, which /etc/farshore/tunnel.env holds"
done
"""

SERVICE_UNIT: Final = f"""\
[Unit]
Description=Farshore: look for listeners that are not on the tunnel address alone

[Service]
Type=oneshot
ExecStart={SCRIPT_PATH}
SyslogLevel=warning
"""

# A minute after birth the host's own setup has started what it runs.
TIMER_UNIT: Final = """\
[Unit]
Description=Farshore: look for listeners that are not on the tunnel address alone

[Timer]
OnActiveSec=1min
OnUnitActiveSec=1h
AccuracySec=1min

[Install]
WantedBy=timers.target
"""

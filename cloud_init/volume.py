"""An origin's data volume on the host: what is told of it, the unit that opens it, and the unit that mounts it.

Pure. The program that opens it is a file of its own, so that hosts without a volume carry none of it. A mount unit
proper, so that a service waits for the volume by `RequiresMountsFor=`; what starts without that waits as well, for
ordinary units come after basic.target.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from cloud_init.program import render_program

if TYPE_CHECKING:
    from cloud_init.material import Material
    from plan.model.data import Data

DATA_PATH: Final = "/etc/farshore/data"
DATA_KEY_PATH: Final = "/etc/farshore/keys/data.key"
DATA_PROGRAM_PATH: Final = "/usr/local/lib/farshore/data"
DATA_UNIT: Final = "farshore-data.service"
DATA_PROGRAM: Final = ("faults", "commands", "durable", "disk", "format", "data")
PACKAGE: Final = "cryptsetup-bin"
_MAPPED: Final = "/dev/mapper/farshore-data"

# Not `strict`: a filesystem that is to grow while it is mounted must not be read-only to whoever asks for it.
OPEN: Final = f"""\
[Unit]
Description=Farshore: open the data volume
DefaultDependencies=no
After=local-fs.target systemd-udevd.service
Before=shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={DATA_PROGRAM_PATH} open
ExecReload={DATA_PROGRAM_PATH} grow
ExecStop={DATA_PROGRAM_PATH} close
TimeoutStartSec=900
TimeoutStopSec=60
ProtectSystem=full
ProtectHome=yes
ProtectClock=yes
ProtectHostname=yes
MemoryDenyWriteExecute=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
PrivateNetwork=yes
"""

_MOUNT: Final = """\
[Unit]
Description=Farshore: the data volume
DefaultDependencies=no
Requires={unit}
After={unit}
Before=basic.target umount.target
Conflicts=umount.target

[Mount]
What={what}
Where={where}
Type=ext4
TimeoutSec=60

[Install]
WantedBy=multi-user.target
"""


def mount_unit(data: Data) -> str:
    """Return the name of the unit that mounts a volume: systemd's for its place, which has no letter to be escaped."""
    return data.mount.strip("/").replace("/", "-") + ".mount"


def render_mount(data: Data, material: Material) -> str:
    """Return that unit, in systemd.mount(5)'s format."""
    what = _MAPPED if data.encrypted else f"/dev/disk/by-id/scsi-0HC_Volume_{material.text(data.volume)}"
    return _MOUNT.format(unit=DATA_UNIT, what=what, where=data.mount)


def render_data(data: Data, material: Material) -> str:
    """Return what the program is told of the volume: JSON."""
    told = {
        "encrypted": data.encrypted,
        "mount": data.mount,
        "size_gb": data.size_gb,
        "volume": material.text(data.volume),
    }
    return json.dumps(told, sort_keys=True) + "\n"


def render_data_program() -> str:
    """Return the program that finds, formats, opens and grows it."""
    return render_program(DATA_PROGRAM)

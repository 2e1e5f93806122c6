"""Where a machine under systemd-nspawn differs from a real server: all of it, in one layer over the image.

| deviation | why |
|---|---|
| `dmidecode` is a stand-in | SMBIOS is the host's; the Hetzner datasource asks it for vendor and serial |
| cloud-init's `dmi.py` asks it inside a container too | it would not ask at all; one condition is patched |
| `datasource_list: [ Hetzner ]` | cloud-init's detection reads the host's /sys |
| `wireguard-go` is there, and nothing else of WireGuard | the host's kernel may have none; wg-quick falls back to it |
| networkd takes eth0 by its name alone, where netplan asks for its permanent address | a veth pair has none |
| cloud-init installs no hotplug rule there | there is no udev to take it |
| `fstab` is empty | the root is mounted already |
| udev, time sync, hardware units masked | a container has no devices and the host's clock |
| no duplicate address detection (`nspawn.py`) | 2 s of each boot, on a link with one machine |
| kernel, clock, uptime, congestion control | the host's |
| parts of /proc/sys read-only | `vm.*`, `kernel.*`, `rmem_max`, `nf_conntrack_max` can't be set from a namespace |
| what was not yet written survives a power cut | the host's page cache is not the machine's |
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

SERIAL_FILE: Final = "usr/lib/lab/serial"

DMIDECODE: Final = f"""#!/bin/sh
case "$*" in
  *system-manufacturer*) echo Hetzner ;;
  *system-serial-number*) cat /{SERIAL_FILE} ;;
  *system-product-name*) echo vServer ;;
  *) echo ;;
esac
"""

MASKED_UNITS: Final = (
    "e2scrub_reap.service",
    "e2scrub_all.timer",
    "fstrim.timer",
    "getty-static.service",
    "console-getty.service",
    "ifupdown-pre.service",
    "systemd-timesyncd.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
)

# By a drop-in to what netplan writes from cloud-init's configuration: an empty value takes the condition back.
_NETPLAN_DROP_IN = "etc/systemd/network/10-netplan-eth0.network.d/lab.conf"
_NO_HOTPLUG = "updates:\n  network:\n    when: [boot-new-instance]\n"

_ASKS = "    if is_container():"
_ASKS_ANYWAY = "    if False and is_container():"


def write_nspawn_layer(root: Path) -> None:
    """Write the layer through `root`, an overlay mount that the caller has checked."""
    (root / "etc/fstab").write_text("", encoding="ascii")
    _write(root / "usr/sbin/dmidecode", DMIDECODE, mode=0o755)
    _write(root / SERIAL_FILE, "0\n", mode=0o644)
    _write(root / "etc/cloud/cloud.cfg.d/95-lab.cfg", "datasource_list: [ Hetzner ]\n", mode=0o644)
    if (root / "etc/netplan").is_dir():
        _write(root / _NETPLAN_DROP_IN, "[Match]\nPermanentMACAddress=\n", mode=0o644)
        _write(root / "etc/cloud/cloud.cfg.d/95-lab-hotplug.cfg", _NO_HOTPLUG, mode=0o644)
    for unit in MASKED_UNITS:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    shutil.copy2(wireguard_go(), root / "usr/bin/wireguard-go")
    _patch_dmi(root)


def wireguard_go() -> Path:
    """Return the host's wireguard-go, which the machines get a copy of."""
    found = shutil.which("wireguard-go")
    if found is None:
        raise FileNotFoundError("wireguard-go: not found on this machine; run ./setup")
    return Path(found)


def _patch_dmi(root: Path) -> None:
    module = root / "usr/lib/python3/dist-packages/cloudinit/dmi.py"
    text = module.read_text(encoding="utf-8")
    if text.count(_ASKS) != 1:
        raise ValueError(
            f"cloud-init's dmi.py: {text.count(_ASKS)} times {_ASKS.strip()!r}, allowed: once; "
            "adapt the patch to this version"
        )
    module.write_text(text.replace(_ASKS, _ASKS_ANYWAY), encoding="utf-8")
    compiler = ["chroot", str(root), "python3", "-m", "py_compile", f"/{module.relative_to(root)}"]
    subprocess.run(compiler, check=True, capture_output=True)


def _write(path: Path, text: str, *, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)

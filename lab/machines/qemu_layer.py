"""Where a virtual machine differs from a real server: all of it, in one layer over the image and one command line.

| deviation | why |
|---|---|
| `lab-agent.service`, on a virtio-serial port | the lab runs programs in the machine whatever its firewall says |
| no boot loader, no partition table | QEMU loads Debian's kernel itself; half a minute less where there is no KVM |
| an initramfs with the drivers of disk and network card alone | as above |
| the kernel's `mitigations`, KASLR, audit, AppArmor are off | as above (`KERNEL_ARGUMENTS`) |
| housekeeping timers and unused mounts masked | as above (`MASKED_UNITS`) |
| the clock is trusted unseen, where there is no KVM | an emulated processor fails the kernel's clock tests under load |
| the kernel is told its clock's frequency there | it measures it wrong under load (`qemu_clock`) |
| what the kernel has written survives a power cut | the host's page cache is not the disk's; what it has not is lost |

The kernel, its WireGuard and its nf_tables, udev, SMBIOS, clock and page cache are the machine's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

PACKAGES: Final = ("initramfs-tools", "linux-image-cloud-amd64", "zstd")

ROOT_LABEL: Final = "root"
DISK_GIB: Final = 3  # of holes: it takes what is written

MASKED_UNITS: Final = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "modprobe@configfs.service",
    "modprobe@dm_mod.service",
    "modprobe@drm.service",
    "modprobe@efi_pstore.service",
    "modprobe@fuse.service",
    "modprobe@loop.service",
    "proc-sys-fs-binfmt_misc.automount",
    "serial-getty@ttyS0.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-pstore.service",
)

KERNEL_ARGUMENTS: Final = (
    f"root=LABEL={ROOT_LABEL}",
    "rw",
    "console=ttyS0",
    "net.ifnames=0",  # eth0, as on the provider's image
    "quiet",
    "audit=0",
    "cryptomgr.notests",
    "lsm=capability",
    "mitigations=off",
    "nokaslr",
    "rcupdate.rcu_expedited=1",
)
EMULATED_ARGUMENTS: Final = ("clocksource=tsc", "no_timer_check", "tsc=reliable")

# Read when the kernel package is installed, so they come first.
INITRAMFS_FILES: Final = {
    "etc/initramfs-tools/conf.d/lab": "MODULES=list\nCOMPRESS=zstd\nRESUME=none\n",
    # The network card comes before the first process, as from Debian's own initramfs: cloud-init looks for one at its
    # start and waits for none, and a machine whose card comes later is born without its user data.
    "etc/initramfs-tools/modules": "virtio_pci\nvirtio_blk\nvirtio_net\next4\n",
}

_AGENT_HOME: Final = "usr/lib/lab/agent"
_AGENT_FILES: Final = ("__init__.py", "machines/__init__.py", "machines/qemu_agent.py", "machines/qemu_wire.py")
_AGENT_UNIT: Final = f"""[Unit]
Description=The lab's agent: runs what the lab asks for
DefaultDependencies=no
After=local-fs.target systemd-tmpfiles-setup.service systemd-udev-trigger.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Environment=PYTHONPATH=/{_AGENT_HOME} PYTHONDONTWRITEBYTECODE=1
ExecStart=/usr/bin/python3 -P -S -m lab.machines.qemu_agent
Restart=always
RestartSec=0.2
KillMode=process
OOMScoreAdjust=-900

[Install]
WantedBy=sysinit.target
"""


def write_qemu_layer(root: Path) -> None:
    """Write the layer through `root`, an overlay mount that the caller has checked; the kernel comes after."""
    for path, text in INITRAMFS_FILES.items():
        _write(root / path, text)
    project = Path(__file__).parents[2]
    for name in _AGENT_FILES:
        _write(root / _AGENT_HOME / "lab" / name, (project / "lab" / name).read_text(encoding="utf-8"))
    _write(root / "etc/systemd/system/lab-agent.service", _AGENT_UNIT)
    wanted = root / "etc/systemd/system/sysinit.target.wants/lab-agent.service"
    wanted.parent.mkdir(parents=True, exist_ok=True)
    wanted.symlink_to("/etc/systemd/system/lab-agent.service")
    for unit in MASKED_UNITS:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)

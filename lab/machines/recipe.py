"""The one recipe of the machines' image, as plain data.

Pure: texts and package names. The bytes of this file are part of the image's hash.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Variant: TypeAlias = Literal["stock", "fast"]

RELEASE: Final = "bookworm"

# What a provider's Debian image has, but no kernel: under systemd-nspawn the host's is used.
STOCK_PACKAGES: Final = (
    "apt",
    "ca-certificates",
    "cloud-guest-utils",
    "cloud-init",
    "curl",
    "dbus",
    "e2fsprogs",
    "ifupdown",
    "iproute2",
    "iputils-ping",
    "isc-dhcp-client",
    "kmod",
    "less",
    "libpam-systemd",
    "locales",
    "netbase",
    "nftables",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd-sysv",
    "systemd-timesyncd",
    "udev",
)

# Inside `fast`; a `stock` machine installs them from the lab's repository, as a real server does.
FAST_PACKAGES: Final = ("haproxy", "wireguard-tools")

# In the lab's repository, with whatever they need beyond `stock`.
REPOSITORY_PACKAGES: Final = (*FAST_PACKAGES, "nginx")

MIRROR_NAME: Final = "mirror.lab.example"
MIRROR_KEYRING: Final = "/usr/share/keyrings/lab-archive-keyring.gpg"


def sources_list(release: str) -> str:
    """Return the image's `/etc/apt/sources.list`: the lab's own repository."""
    return f"deb [signed-by={MIRROR_KEYRING}] http://{MIRROR_NAME}/debian {release} main\n"


DPKG_OPTIONS: Final = (
    "force-unsafe-io",  # the image is thrown away if the build does not end well
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
)

# The choices of Hetzner's Debian 12 image: eth0, ifupdown, root as the key-holding user, cloud-init otherwise as it is.
STOCK_FILES: Final = {
    "etc/hostname": "localhost\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/fstab": "LABEL=root / ext4 defaults,errors=remount-ro 0 1\n",
    "etc/network/interfaces": "source /etc/network/interfaces.d/*\n",
    "etc/resolv.conf": "",
    "etc/machine-id": "",
    "etc/locale.gen": "en_US.UTF-8 UTF-8\n",  # without it cc_locale fails
    "etc/default/locale": "LANG=en_US.UTF-8\n",
    "etc/cloud/cloud.cfg.d/90-hetzner-like.cfg": (
        "disable_root: false\nsystem_info:\n  default_user:\n    name: root\napt:\n  preserve_sources_list: true\n"
    ),
}

# Started by user data where wanted; Debian's packages enable them, with no configuration of ours.
DISABLED_UNITS: Final = ("haproxy.service", "nftables.service")

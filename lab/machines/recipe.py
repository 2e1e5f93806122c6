"""The one recipe of the machines' images, as plain data; where releases differ, they say so in a `Release`.

Pure: texts and package names. The bytes of this file are part of each image's hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Variant: TypeAlias = Literal["stock", "fast"]
Distribution: TypeAlias = Literal["debian", "ubuntu"]

MIRROR_NAME: Final = "mirror.lab.example"
MIRROR_KEYRING: Final = "/usr/share/keyrings/lab-archive-keyring.gpg"

_ONE_LINE: Final = f"deb [signed-by={MIRROR_KEYRING}] http://{MIRROR_NAME}/debian {{codename}} main\n"
_DEB822: Final = f"""\
Types: deb
URIs: http://{MIRROR_NAME}/{{distribution}}
Suites: {{codename}}
Components: main
Signed-By: {MIRROR_KEYRING}
"""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of Debian or Ubuntu, and where a provider's image of it differs from that of another.

    Args:
        image: Name of the image, as the API has it.
        distribution: Whose archive it comes from.
        codename: The distribution's.
        packages: What it has beyond `STOCK_PACKAGES`.
        files: What it has beyond `STOCK_FILES`.
        links: Symbolic links by where they lie, and where they lead.
        sources_file: Where its apt reads the package mirror from.
        sources_form: What stands there, with the code name left open.
    """

    image: str
    distribution: Distribution = "debian"
    codename: str
    packages: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    sources_file: str
    sources_form: str

    @property
    def sources(self) -> str:
        """Return what stands in its `sources_file`: the lab's own repository."""
        return self.sources_form.format(codename=self.codename, distribution=self.distribution)


# Hetzner's Debian images are configured through ifupdown, and `dns-nameservers` in its file counts: a `resolvconf` is
# there (https://github.com/hetzneronline/community-content/issues/1261). wg-quick(8) sets a device's resolvers with it.
_IFUPDOWN: Final = {
    "etc/network/interfaces": "source /etc/network/interfaces.d/*\n",
    "etc/resolv.conf": "",
}

DEBIAN_12: Final = Release(
    image="debian-12",
    codename="bookworm",
    packages=("ifupdown", "isc-dhcp-client", "openresolv"),
    files=_IFUPDOWN,
    sources_file="etc/apt/sources.list",
    sources_form=_ONE_LINE,
)
# ifupdown recommends dhcpcd since trixie, and its installer writes deb822.
DEBIAN_13: Final = Release(
    image="debian-13",
    codename="trixie",
    packages=("dhcpcd-base", "ifupdown", "openresolv"),
    files=_IFUPDOWN,
    sources_file="etc/apt/sources.list.d/debian.sources",
    sources_form=_DEB822,
)
# netplan writes what systemd-networkd reads. ufw is there and off, as on Ubuntu's server images; snapd is left out.
UBUNTU_24_04: Final = Release(
    image="ubuntu-24.04",
    distribution="ubuntu",
    codename="noble",
    packages=("apparmor", "lsb-release", "netplan.io", "systemd-resolved", "ufw"),
    links={"etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf"},
    sources_file="etc/apt/sources.list.d/ubuntu.sources",
    sources_form=_DEB822,
)
RELEASES: Final = {release.image: release for release in (DEBIAN_12, DEBIAN_13, UBUNTU_24_04)}

# What a provider's image has, but no kernel: under systemd-nspawn the host's is used.
STOCK_PACKAGES: Final = (
    "apt",
    "ca-certificates",
    "cloud-guest-utils",
    "cloud-init",
    "curl",
    "dbus",
    "e2fsprogs",
    "iproute2",
    "iputils-ping",
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
FAST_PACKAGES: Final = ("cryptsetup-bin", "haproxy", "wireguard-tools")

# In the lab's repository, with whatever they need beyond `stock`.
REPOSITORY_PACKAGES: Final = (*FAST_PACKAGES, "nginx")

DPKG_OPTIONS: Final = (
    "force-unsafe-io",  # the image is thrown away if the build does not end well
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
)

# The choices of Hetzner's images: eth0, root as the key-holding user, cloud-init otherwise as it is.
STOCK_FILES: Final = {
    "etc/hostname": "localhost\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    "etc/fstab": "LABEL=root / ext4 defaults,errors=remount-ro 0 1\n",
    "etc/machine-id": "",
    "etc/locale.gen": "en_US.UTF-8 UTF-8\n",  # without it cc_locale fails
    "etc/default/locale": "LANG=en_US.UTF-8\n",
    "etc/cloud/cloud.cfg.d/90-hetzner-like.cfg": (
        "disable_root: false\nsystem_info:\n  default_user:\n    name: root\napt:\n  preserve_sources_list: true\n"
    ),
}

# Started by user data where wanted; Debian's packages enable them, with no configuration of ours.
DISABLED_UNITS: Final = ("haproxy.service", "nftables.service")

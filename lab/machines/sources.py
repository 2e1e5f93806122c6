"""Where this machine's own apt gets Debian from, and where Ubuntu may be had beside it.

Read at run time: the repository names no mirror, and a machine that reaches only its own still builds the image.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lab.machines.recipe import Distribution

POCKETS: Final = ("", "-updates", "-security")


class SourceError(Exception):
    """This machine's apt knows no source for the wanted release."""


@dataclass(frozen=True, kw_only=True)
class AptSource:
    """One suite of a distribution.

    Args:
        uri: Of the mirror; never logged, since it may hold a password.
        suite: `bookworm`, `bookworm-updates` or `bookworm-security`.
    """

    uri: str
    suite: str

    @property
    def line(self) -> str:
        """The source as `sources.list` has it."""
        return f"deb {self.uri} {self.suite} main"


def own_codename(os_release: Path = Path("/etc/os-release")) -> str:
    """Return the code name of this machine's Debian."""
    for line in os_release.read_text(encoding="utf-8").splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise SourceError("image: this machine's os-release has no VERSION_CODENAME; run the lab on Debian")


def parse_targets(
    text: str, *, codename: str, release: str, distribution: Distribution = "debian"
) -> tuple[AptSource, ...]:
    """Return the sources of `release` from what apt says of `codename`'s, a mirror serving all releases.

    Args:
        text: Lines `<suite>|<component>|<uri>` as `apt-get indextargets` was asked for.
        codename: Of this machine's Debian.
        release: Wanted in the image.
        distribution: Whose release it is. Ubuntu's archive lies beside Debian's on a mirror that has both, at
            `/ubuntu`, its security updates among the rest; whether this mirror has both only asking tells.
    """
    wanted = {f"{codename}{pocket}": f"{release}{pocket}" for pocket in POCKETS}
    found = dict.fromkeys(
        AptSource(uri=uri, suite=wanted[suite])
        for suite, component, uri in (line.split("|") for line in text.splitlines())
        if suite in wanted and component == "main"
    )
    if not any(source.suite == release for source in found):
        raise SourceError(
            f"image: apt has no source {codename!r} with component 'main', allowed: Debian's own; "
            "add one below /etc/apt"
        )
    return tuple(found) if distribution == "debian" else _beside(tuple(found), release)


def _beside(debian: tuple[AptSource, ...], release: str) -> tuple[AptSource, ...]:
    """Return the sources of Ubuntu's `release` at the mirror that Debian's own suite comes from."""
    mirror = next(source.uri for source in debian if source.suite == release).rstrip("/").rpartition("/")[0]
    return tuple(AptSource(uri=f"{mirror}/ubuntu/", suite=f"{release}{pocket}") for pocket in POCKETS)


def read_sources(release: str, distribution: Distribution = "debian") -> tuple[AptSource, ...]:
    """Return where to get `release` from, as this machine's apt is configured."""
    ask = ["apt-get", "indextargets", "--format", "$(RELEASE)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages"]
    said = subprocess.run(ask, check=True, capture_output=True, text=True)
    return parse_targets(said.stdout, codename=own_codename(), release=release, distribution=distribution)


def read_transport_options() -> str:
    """Return this machine's apt options for getting files (proxies, date checks), as a configuration file."""
    said = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True)
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    return "".join(f"{line}\n" for line in said.stdout.splitlines() if line.startswith(wanted))

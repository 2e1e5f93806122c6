"""Where this machine's own apt gets Debian from.

Read at run time: the repository names no mirror, and a machine that reaches only its own still builds the image.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


class SourceError(Exception):
    """This machine's apt knows no source for the wanted release."""


@dataclass(frozen=True, kw_only=True)
class AptSource:
    """One suite of Debian.

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


def parse_targets(text: str, *, codename: str, release: str) -> tuple[AptSource, ...]:
    """Return the sources of `release` from what apt says of `codename`'s, a mirror serving all releases.

    Args:
        text: Lines `<suite>|<component>|<uri>` as `apt-get indextargets` was asked for.
        codename: Of this machine's Debian.
        release: Wanted in the image.
    """
    wanted = {f"{codename}{pocket}": f"{release}{pocket}" for pocket in ("", "-updates", "-security")}
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
    return tuple(found)


def read_sources(release: str) -> tuple[AptSource, ...]:
    """Return where to get `release` from, as this machine's apt is configured."""
    ask = ["apt-get", "indextargets", "--format", "$(RELEASE)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages"]
    said = subprocess.run(ask, check=True, capture_output=True, text=True)
    return parse_targets(said.stdout, codename=own_codename(), release=release)


def read_transport_options() -> str:
    """Return this machine's apt options for getting files (proxies, date checks), as a configuration file."""
    said = subprocess.run(["apt-config", "dump", "Acquire"], check=True, capture_output=True, text=True)
    wanted = ("Acquire::http", "Acquire::https", "Acquire::Check-", "Acquire::Retries")
    return "".join(f"{line}\n" for line in said.stdout.splitlines() if line.startswith(wanted))

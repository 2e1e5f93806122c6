"""Ubuntu's archive as a Debian machine has it: whether it answers, and the keys that it is checked with.

The keys are those of Debian's package `ubuntu-keyring`, fetched from Debian's archive and checked by Debian's
signature: what is built from Ubuntu's packages rests on keys that the machine trusts already.
"""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.machines.steps import BuildError, run_step

if TYPE_CHECKING:
    from collections.abc import Sequence

KEYRING_RELEASE: Final = "trixie"  # bookworm has no such package
_DEBIAN_KEYS: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PACKAGE: Final = "ubuntu-keyring"
_KEYS: Final = "usr/share/keyrings/ubuntu-archive-keyring.gpg"


def answers(sources: Sequence[str], apt_options: str) -> bool:
    """Tell whether an archive answers at all, by really asking for its index of indexes; nothing of it is kept.

    Args:
        sources: Lines of `sources.list`.
        apt_options: This machine's, for getting files.
    """
    # Nothing is installed from what comes, so nobody's signature is asked for: the build does that.
    asked = [signed_by(line, None) for line in sources]
    no_more = 'Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";\nAcquire::Retries "0";\n'
    with tempfile.TemporaryDirectory(prefix="lab-apt-") as folder:
        apt = _isolated_apt(Path(folder), asked, apt_options + no_more)
        with contextlib.suppress(BuildError):  # what came says more than the reason why something did not
            run_step([*apt, "update"])
        return any(Path(folder, "lists").glob("*Release"))


def fetch_keyring(folder: Path, sources: Sequence[str], apt_options: str) -> Path:
    """Return the file with Ubuntu's archive keys, fetched into an empty folder.

    Args:
        folder: Where to keep it; the caller removes it.
        sources: Lines of `sources.list` for Debian's `KEYRING_RELEASE`.
        apt_options: This machine's, for getting files.

    Raises:
        BuildError: It can't be had, or Debian has not signed it.
    """
    apt = _isolated_apt(folder, [signed_by(line, _DEBIAN_KEYS) for line in sources], apt_options)
    run_step([*apt, "-o", "APT::Update::Error-Mode=any", "update"])
    run_step([*apt, "--download-only", "install", _PACKAGE])
    debs = list((folder / "archives").glob(f"{_PACKAGE}_*.deb"))
    if len(debs) != 1:
        raise BuildError(f"{_PACKAGE}: {len(debs)} packages, allowed: one; look what apt has fetched")
    run_step(["dpkg-deb", "--extract", str(debs[0]), str(folder / "unpacked")])
    return folder / "unpacked" / _KEYS


def signed_by(line: str, keys: str | Path | None) -> str:
    """Return a line of `sources.list` that is checked with these keys alone; None for no check."""
    option = "trusted=yes" if keys is None else f"signed-by={keys}"
    return line.replace("deb ", f"deb [{option}] ", 1)


def _isolated_apt(folder: Path, sources: Sequence[str], apt_options: str) -> list[str]:
    """Return the command of an apt that knows nothing but these sources, and keeps what it gets below a folder."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    listed = folder / "sources.list"
    listed.touch(mode=0o600)  # a mirror's address may hold a password
    listed.write_text("\n".join(sources) + "\n", encoding="utf-8")
    options = folder / "apt.conf"
    options.touch(mode=0o600)
    options.write_text(
        f'Dir::State::status "{folder}/status";\n'
        f'Dir::State::lists "{folder}/lists";\n'
        f'Dir::Cache "{folder}";\n'
        f'Dir::Etc::sourcelist "{listed}";\n'
        'Dir::Etc::main "/dev/null";\n'
        'Dir::Etc::parts "/dev/null";\n'
        'Dir::Etc::sourceparts "/dev/null";\n'
        'Dir::Etc::preferencesparts "/dev/null";\n'
        'Dir::Etc::trustedparts "/dev/null";\n'
        'APT::Sandbox::User "root";\n'
        'APT::Install-Recommends "false";\n'
        'Acquire::Languages "none";\n' + apt_options,
        encoding="utf-8",
    )
    return ["env", f"APT_CONFIG={options}", "apt-get", "--quiet", "--yes"]

"""The lab's apt repository: small, real and signed.

Signed with a key of its own rather than Debian's: Debian's signature covers an index of 60,000 packages, which
would have to be kept whole and which `apt-get update` would need seconds to read on each machine. apt checks this
one by the same code and refuses it just the same when a byte is changed. The private key lives for one build.
"""

from __future__ import annotations

import subprocess
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_repository(debs: Path, repository: Path, *, release: str, keyring: Path) -> None:
    """Turn a folder of packages into a signed repository.

    Args:
        debs: Folder whose `*.deb` are moved into the repository.
        repository: What the mirror serves as `/debian`.
        release: The only suite; its only component is `main`. Its packages lie in a pool of its own, so that one
            mirror serves several repositories.
        keyring: Where to write the public key.
    """
    pool = repository / "pool" / release
    pool.mkdir(parents=True)
    for deb in sorted(debs.glob("*.deb")):
        deb.rename(pool / deb.name)
    architecture = _run(["dpkg", "--print-architecture"], cwd=repository).decode().strip()
    binary = repository / "dists" / release / "main" / f"binary-{architecture}"
    binary.mkdir(parents=True)
    packages = _run(["apt-ftparchive", "packages", "pool"], cwd=repository)
    (binary / "Packages").write_bytes(packages)
    suite = repository / "dists" / release
    fields = {
        "Origin": "lab",
        "Label": "lab",
        "Suite": release,
        "Codename": release,
        "Architectures": architecture,
        "Components": "main",
        "Acquire-By-Hash": "no",
    }
    options = [f"-o=APT::FTPArchive::Release::{field}={value}" for field, value in fields.items()]
    (suite / "Release").write_bytes(_run(["apt-ftparchive", *options, "release", "."], cwd=suite))
    _sign(suite, keyring)


def _sign(suite: Path, keyring: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="lab-gpg-") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-tty"]
        key = ["--passphrase", "", "--quick-gen-key", "lab archive", "ed25519", "sign", "never"]
        _run([*gpg, *key], cwd=suite)
        _run([*gpg, "--clearsign", "--output", "InRelease", "Release"], cwd=suite)
        keyring.parent.mkdir(parents=True, exist_ok=True)
        keyring.write_bytes(_run([*gpg, "--export"], cwd=suite))
        keyring.chmod(0o644)
        _run(["gpgconf", "--homedir", home, "--kill", "all"], cwd=suite)


def _run(command: list[str], *, cwd: Path) -> bytes:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout

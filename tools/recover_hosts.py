"""Hosts of a deployment whose state is lost, opened with the operator's break-glass key.

Nobody vouches for who answers at an address but a person or a file of theirs: each host's own SSH key is fetched
without believing it, confirmed, and pinned for all that follows. Secrets go and come by standard input and output.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tools.recover_keys import RecoverError, parse_reading
from tools.recover_told import READ, tell_program
from tools.ssh_way import believing, ssh_command, ssh_flags
from tools.workspace import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from plan import Host, Plan
    from tools.recover_keys import Reading

ASK_WITHIN_S: Final = 60.0
TELL_WITHIN_S: Final = 300.0  # what an `apply` may take, and a confirmation that applies it again
ALGORITHM: Final = "ssh-ed25519"  # of the key that was born on the host; the other one its provider can read
PROGRAM: Final = ("python3", "-I", "-B", "-")


@dataclass(frozen=True)
class GlassDoors:
    """The hosts of one deployment, as the break-glass key opens them.

    Args:
        enter: Command before ssh's that brings it to where it reaches the hosts.
        plan: Whose ways are taken.
        shields: Public address of each.
        identity: The break-glass key, private half.
        folder: For what is believed, and for keys of delivery; 0700.
    """

    enter: tuple[str, ...]
    plan: Plan
    shields: Mapping[str, str]
    identity: Path
    folder: Path

    def host_key(self, host: Host) -> str:
        """Return the SSH host key that answers, believing nothing: `ssh-ed25519 AAAA…`.

        Raises:
            RecoverError: Nothing answers.
        """
        seen = self.folder / f"{host.name}.seen"
        seen.unlink(missing_ok=True)
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": str(seen),
            "PreferredAuthentications": "none",
        }
        done = self._run(host, self.identity, ("true",), options=options, within_s=ASK_WITHIN_S)
        words = seen.read_text(encoding="ascii").split() if seen.exists() else []
        if len(words) < 3:
            raise RecoverError(_silent(host, done))
        return " ".join(words[1:3])

    def believe(self, keys: Mapping[str, str]) -> None:
        """Pin hosts' own keys for all that follows.

        Args:
            keys: By host; those of hosts on the way as well.
        """
        known = "".join(f"{name} {key}\n" for name, key in keys.items())
        write_private(self.folder / "known_hosts", known)

    def read(self, host: Host) -> Reading:
        """Return what a host has, keys among it.

        Raises:
            RecoverError: It does not open, or is not what it should be.
        """
        done = self._run(host, self.identity, PROGRAM, given=READ, within_s=ASK_WITHIN_S)
        if done.returncode:
            raise RecoverError(_silent(host, done))
        return parse_reading(host, done.stdout)

    def tell(self, host: Host, birth: Mapping[str, str], document: str) -> str:
        """Have a host apply a bundle, which nobody has confirmed yet, and return what it said.

        Args:
            host: Who is told.
            birth: The SSH host key by which the next contact meets it.
            document: The bundle.

        Raises:
            RecoverError: It does not take it; it is what it was.
        """
        told = tell_program(birth, document)
        done = self._run(host, self.identity, PROGRAM, given=told, within_s=TELL_WITHIN_S)
        if done.returncode:
            raise RecoverError(_silent(host, done))
        return done.stdout

    def confirm(self, host: Host, keys: Mapping[str, str], digest: str, document: str) -> None:
        """Confirm it by the way that delivery takes from now on: new connections, with the new keys alone.

        Args:
            host: Who was told.
            keys: Delivery's private keys, by host.
            digest: Of the bundle.
            document: The bundle, for a host that has taken it back meanwhile.

        Raises:
            RecoverError: The host does not open to them; it takes the bundle back by itself.
        """
        for name, private in keys.items():
            write_private(self._delivery(name), private)
        done = self._run(host, None, ("confirm", digest), given=document, within_s=TELL_WITHIN_S)
        if done.returncode:
            raise RecoverError(_silent(host, done))

    def _run(
        self,
        host: Host,
        identity: Path | None,
        words: tuple[str, ...],
        *,
        given: str = "",
        within_s: float,
        options: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on a host; through a shield that is believed already, for one that answers nowhere else.

        Args:
            host: Where.
            identity: By which key; None for delivery's of each host.
            words: The program.
            given: On its standard input.
            within_s: How long it may take.
            options: Of ssh, in place of believing what is pinned alone.
        """
        ssh = ssh_command(
            host,
            words,
            shields=self.shields,
            flags=self._flags(host.name, identity, options),
            flags_on_the_way=lambda shield: self._flags(shield, identity),
        )
        command = [*self.enter, *ssh]
        try:
            return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=within_s)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RecoverError(
                f"host {host.name}: {type(error).__name__} of ssh, allowed: an answer; see that it runs"
            ) from None

    def _flags(self, host: str, identity: Path | None, options: Mapping[str, str] | None = None) -> list[str]:
        """Return ssh's flags for one host: one key, and one algorithm of its own."""
        believed = believing(self.folder / "known_hosts") if options is None else options
        return ssh_flags(host, identity or self._delivery(host), {**believed, "HostKeyAlgorithms": ALGORITHM})

    def _delivery(self, host: str) -> Path:
        return self.folder / f"{host}.key"


def fingerprint(key: str) -> str:
    """Return a key's fingerprint as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def read_host_keys(text: str) -> dict[str, str]:
    """Return hosts' own keys by their names, from a file of lines like known_hosts: `NAME ssh-ed25519 AAAA…`."""
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {words[0]: " ".join(words[1:3]) for words in lines if len(words) > 2 and words[1] == ALGORITHM}


def judge_host_keys(seen: Mapping[str, str], known: Mapping[str, str], file: str) -> None:
    """Refuse hosts that show another key than a file says, or none that it knows.

    Raises:
        RecoverError: With each of them.
    """
    faults = [
        f"host {name}: host key {fingerprint(key)}, allowed: "
        + (f"{fingerprint(known[name])}, as {file} says; do not go on" if name in known else f"one that {file} names")
        for name, key in seen.items()
        if known.get(name) != key
    ]
    if faults:
        raise RecoverError(*faults)


def _silent(host: Host, done: subprocess.CompletedProcess[str]) -> str:
    """Return what is wrong with a host that does not answer as it should; its standard output is not told."""
    lines = done.stderr.strip().splitlines()
    return (
        f"host {host.name}: {lines[-1] if lines else 'no answer'}, allowed: an answer to the break-glass key; run this "
        "where ssh leads to it"
    )

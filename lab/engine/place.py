"""A stack and its files: what has to be opened before anything can be done with it.

The passphrase is asked for only when something encrypted is really needed: its key takes a while.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lab.engine.backend import Backend, BackendError
from lab.engine.checkpoint import load_deployment, unwrap_document
from lab.engine.config import Entry, open_config
from lab.engine.passphrase import Cipher, PassphraseError, WrongPassphraseError
from lab.engine.project import load_yaml, save_yaml
from lab.engine.stored import Stored
from lab.engine.urns import STACK_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lab.engine.project import Project
    from lab.engine.rows import Row
    from lab.engine.values import Properties


VARIABLE: Final = "PULUMI_CONFIG_PASSPHRASE"
FILE_VARIABLE: Final = f"{VARIABLE}_FILE"


class Given(NamedTuple):
    """A passphrase, and where it was given."""

    text: str
    where: str


@dataclass(frozen=True)
class Place:
    """Where an operation happens: a stack, its project and its files."""

    backend: Backend
    project: Project
    stack: str
    config_file: Path


class LateCipher:
    """A cipher that asks for the passphrase when it is first needed.

    Args:
        salt: Returns the `encryptionsalt` of the stack.
    """

    def __init__(self, salt: Callable[[], str]) -> None:
        self._salt = salt
        self._cipher: Cipher | None = None

    def open(self) -> Cipher:
        """Return the cipher.

        Raises:
            PassphraseError: The passphrase is missing or wrong.
        """
        if self._cipher is None:
            given, salt = passphrase(), self._salt()
            try:
                self._cipher = Cipher(given.text, salt)
            except WrongPassphraseError as fault:
                raise PassphraseError(
                    f"{given.where}: {fault}, allowed: the one that this stack was made with; "
                    f"set it in {VARIABLE}, or name a file that holds it in {FILE_VARIABLE}"
                ) from fault
        return self._cipher

    def encrypt(self, plain: str) -> str:
        """Return the text encrypted."""
        return self.open().encrypt(plain)

    def decrypt(self, text: str) -> str:
        """Return what was encrypted."""
        return self.open().decrypt(text)


def passphrase() -> Given:
    """Return the passphrase from the environment, else from whoever sits at the terminal.

    Raises:
        PassphraseError: There is none, or its file can't be read.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        return Given(given, VARIABLE)
    file = os.environ.get(FILE_VARIABLE)
    if file:
        try:
            return Given(Path(file).read_text(encoding="utf-8").strip(), f"{FILE_VARIABLE} ({file})")
        except (OSError, UnicodeDecodeError) as fault:
            reason = (fault.strerror or str(fault)).lower() if isinstance(fault, OSError) else "no UTF-8 text"
            raise PassphraseError(
                f"{FILE_VARIABLE}: {file} ({reason}), allowed: a file that holds the passphrase; name it there"
            ) from fault
    if sys.stdin.isatty() and sys.stderr.isatty():
        import getpass

        return Given(getpass.getpass("Enter your passphrase to unlock config/secrets: "), "passphrase typed")
    raise PassphraseError(f"passphrase must be set with {VARIABLE} or {FILE_VARIABLE}")


def salt_of(place: Place, latest: Mapping[str, Any]) -> str:
    """Return the `encryptionsalt` of a stack, made now if the stack has none.

    The stack file's counts; one that only the state has is written into the stack file.
    """
    from lab.engine.passphrase import new_salt

    content = load_yaml(place.config_file)
    salt = content.get("encryptionsalt")
    if not salt:
        salt = ((latest.get("secrets_providers") or {}).get("state") or {}).get("salt")
        salt = salt or new_salt(passphrase().text)
        save_yaml(place.config_file, {"encryptionsalt": salt, **content})
    return str(salt)


def salt_of_state(place: Place, latest: Mapping[str, Any]) -> str:
    """Return the salt with which a state was encrypted: to read one, its own counts and nothing is written."""
    salt = ((latest.get("secrets_providers") or {}).get("state") or {}).get("salt")
    return str(salt) if salt else salt_of(place, latest)


def stack_config(place: Place, decrypt: Callable[[str], str]) -> dict[str, Entry]:
    """Return the configuration of a stack, opened.

    Raises:
        ConfigError: Something that the project declares is missing or of another type.
    """
    content = load_yaml(place.config_file)
    return open_config(
        place.project.config,
        content.get("config") or {},
        project=place.project.name,
        stack=place.stack,
        decrypt=decrypt,
    )


def read_outputs(place: Place, name: str) -> Properties:
    """Return the outputs of a stack of the backend, by `stack` or `organization/project/stack`.

    Raises:
        ProviderError: There is no such stack, or the passphrase does not open it.
    """
    from lab.engine.provider import ProviderError

    parts = name.split("/")
    project = parts[-2] if len(parts) > 1 else place.project.name
    try:
        latest = unwrap_document(place.backend.read(project, parts[-1]))
        salt = ((latest.get("secrets_providers") or {}).get("state") or {}).get("salt") or ""
        return outputs_of(load_deployment(latest, Stored(LateCipher(lambda: salt))).rows)
    except (BackendError, PassphraseError) as fault:
        raise ProviderError(f"stack {name!r}: {fault}") from fault


def outputs_of(rows: Sequence[Row]) -> Properties:
    """Return the outputs of the stack whose rows these are."""
    for row in rows:
        if row.type == STACK_TYPE:
            return row.outputs
    return {}
